import type { Timer } from '../../../api/machinery/clock.ts';
import type * as api from '../../../proto/zookeeper/client.ts';
import { ZooKeeperError } from '../../../proto/zookeeper/errors.ts';
import { validatePath, withChroot, withoutChroot } from '../../../proto/zookeeper/paths.ts';
import { WatchRegistry, type WatchKind } from '../../../proto/zookeeper/watches.ts';
import { Connection, type Answer, type Request } from './connection.ts';
import type { Ensemble } from './ensemble.ts';
import type { ServerEvent } from './tree.ts';

export interface SimulatedClientOptions {
  ensemble: Ensemble;
  chroot?: string;
}

const reconnectMs = 100;
/** Jute's limit of a request, less what frames it. */
const maxRequestBytes = 1_048_575;

/** A client of simulated servers, with the sessions and watches of the real one and without its wire. */
export class SimulatedClient implements api.ZooKeeperClient {
  readonly #ensemble: Ensemble;
  readonly #chroot: string;
  readonly #watches = new WatchRegistry();
  readonly #listeners = new Set<(event: api.SessionEvent) => void>();
  #phase: api.SessionPhase = 'connecting';
  #sessionId = 0n;
  #lastZxid = 0n;
  #connection: Connection | undefined;
  #retry: Timer | undefined;
  #closing: Promise<void> | undefined;
  #attempts = 0;
  #isKeptAway = false;

  constructor({ ensemble, chroot = '' }: SimulatedClientOptions) {
    this.#ensemble = ensemble;
    this.#chroot = chroot;
    this.#attempts = Math.floor(ensemble.random.next() * ensemble.replicas.length);
    this.#connectIn(ensemble.latencyMs());
  }

  get phase(): api.SessionPhase {
    return this.#phase;
  }

  get sessionId(): bigint {
    return this.#sessionId;
  }

  /** The link breaks; of what was sent, so much of the front arrives as `share` says. */
  cut(share = this.#ensemble.random.next()): void {
    this.#connection?.break('the link was cut', share);
  }

