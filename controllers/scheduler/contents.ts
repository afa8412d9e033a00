import type { ConfigMap } from '../../api/v1/config-map.ts';
import type { Volume } from '../../api/v1/contents.ts';
import type { Secret } from '../../api/v1/secret.ts';
import type { Task } from '../../api/v1/task.ts';
import type { Container } from '../../api/v1/template.ts';
import type {
  EnvironmentVariable,
  Volume as MesosVolume,
} from '../../proto/mesos/generated/messages.ts';

/**
 * What a task gets from Secrets and ConfigMaps, found when it is launched: a pure function. It goes to
 * Mesos and nowhere else: not into the Task, not into a message, not into a log.
 */

/** The objects of a namespace as they are now. */
export interface ContentSources {
  secret(namespace: string, name: string): Secret | undefined;
  configMap(namespace: string, name: string): ConfigMap | undefined;
}

export interface ContainerContents {
  /** In the order of the container; of two with one name the later one counts. */
  variables: readonly EnvironmentVariable[];
  volumes: readonly MesosVolume[];
}

export type TaskContents =
  | { kind: 'Found'; ofContainer: (name: string) => ContainerContents }
  | { kind: 'Lacking'; reason: 'ReferenceMissing' | 'ReferenceUnusable'; message: string };

/** Linux takes no longer argument or variable, its name included (MAX_ARG_STRLEN). */
const maxVariableBytes = 128 * 1024;
/** About the base64 of all contents of one task: they travel in one call, with those of others. */
const maxContents = 4 * 2 ** 20;

export function usesContents({ spec }: Task): boolean {
  return spec.containers.some(
    ({ env = [], envFrom = [], volumeMounts = [] }) =>
      envFrom.length > 0 ||
      volumeMounts.length > 0 ||
      env.some(({ valueFrom }) => valueFrom !== undefined),
  );
}

/** Of a task that refers to nothing: the variables that it spells out. */
export function plainContents({ spec }: Task): Extract<TaskContents, { kind: 'Found' }> {
  return {
    kind: 'Found',
    ofContainer: (name) => {
      const { env = [] } = spec.containers.find((container) => container.name === name) ?? {};
      return { variables: env.map(plainVariable), volumes: [] };
    },
  };
}

function plainVariable({ name, value }: { name: string; value?: string | undefined }) {
  return { name, value: value ?? '', type: 'VALUE' } as const;
}

export function contentsOf(task: Task, sources: ContentSources): TaskContents {
  const search = new Search(task, sources);
  try {
    const containers = new Map(
      task.spec.containers.map((container) => [
        container.name,
        { variables: search.variables(container), files: search.files(container) },
      ]),
    );
    return {
      kind: 'Found',
      ofContainer: (name) => {
        const { variables = [], files = new Map<string, Value>() } = containers.get(name) ?? {};
        return { variables, volumes: [...files].map(secretVolume) };
      },
    };
  } catch (error) {
    if (!(error instanceof LackError)) throw error;
    return { kind: 'Lacking', reason: error.reason, message: error.message };
  }
}

/** Ends a search. The message names objects and keys, never values. */
class LackError extends Error {
  override readonly name = 'LackError';
  readonly reason: 'ReferenceMissing' | 'ReferenceUnusable';

  constructor(reason: LackError['reason'], message: string) {
    super(message);
    this.reason = reason;
  }
}

/** A value of an object. Most are only looked for, again and again until there is an offer. */
interface Value {
  secret: boolean;
  /** About that of its base64. */
  length: number;
  bytes(): Buffer;
  /** As Mesos takes bytes. */
  base64(): string;
}

/** A file that only the container sees, in memory: the isolator volume/secret of the agent makes it. */
function secretVolume([path, value]: [string, Value]): MesosVolume {
  const secret = { type: 'VALUE', value: { data: value.base64() } } as const;
  return { container_path: path, mode: 'RO', source: { type: 'SECRET', secret } };
}

/** An object that is referred to: what people call it, and its values by key. */
interface Source {
  title: string;
  /** undefined: it does not exist. */
  values: ReadonlyMap<string, Value> | undefined;
}

class Search {
  readonly #task: Task;
  readonly #namespace: string;
  readonly #sources: ContentSources;
  #size = 0;

  constructor(task: Task, sources: ContentSources) {
    this.#task = task;
    this.#namespace = task.metadata.namespace ?? '';
    this.#sources = sources;
  }

