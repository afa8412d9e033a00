import type {
  MultiOperation,
  MultiResult,
  NodeChildren,
  NodeData,
  Stat,
} from '../../../proto/zookeeper/client.ts';
import { MultiError, ZooKeeperError } from '../../../proto/zookeeper/errors.ts';
import type { WatchKind } from '../../../proto/zookeeper/watches.ts';
import type { Ensemble } from './ensemble.ts';
import { Pipe } from './pipe.ts';
import type { Replica } from './replica.ts';
import { ServerWatches, type WatchedPaths } from './server-watches.ts';
import { statOf, type Node, type ServerEvent } from './tree.ts';

/** What a client may ask. Each is answered in its turn. */
export type Request =
  | { type: 'write'; operations: readonly MultiOperation[]; multi: boolean }
  | { type: 'exists' | 'getData' | 'getChildren'; path: string; watch: boolean }
  | { type: 'sync' }
  | { type: 'close' };

export type Answer =
  | { type: 'written'; results: readonly MultiResult[] }
  | { type: 'stat'; stat: Stat | undefined }
  | { type: 'data'; data: NodeData }
  | { type: 'children'; children: NodeChildren }
  | { type: 'done' };

export interface ConnectionHandlers {
  notified(event: ServerEvent): void;
  /** The newest transaction that the server has told of. */
  saw(zxid: bigint): void;
  lost(reason: ZooKeeperError): void;
}

interface Pending {
  settle: (answer: Answer) => void;
  fail: (error: ZooKeeperError) => void;
}

/**
 * One connection of a client to a replica, both ends of it. Requests are worked on one after the other,
 * a write is answered once the replica has applied it, and events come before the answers that show them.
 */
export class Connection {
  /** The link breaks instead of carrying the next answer. */
  losesAnswer = false;
  readonly #ensemble: Ensemble;
  readonly #replica: Replica;
  readonly #sessionId: bigint;
  readonly #handlers: ConnectionHandlers;
  readonly #up: Pipe;
  readonly #down: Pipe;
  readonly #watches = new ServerWatches();
  readonly #pending: Pending[] = [];
  readonly #queue: Request[] = [];
  readonly #unfollow: () => void;
  #working = false;
  #open = true;
  /** The server still reads what was sent before the link broke. */
  #readable = true;

  constructor(options: {
    ensemble: Ensemble;
    replica: Replica;
    sessionId: bigint;
    handlers: ConnectionHandlers;
  }) {
    this.#ensemble = options.ensemble;
    this.#replica = options.replica;
    this.#sessionId = options.sessionId;
    this.#handlers = options.handlers;
    const latency = (): number => this.#ensemble.latencyMs();
    this.#up = new Pipe(options.ensemble.clock, latency);
    this.#down = new Pipe(options.ensemble.clock, latency);
    this.#unfollow = this.#replica.follow((events) => this.#tell(events));
  }

  /** `onAnswer` is called while the answer is read, before anything that comes after it. */
  request(request: Request, onAnswer: (answer: Answer) => void): Promise<Answer> {
    return new Promise((resolve, fail) => {
      const settle = (answer: Answer): void => {
        onAnswer(answer);
        resolve(answer);
      };
      this.#pending.push({ settle, fail });
      this.#up.send(() => this.#arrived(request));
    });
  }

