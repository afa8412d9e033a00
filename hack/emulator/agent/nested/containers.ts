import type {
  AgentProcessIO,
  CommandInfo,
  ContainerID,
  NetworkInfo,
  TTYInfo,
} from '../../../../proto/mesos/generated/messages.ts';
import type { ContainerEntry, NestedProcess } from './process.ts';

/** A container that the agent's API launched, below one of a task. */
export interface NestedContainer {
  readonly id: ContainerID;
  /** Of the task whose namespaces it shares. */
  readonly host: string;
  readonly root: string;
  readonly networks: readonly NetworkInfo[];
  /** Only those with an I/O switchboard can be attached to: sessions, and those with a terminal. */
  readonly attachable: boolean;
  readonly terminal: boolean;
  readonly process: NestedProcess;
  status: number | undefined;
  inputAttached: boolean;
}

export interface LaunchRequest {
  readonly id: ContainerID;
  readonly command: CommandInfo;
  readonly tty: TTYInfo | undefined;
  readonly session: boolean;
}

/** What the tasks of an agent run in, as far as nested containers need it. */
export interface RootContainers {
  /** The networks of an executor's container that runs; undefined if there is none. */
  networksOf(root: string): readonly NetworkInfo[] | undefined;
}

type Reader = { output(message: AgentProcessIO): void; ended(): void };

interface Entry extends NestedContainer {
  readonly readers: Set<Reader>;
  readonly waiting: Set<() => void>;
  /** Output before the first reader. */
  held: AgentProcessIO[] | undefined;
}

/** The containers that operators launch below those of tasks. They end with them. */
export class NestedContainers {
  readonly #roots: RootContainers;
  readonly #entry: ContainerEntry;
  readonly #entries = new Map<string, Entry>();
  readonly #launching = new Set<string>();

  constructor(roots: RootContainers, entry: ContainerEntry) {
    this.#roots = roots;
    this.#entry = entry;
  }

  /** Whether a task's executor runs in the root of this container. */
  hasRoot(id: ContainerID): boolean {
    return this.#roots.networksOf(rootOf(id).value) !== undefined;
  }

  async launch({
    id,
    command,
    tty,
    session,
  }: LaunchRequest): Promise<'launched' | 'exists' | 'no parent'> {
    this.#forgetEnded();
    const name = containerName(id);
    const parent = id.parent;
    const root = rootOf(id).value;
    const networks = this.#roots.networksOf(root);
    if (this.#entries.has(name) || this.#launching.has(name)) return 'exists';
    if (parent === undefined || networks === undefined) return 'no parent';
    const above = this.#entries.get(containerName(parent));
    if (above?.status !== undefined) return 'no parent';
    const host = above?.host ?? parent.value;
    const window = tty === undefined ? undefined : (tty.window_size ?? { rows: 24, columns: 80 });
    this.#launching.add(name);
    const process = await this.#entry.enter(
      host,
      {
        command,
        ...(session ? {} : { directory: `containers/${id.value}` }),
        ...(window === undefined ? {} : { terminal: window }),
      },
      {
        output: (type, data) => {
          const text = Buffer.from(data).toString('base64');
          this.#output(name, { type: 'DATA', data: { type, data: text } });
        },
        exited: (status) => {
          this.#exited(name, status);
        },
      },
    );
    this.#launching.delete(name);
    if (process === undefined) return 'no parent';
    const attachable = session || tty !== undefined;
    this.#entries.set(name, {
      ...{ id, host, root, networks, attachable, terminal: tty !== undefined, process },
      ...{ status: undefined, inputAttached: false },
      readers: new Set(),
      waiting: new Set(),
      held: attachable ? [] : undefined,
    });
    await process.started;
    return 'launched';
  }

  /** One whose root still runs; it may have ended itself. */
  find(id: ContainerID): NestedContainer | undefined {
    return this.hasRoot(id) ? this.#entries.get(containerName(id)) : undefined;
  }

  running(root: string): NestedContainer[] {
    return [...this.#entries.values()].filter(
      (entry) => entry.root === root && entry.status === undefined,
    );
  }

  /** Resolves with the raw wait status. */
  async wait(container: NestedContainer): Promise<number> {
    const entry = this.#entries.get(containerName(container.id));
    if (entry !== undefined && container.status === undefined) {
      await new Promise<void>((resolve) => entry.waiting.add(resolve));
    }
    return container.status ?? 0;
  }

  remove(container: NestedContainer): void {
    this.#entries.delete(containerName(container.id));
  }

  /** Everything that the container writes from now on, and before if nobody has read that. */
  read(container: NestedContainer, reader: Reader): { stop(): void } {
    const entry = this.#entries.get(containerName(container.id));
    const held = entry?.held ?? [];
    if (entry !== undefined) entry.held = undefined;
    for (const message of held) reader.output(message);
    if (entry === undefined || entry.status !== undefined) {
      reader.ended();
      return { stop: () => undefined };
    }
    entry.readers.add(reader);
    return { stop: () => void entry.readers.delete(reader) };
  }

  #output(name: string, message: AgentProcessIO): void {
    const entry = this.#entries.get(name);
    if (entry?.held !== undefined) entry.held.push(message);
    for (const reader of entry?.readers ?? []) reader.output(message);
  }

  #exited(name: string, status: number): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    entry.status = status;
    for (const reader of entry.readers) reader.ended();
    entry.readers.clear();
    for (const resolve of entry.waiting) resolve();
  }

  /** Nobody can ask for them any more. */
  #forgetEnded(): void {
    for (const [name, { root, status }] of this.#entries) {
      const gone = this.#roots.networksOf(root) === undefined;
      if (gone && status !== undefined) this.#entries.delete(name);
    }
  }
}

export function rootOf(id: ContainerID): ContainerID {
  return id.parent === undefined ? id : rootOf(id.parent);
}

/** As Mesos writes it in messages: from the root down, with dots. */
export function containerName({ value, parent }: ContainerID): string {
  return parent === undefined ? value : `${containerName(parent)}.${value}`;
}
