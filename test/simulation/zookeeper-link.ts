import type {
  CreateOptions,
  MultiOperation,
  MultiResult,
  NodeChildren,
  NodeData,
  SessionEvent,
  SessionPhase,
  Stat,
  WatchOptions,
  Watcher,
  ZooKeeperClient,
} from '../../proto/zookeeper/client.ts';
import type { ArmedFaults } from './faults.ts';
import type { Gate } from './gate.ts';
import { SimulatedClient } from './zookeeper/client.ts';
import type { Ensemble } from './zookeeper/ensemble.ts';

/** One process' ZooKeeper session: it dies and freezes with the process, and meets the faults armed for it. */
export class ZooKeeperLink implements ZooKeeperClient {
  readonly #client: SimulatedClient;
  readonly #gate: Gate;
  readonly #faults: ArmedFaults;
  readonly #watchers = new WeakMap<Watcher, Watcher>();

  /** Told of every write when it is decided on. */
  onWrite: (operations: readonly MultiOperation[]) => void = () => undefined;

  constructor(options: { ensemble: Ensemble; gate: Gate; faults: ArmedFaults }) {
    this.#client = new SimulatedClient({ ensemble: options.ensemble });
    this.#gate = options.gate;
    this.#faults = options.faults;
    this.#gate.onDeath(() => this.#client.keepAway());
  }

  get phase(): SessionPhase {
    return this.#client.phase;
  }

  get sessionId(): bigint {
    return this.#client.sessionId;
  }

  /** For faults: the session itself. */
  get session(): Pick<SimulatedClient, 'cut' | 'hang' | 'keepAway' | 'admit'> {
    return this.#client;
  }

  subscribe(listener: (event: SessionEvent) => void): () => void {
    return this.#client.subscribe((event) => this.#gate.run(() => listener(event)));
  }

  async whenConnected(signal?: AbortSignal): Promise<void> {
    await this.#client.whenConnected(signal);
    await this.#gate.enter();
  }

  create(path: string, data: Uint8Array, options?: CreateOptions): Promise<string> {
    this.onWrite([{ type: 'create', path, data }]);
    return this.#write(`create ${path}`, () => this.#client.create(path, data, options));
  }

  delete(path: string, version?: number): Promise<void> {
    return this.#write(`delete ${path}`, () => this.#client.delete(path, version));
  }

  setData(path: string, data: Uint8Array, version?: number): Promise<Stat> {
    this.onWrite([{ type: 'setData', path, data }]);
    return this.#write(`setData ${path}`, () => this.#client.setData(path, data, version));
  }

  multi(operations: readonly MultiOperation[]): Promise<MultiResult[]> {
    this.onWrite(operations);
    const what = operations.map(({ type, path }) => `${type} ${path}`).join(', ');
    return this.#write(`multi ${what}`, () => this.#client.multi(operations));
  }

  exists(path: string, options?: WatchOptions): Promise<Stat | undefined> {
    return this.#read(() => this.#client.exists(path, this.#gated(options)));
  }

  getData(path: string, options?: WatchOptions): Promise<NodeData> {
    return this.#read(() => this.#client.getData(path, this.#gated(options)));
  }

  getChildren(path: string, options?: WatchOptions): Promise<NodeChildren> {
    return this.#read(() => this.#client.getChildren(path, this.#gated(options)));
  }

  sync(path: string): Promise<void> {
    return this.#read(() => this.#client.sync(path));
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  #write<T>(what: string, work: () => Promise<T>): Promise<T> {
    return this.#gate.act(what, () => {
      const fault = this.#faults.next();
      if (fault === 'lost') this.#client.loseAnswer();
      const outcome = work();
      if (fault === 'dropped') this.#client.cut(0);
      if (fault === 'late') this.#client.cut(1);
      if (fault === 'refused') this.#client.hang();
      return outcome;
    });
  }

  async #read<T>(work: () => Promise<T>): Promise<T> {
    await this.#gate.enter();
    try {
      return await work();
    } finally {
      await this.#gate.enter();
    }
  }

  /** One function for each watcher: the client calls equal ones once. */
  #gated(options: WatchOptions | undefined): WatchOptions {
    const watch = options?.watch;
    if (watch === undefined) return {};
    let gated = this.#watchers.get(watch);
    if (gated === undefined) {
      gated = (event) => this.#gate.run(() => watch(event));
      this.#watchers.set(watch, gated);
    }
    return { watch: gated };
  }
}
