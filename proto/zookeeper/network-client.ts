import type { Clock } from '../../api/machinery/clock.ts';
import type { Random } from '../../api/machinery/random.ts';
import type * as api from './client.ts';
import { parseConnectString } from './connect-string.ts';
import { tcpDial, type Dial } from './dial.ts';
import { ZooKeeperError } from './errors.ts';
import { multi } from './multi.ts';
import * as operations from './operations.ts';
import { validatePath, withChroot, withoutChroot } from './paths.ts';
import { Session } from './session.ts';
import { WatchRegistry, type WatchKind } from './watches.ts';

export interface ZooKeeperOptions {
  /** `host:port,host:port/chroot`. The chroot must exist. */
  readonly connectString: string;
  readonly clock: Clock;
  readonly random: Random;
  /**
   * How long the session outlives its last sign of life. Servers bound it (2 to 20 ticks by default).
   * A link that is silent for two thirds of it is given up. Default 10,000.
   */
  readonly sessionTimeoutMs?: number | undefined;
  /** After it a request rejects with OPERATION_TIMEOUT, `unknown`. Default: the session timeout. */
  readonly requestTimeoutMs?: number | undefined;
  /** For each attempt on a server. Default: all servers fit into two thirds of the session timeout. */
  readonly connectTimeoutMs?: number | undefined;
  /** Requests sent and not answered. Default 10,000. */
  readonly maxInFlight?: number | undefined;
  /** Identities that every connection of the session assumes, in order. */
  readonly authentications?: readonly api.Authentication[] | undefined;
  /** Of nodes that are created without one. Default: anyone may do anything. */
  readonly acl?: readonly api.Acl[] | undefined;
  /** How connections are opened. Default: plain TCP. */
  readonly dial?: Dial | undefined;
}

/** Starts connecting and returns at once. Throws BAD_ARGUMENTS for a bad connect string. */
export function openZooKeeper(options: ZooKeeperOptions): api.ZooKeeperClient {
  return new NetworkClient(options);
}

/** SetWatches requests stay far below the limit of a request's size. */
const setWatchesBytes = 128 * 1024;

class NetworkClient implements api.ZooKeeperClient {
  readonly #chroot: string;
  readonly #acl: readonly api.Acl[] | undefined;
  readonly #watches = new WatchRegistry();
  readonly #session: Session;