  /** What is asked next is done, and its answer lost. */
  loseAnswer(): void {
    if (this.#connection !== undefined) this.#connection.losesAnswer = true;
  }

  /** The link goes dead without a word. */
  hang(): void {
    this.#connection?.hang();
  }

  keepAway(): void {
    this.#isKeptAway = true;
    this.cut();
  }

  admit(): void {
    this.#isKeptAway = false;
  }

  subscribe(listener: (event: api.SessionEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  whenConnected(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (this.#phase === 'connecting' && signal?.aborted !== true) return;
        unsubscribe();
        signal?.removeEventListener('abort', look);
        if (this.#phase === 'connected') resolve();
        else if (this.#phase === 'closed') reject(this.#unsent('whenConnected'));
        else reject(new Error('waiting for ZooKeeper was given up'));
      };
      const unsubscribe = this.subscribe(look);
      signal?.addEventListener('abort', look);
      look();
    });
  }

  async create(path: string, data: Uint8Array, options: api.CreateOptions = {}): Promise<string> {
    const [result] = await this.#write([{ type: 'create', path, data, ...options }], false);
    return result?.type === 'create' ? result.path : path;
  }

  async delete(path: string, version = -1): Promise<void> {
    await this.#write([{ type: 'delete', path, version }], false);
  }

  async setData(path: string, data: Uint8Array, version = -1): Promise<api.Stat> {
    const [result] = await this.#write([{ type: 'setData', path, data, version }], false);
    if (result?.type === 'setData') return result.stat;
    throw new TypeError('a setData was answered otherwise');
  }

  async exists(path: string, options: api.WatchOptions = {}): Promise<api.Stat | undefined> {
    const answer = await this.#read('exists', path, options);
    return answer.type === 'stat' ? answer.stat : undefined;
  }

  async getData(path: string, options: api.WatchOptions = {}): Promise<api.NodeData> {
    const answer = await this.#read('getData', path, options);
    if (answer.type === 'data') return answer.data;
    throw new TypeError('a getData was answered otherwise');
  }

  async getChildren(path: string, options: api.WatchOptions = {}): Promise<api.NodeChildren> {
    const answer = await this.#read('getChildren', path, options);
    if (answer.type === 'children') return answer.children;
    throw new TypeError('a getChildren was answered otherwise');
  }

  async multi(operations: readonly api.MultiOperation[]): Promise<api.MultiResult[]> {
    return [...(await this.#write(operations, true))];
  }

  async sync(path: string): Promise<void> {
    this.#full(path);
    await this.#request({ type: 'sync' }, path);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #write(
    operations: readonly api.MultiOperation[],
    multi: boolean,
  ): Promise<readonly api.MultiResult[]> {
    const full = operations.map((operation) => ({
      ...operation,
      path: this.#full(operation.path, operation.type === 'create' && operation.sequential),
    }));
    const first = full[0]?.path;
    if (bytesOf(full) > maxRequestBytes) {
      throw new ZooKeeperError('REQUEST_TOO_LARGE', 'not-sent', 'the request is too large');
    }
    const answer = await this.#request({ type: 'write', operations: full, multi }, first);
    const results = answer.type === 'written' ? answer.results : [];
    return results.map((result) =>
      result.type === 'create'
        ? { type: 'create', path: withoutChroot(this.#chroot, result.path) }
        : result,
    );
  }

  /** The watch is registered while the answer is read: its event may be the next thing that comes. */
  async #read(
    type: 'exists' | 'getData' | 'getChildren',
    path: string,
    { watch }: api.WatchOptions,
  ): Promise<Answer> {
    const full = this.#full(path);
    const request: Request = { type, path: full, watch: watch !== undefined };
    return this.#request(request, full, (answer) => {
      if (watch !== undefined) this.#watches.add(kindOf(answer), full, watch);
    });
  }

  #request(
    request: Request,
    path: string | undefined,
    onAnswer: (answer: Answer) => void = () => undefined,
  ): Promise<Answer> {
    if (this.#phase !== 'connected' || this.#connection === undefined) {
      return Promise.reject(this.#unsent(request.type, path));
    }
    return this.#connection.request(request, onAnswer);
  }

  #unsent(what: string, path?: string): ZooKeeperError {
    const code = this.#phase === 'closed' ? 'SESSION_CLOSED' : 'CONNECTION_LOSS';
    return new ZooKeeperError(code, 'not-sent', `${what}: not connected`, { path });
  }

  /** A sequential node may be named by its number alone. */
  #full(path: string, sequential: boolean | undefined = false): string {
    validatePath(sequential ? `${path}0` : path);
    return withChroot(this.#chroot, path);
  }

  #connectIn(ms: number): void {
    this.#retry = this.#ensemble.clock.after(ms, () => this.#connect());
  }

  #connect(): void {
    const { replicas } = this.#ensemble;
    const replica = replicas[this.#attempts % replicas.length];
    this.#attempts += 1;
    // A server that is behind what the client has seen refuses it.
    if (replica === undefined || this.#isKeptAway || replica.tree.zxid < this.#lastZxid) {
      const reason = new ZooKeeperError('CONNECTION_LOSS', 'not-sent', 'cannot connect');
      this.#emit({ type: 'unreachable', reason });
      if (!this.#isClosed()) this.#connectIn(this.#pauseMs());
      return;
    }
    const resumed = this.#sessionId !== 0n;
    if (resumed && !this.#ensemble.hasSession(this.#sessionId)) {
      this.#expire();
      if (!this.#isClosed()) this.#connectIn(this.#pauseMs());
      return;
    }
    if (!resumed) this.#sessionId = this.#ensemble.newSession();
    const connection = new Connection({
      ensemble: this.#ensemble,
      replica,
      sessionId: this.#sessionId,
      handlers: {
        notified: (event) => this.#notified(event),
        saw: (zxid) => (this.#lastZxid = zxid > this.#lastZxid ? zxid : this.#lastZxid),
        lost: (reason) => this.#lost(connection, reason),
      },
    });
    this.#connection = connection;
    this.#ensemble.attach(this.#sessionId, connection);
    if (resumed) {
      for (const paths of this.#watches.batches(Infinity)) {
        connection.restoreWatches(paths, this.#lastZxid);
      }
    }
    this.#phase = 'connected';
    this.#emit({ type: 'connected', sessionId: this.#sessionId, resumed });
  }

  #pauseMs(): number {
    return reconnectMs * (0.5 + this.#ensemble.random.next());
  }

  #notified({ type, path }: ServerEvent): void {
    const event = { type, path: withoutChroot(this.#chroot, path) };
    for (const watcher of this.#watches.take({ type, path })) watcher(event);
  }

  #lost(connection: Connection, reason: ZooKeeperError): void {
    connection.failPending();
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    if (this.#isClosed()) return;
    this.#phase = 'connecting';
    this.#emit({ type: 'disconnected', reason });
    if (!this.#isClosed()) this.#connectIn(this.#pauseMs());
  }

  #expire(): void {
    const sessionId = this.#sessionId;
    this.#sessionId = 0n;
    this.#lastZxid = 0n;
    this.#emit({ type: 'expired', sessionId });
    this.#loseWatches();
  }

  #loseWatches(): void {
    for (const { path, watcher } of this.#watches.takeAll()) {
      watcher({ type: 'lost', path: withoutChroot(this.#chroot, path) });
    }
  }

  async #close(): Promise<void> {
    const connection = this.#phase === 'connected' ? this.#connection : undefined;
    this.#phase = 'closed';
    this.#retry?.cancel();
    if (connection !== undefined) {
      await Promise.allSettled([connection.request({ type: 'close' }, () => undefined)]);
      connection.destroy();
    }
    this.#connection = undefined;
    this.#emit({ type: 'closed' });
    this.#loseWatches();
  }

  #emit(event: api.SessionEvent): void {
    for (const listener of [...this.#listeners]) listener(event);
  }

  // A method, since a listener may close the client between two looks at the phase.
  #isClosed(): boolean {
    return this.#phase === 'closed';
  }
}

function kindOf(answer: Answer): WatchKind {
  if (answer.type === 'children') return 'child';
  return answer.type === 'stat' && answer.stat === undefined ? 'exist' : 'data';
}

function bytesOf(operations: readonly api.MultiOperation[]): number {
  return operations.reduce(
    (sum, operation) =>
      sum + 64 + operation.path.length + ('data' in operation ? operation.data.length : 0),
    0,
  );
}