  variables({ env = [], envFrom = [] }: Container): EnvironmentVariable[] {
    const found = new Map<string, EnvironmentVariable>();
    for (const { prefix = '', secretRef, configMapRef } of envFrom) {
      const source =
        secretRef === undefined ? this.#texts(configMapRef?.name) : this.#secret(secretRef.name);
      const { optional } = secretRef ?? configMapRef ?? {};
      for (const [key, value] of this.#values(source, optional) ?? []) {
        found.set(prefix + key, this.#variable(prefix + key, value, `${source.title} at ${key}`));
      }
    }
    for (const { name, value, valueFrom } of env) {
      if (valueFrom === undefined) {
        found.set(name, plainVariable({ name, value }));
        continue;
      }
      const { secretKeyRef, configMapKeyRef } = valueFrom;
      const source =
        secretKeyRef === undefined
          ? this.#texts(configMapKeyRef?.name)
          : this.#secret(secretKeyRef.name);
      const { key = '', optional } = secretKeyRef ?? configMapKeyRef ?? {};
      const taken = this.#value(source, key, optional);
      if (taken !== undefined) {
        found.set(name, this.#variable(name, taken, `${source.title} at ${key}`));
      }
    }
    return [...found.values()];
  }

  /** By path in the sandbox. */
  files({ volumeMounts = [] }: Container): Map<string, Value> {
    const files = new Map<string, Value>();
    for (const { name, mountPath } of volumeMounts) {
      const volume = this.#task.spec.volumes?.find((one) => one.name === name);
      if (volume === undefined) continue;
      for (const [path, value] of this.#files(volume)) files.set(`${mountPath}/${path}`, value);
    }
    return files;
  }

  #files({ secret, configMap }: Volume): [path: string, value: Value][] {
    const source =
      secret === undefined
        ? this.#configMap(configMap?.name ?? '')
        : this.#secret(secret.secretName);
    const { items, optional } = secret ?? configMap ?? {};
    if (items === undefined) return [...(this.#values(source, optional) ?? [])];
    return items.flatMap(({ key, path }): [string, Value][] => {
      const value = this.#value(source, key, optional);
      return value === undefined ? [] : [[path, value]];
    });
  }

  #secret(name: string): Source {
    const secret = this.#sources.secret(this.#namespace, name);
    return {
      title: `Secret "${name}"`,
      values: secret === undefined ? undefined : valuesOf(secret.data, encoded(true)),
    };
  }

  /** A ConfigMap as environment: bytes are for files. */
  #texts(name = ''): Source {
    const map = this.#sources.configMap(this.#namespace, name);
    return {
      title: `ConfigMap "${name}"`,
      values: map === undefined ? undefined : valuesOf(map.data, plain),
    };
  }

  #configMap(name: string): Source {
    const { title, values } = this.#texts(name);
    const { binaryData } = this.#sources.configMap(this.#namespace, name) ?? {};
    if (values === undefined) return { title, values };
    return { title, values: new Map([...values, ...valuesOf(binaryData, encoded(false))]) };
  }

  #values(
    { title, values }: Source,
    optional: boolean | undefined,
  ): ReadonlyMap<string, Value> | undefined {
    if (values === undefined) {
      if (optional === true) return undefined;
      throw new LackError(
        'ReferenceMissing',
        `${title} does not exist in namespace ${this.#namespace}`,
      );
    }
    for (const value of values.values()) this.#count(value);
    return values;
  }

  #value(source: Source, key: string, optional: boolean | undefined): Value | undefined {
    if (source.values === undefined) {
      this.#values(source, optional);
      return undefined;
    }
    const value = source.values.get(key);
    if (value === undefined && optional !== true) {
      throw new LackError('ReferenceMissing', `${source.title} has no key "${key}"`);
    }
    if (value !== undefined) this.#count(value);
    return value;
  }

  #count({ length }: Value): void {
    this.#size += length;
    if (this.#size <= maxContents) return;
    throw new LackError(
      'ReferenceUnusable',
      `the contents that the task refers to take more than ${maxContents} bytes in base64: refer to less`,
    );
  }

  #variable(name: string, value: Value, origin: string): EnvironmentVariable {
    const bytes = value.bytes();
    if (bytes.includes(0)) {
      throw new LackError(
        'ReferenceUnusable',
        `${origin} has a zero byte, which no variable can hold: mount it as a file`,
      );
    }
    if (name.length + bytes.length + 2 > maxVariableBytes) {
      throw new LackError(
        'ReferenceUnusable',
        `${origin} is too long for a variable: mount it as a file`,
      );
    }
    if (!value.secret) return { name, value: bytes.toString(), type: 'VALUE' };
    return { name, type: 'SECRET', secret: { type: 'VALUE', value: { data: value.base64() } } };
  }
}

const encoded =
  (secret: boolean) =>
  (base64: string): Value => ({
    secret,
    length: base64.length,
    bytes: () => Buffer.from(base64, 'base64'),
    base64: () => base64,
  });

const plain = (text: string): Value => ({
  secret: false,
  length: text.length,
  bytes: () => Buffer.from(text),
  base64: () => Buffer.from(text).toString('base64'),
});

function valuesOf(
  data: Readonly<Record<string, string>> | undefined,
  valueOf: (stored: string) => Value,
): ReadonlyMap<string, Value> {
  return new Map(Object.entries(data ?? {}).map(([key, stored]) => [key, valueOf(stored)]));
}