  /** As the first thing on a resumed connection. */
  restoreWatches(paths: WatchedPaths, zxid: bigint): void {
    this.#up.send(() => {
      if (!this.#readable) return;
      const missed = this.#watches.restore(paths, zxid, this.#replica.tree);
      for (const event of missed) this.#notify(event);
    });
  }

  /** The link is cut and the client sees it. What was sent arrives as far as `share` says. */
  break(reason: string, share = 0): void {
    if (!this.#open) return;
    this.#shut(share);
    this.#handlers.lost(new ZooKeeperError('CONNECTION_LOSS', 'unknown', reason));
  }

  /** The link goes dead and nobody is told: the client notices by the silence. */
  hang(): void {
    if (!this.#open) return;
    this.#shut(0);
    const noticedMs = (this.#ensemble.sessionTimeoutMs * 2) / 3;
    this.#ensemble.clock.after(noticedMs, () =>
      this.#handlers.lost(new ZooKeeperError('CONNECTION_LOSS', 'unknown', 'no answer for long')),
    );
  }

  /** The server has ended the session: it closes the link. */
  expired(): void {
    this.break('the server closed the connection');
  }

  /** The client is done with it. */
  destroy(): void {
    if (this.#open) this.#shut(1);
    this.failPending();
  }

  failPending(): void {
    for (const { fail } of this.#pending.splice(0)) {
      fail(new ZooKeeperError('CONNECTION_LOSS', 'unknown', 'the connection is lost'));
    }
  }

  #shut(share: number): void {
    this.#open = false;
    this.#up.close(share);
    this.#down.close();
    this.#readable = share > 0;
    this.#unfollow();
    this.#ensemble.silence(this.#sessionId, this);
  }

  #arrived(request: Request): void {
    // What a session sent over an earlier connection is refused once it has moved to another one.
    if (!this.#readable || !this.#ensemble.isAttached(this.#sessionId, this)) return;
    this.#queue.push(request);
    this.#work();
  }

  #work(): void {
    if (this.#working) return;
    // The leader looks again when it comes to a request: one that waited may have lost its session.
    if (!this.#ensemble.isAttached(this.#sessionId, this)) this.#queue.length = 0;
    const request = this.#queue.shift();
    if (request === undefined) return;
    this.#working = true;
    this.#perform(request, (answer) => {
      this.#working = false;
      this.#answer(answer);
      this.#work();
    });
  }

  #perform(request: Request, done: (answer: Answer | ZooKeeperError) => void): void {
    switch (request.type) {
      case 'write':
        this.#write(request, done);
        return;
      case 'sync':
        this.#replica.whenAt(this.#ensemble.tree.zxid, () => done({ type: 'done' }));
        return;
      case 'close':
        done({ type: 'done' });
        this.#readable = false;
        this.#open = false;
        this.#unfollow();
        this.#ensemble.endSession(this.#sessionId);
        return;
      default:
        done(this.#read(request));
    }
  }

  #write(
    { operations, multi }: Extract<Request, { type: 'write' }>,
    done: (answer: Answer | ZooKeeperError) => void,
  ): void {
    if (operations.length === 0) {
      done({ type: 'written', results: [] });
      return;
    }
    try {
      const { zxid, results } = this.#ensemble.commit(operations, this.#sessionId);
      this.#replica.whenAt(zxid, () => done({ type: 'written', results }));
    } catch (error) {
      if (!(error instanceof MultiError)) throw error;
      const { code, path, message } = error;
      const refusal = multi ? error : new ZooKeeperError(code, 'not-applied', message, { path });
      // The leader has refused it by a state that this replica may not have reached yet.
      this.#replica.whenAt(this.#ensemble.tree.zxid, () => done(refusal));
    }
  }

  #read({ type, path, watch }: Extract<Request, { path: string }>): Answer | ZooKeeperError {
    const node = this.#replica.tree.get(path);
    if (node === undefined && type !== 'exists') {
      return new ZooKeeperError('NO_NODE', 'not-applied', `${type} ${path}`, { path });
    }
    if (watch) this.#watches.add(kindOf(type, node), path);
    if (type === 'exists' || node === undefined) {
      return { type: 'stat', stat: node === undefined ? undefined : statOf(node) };
    }
    const stat = statOf(node);
    return type === 'getData'
      ? { type: 'data', data: { data: node.data, stat } }
      : { type: 'children', children: { children: [...node.children], stat } };
  }

  #answer(answer: Answer | ZooKeeperError): void {
    if (this.losesAnswer) {
      this.break('the link was cut before the answer came');
      return;
    }
    const { zxid } = this.#replica.tree;
    this.#down.send(() => {
      this.#handlers.saw(zxid);
      const pending = this.#pending.shift();
      if (answer instanceof ZooKeeperError) pending?.fail(answer);
      else pending?.settle(answer);
    });
  }

  #tell(events: readonly ServerEvent[]): void {
    for (const event of events) if (this.#watches.fires(event)) this.#notify(event);
  }

  #notify(event: ServerEvent): void {
    this.#down.send(() => this.#handlers.notified(event));
  }
}

function kindOf(type: 'exists' | 'getData' | 'getChildren', node: Node | undefined): WatchKind {
  if (type === 'getChildren') return 'child';
  return node === undefined ? 'exist' : 'data';
}