  constructor(options: ZooKeeperOptions) {
    const { endpoints, chroot } = parseConnectString(options.connectString);
    const timeoutMs = options.sessionTimeoutMs ?? 10_000;
    this.#chroot = chroot;
    this.#acl = options.acl;
    this.#session = new Session({
      endpoints,
      dial: options.dial ?? tcpDial(),
      clock: options.clock,
      random: options.random,
      timeoutMs,
      connectTimeoutMs: options.connectTimeoutMs ?? (2 * timeoutMs) / 3 / endpoints.length,
      requestTimeoutMs: options.requestTimeoutMs ?? timeoutMs,
      maxInFlight: options.maxInFlight ?? 10_000,
      // A resume must come before the session expires, so waits stay well below its timeout.
      backoff: { baseMs: 100, capMs: Math.min(timeoutMs / 4, 5000) },
      authentications: options.authentications ?? [],
      watches: {
        notify: ({ type, path }) => {
          const event = { type, path: withoutChroot(this.#chroot, path) };
          for (const watcher of this.#watches.take({ type, path })) watcher(event);
        },
        batches: () => this.#watches.batches(setWatchesBytes),
        lose: () => {
          for (const { path, watcher } of this.#watches.takeAll()) {
            watcher({ type: 'lost', path: withoutChroot(this.#chroot, path) });
          }
        },
      },
    });
  }

  get phase(): api.SessionPhase {
    return this.#session.phase;
  }

  get sessionId(): bigint {
    return this.#session.id;
  }

  subscribe(listener: (event: api.SessionEvent) => void): () => void {
    return this.#session.subscribe(listener);
  }

  whenConnected(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (this.phase === 'connecting' && signal?.aborted !== true) return;
        unsubscribe();
        signal?.removeEventListener('abort', look);
        if (this.phase === 'connected') resolve();
        else if (this.phase === 'closed') reject(closed());
        else reject(new Error('waiting for ZooKeeper was given up', { cause: signal?.reason }));
      };
      const unsubscribe = this.subscribe(look);
      signal?.addEventListener('abort', look);
      look();
    });
  }

  async create(path: string, data: Uint8Array, options: api.CreateOptions = {}): Promise<string> {
    const { acl = this.#acl } = options;
    const full = this.#creatable(path, options);
    const operation = operations.create(full, data, { ...options, acl });
    return withoutChroot(this.#chroot, await this.#session.request(operation));
  }

  async delete(path: string, version = -1): Promise<void> {
    await this.#session.request(operations.remove(this.#full(path), version));
  }

  async exists(path: string, options: api.WatchOptions = {}): Promise<api.Stat | undefined> {
    const operation = operations.exists(this.#full(path), options.watch !== undefined);
    return this.#session.request(
      this.#watching(operation, options, (stat) => (stat === undefined ? 'exist' : 'data')),
    );
  }

  async getData(path: string, options: api.WatchOptions = {}): Promise<api.NodeData> {
    const operation = operations.getData(this.#full(path), options.watch !== undefined);
    return this.#session.request(this.#watching(operation, options, () => 'data'));
  }

  async setData(path: string, data: Uint8Array, version = -1): Promise<api.Stat> {
    return this.#session.request(operations.setData(this.#full(path), data, version));
  }

  async getChildren(path: string, options: api.WatchOptions = {}): Promise<api.NodeChildren> {
    const operation = operations.getChildren(this.#full(path), options.watch !== undefined);
    return this.#session.request(this.#watching(operation, options, () => 'child'));
  }

  async multi(requested: readonly api.MultiOperation[]): Promise<api.MultiResult[]> {
    const full = requested.map((operation) => {
      if (operation.type !== 'create') return { ...operation, path: this.#full(operation.path) };
      const { acl = this.#acl } = operation;
      return { ...operation, path: this.#creatable(operation.path, operation), acl };
    });
    const results = await this.#session.request(multi(full));
    return results.map((result) =>
      result.type === 'create'
        ? { type: 'create', path: withoutChroot(this.#chroot, result.path) }
        : result,
    );
  }

  async sync(path: string): Promise<void> {
    await this.#session.request(operations.sync(this.#full(path)));
  }

  close(): Promise<void> {
    return this.#session.close();
  }

  #full(path: string): string {
    validatePath(path);
    return withChroot(this.#chroot, path);
  }

  /** A sequential node may be named by its number alone. */
  #creatable(path: string, { sequential }: api.CreateOptions): string {
    validatePath(sequential === true ? `${path}0` : path);
    return withChroot(this.#chroot, path);
  }

  /**
   * Registers the watch while the reply is being read: an event for it may be the very next frame,
   * and a reply that comes after the caller's deadline registers nothing.
   */
  #watching<T>(
    operation: operations.Operation<T>,
    { watch }: api.WatchOptions,
    kindOf: (result: T) => WatchKind,
  ): operations.Operation<T> {
    const { path } = operation;
    if (watch === undefined || path === undefined) return operation;
    const registered = (result: T): T => {
      this.#watches.add(kindOf(result), path, watch);
      return result;
    };
    const { missing } = operation;
    return {
      ...operation,
      decode: (reader) => registered(operation.decode(reader)),
      ...(missing === undefined ? {} : { missing: () => registered(missing()) }),
    };
  }
}

function closed(): ZooKeeperError {
  return new ZooKeeperError('SESSION_CLOSED', 'not-sent', 'the client is closed');
}
