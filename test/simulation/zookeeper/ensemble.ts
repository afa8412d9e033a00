import type { Clock, Timer } from '../../../api/machinery/clock.ts';
import type { Random } from '../../../api/machinery/random.ts';
import type { MultiOperation } from '../../../proto/zookeeper/client.ts';
import type { Connection } from './connection.ts';
import { Replica } from './replica.ts';
import { transact, Tree, type Transaction } from './tree.ts';

export interface EnsembleOptions {
  clock: Clock;
  random: Random;
  /** Servers; 3 if absent. */
  replicas?: number;
  /** Most milliseconds that a message takes; 2 if absent. */
  latencyMs?: number;
  /** Milliseconds that a session outlives its last sign of life; 10,000 if absent. */
  sessionTimeoutMs?: number;
}

interface ServerSession {
  connection: Connection | undefined;
  /** Runs while nothing is heard of the session. */
  expiry: Timer | undefined;
}

/**
 * ZooKeeper servers in memory, on whatever clock: one leader that orders all writes, and replicas that
 * apply them later, each in that order. Clients read from the replica that they are connected to.
 */
export class Ensemble {
  readonly clock: Clock;
  readonly random: Random;
  readonly sessionTimeoutMs: number;
  readonly replicas: readonly Replica[];
  /** The newest state. */
  readonly tree = new Tree();
  /** Told of every transaction when it is committed, with the state before it. */
  onCommit: (transaction: Transaction, before: Pick<Tree, 'get'>) => void = () => undefined;
  readonly #latencyMs: number;
  readonly #log: Transaction[] = [];
  readonly #sessions = new Map<bigint, ServerSession>();
  #lastSession = 0n;

  constructor(options: EnsembleOptions) {
    this.clock = options.clock;
    this.random = options.random;
    this.sessionTimeoutMs = options.sessionTimeoutMs ?? 10_000;
    this.#latencyMs = options.latencyMs ?? 2;
    this.replicas = Array.from({ length: options.replicas ?? 3 }, () => new Replica(this.#log));
  }

  latencyMs(): number {
    return this.random.next() * this.#latencyMs;
  }

  newSession(): bigint {
    this.#lastSession += 1n;
    const id = 0x1000n + this.#lastSession;
    this.#sessions.set(id, { connection: undefined, expiry: undefined });
    return id;
  }

  hasSession(id: bigint): boolean {
    return this.#sessions.has(id);
  }

  isAttached(id: bigint, connection: Connection): boolean {
    return this.#sessions.get(id)?.connection === connection;
  }

  /** The session is heard of through this connection, and through no other any more. */
  attach(id: bigint, connection: Connection): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    session.expiry?.cancel();
    session.expiry = undefined;
    session.connection?.break('the session moved to another connection');
    session.connection = connection;
  }

  /** Nothing is heard through the connection any more. */
  silence(id: bigint, connection: Connection): void {
    const session = this.#sessions.get(id);
    if (session?.connection !== connection) return;
    session.expiry ??= this.clock.after(this.sessionTimeoutMs, () => this.endSession(id));
  }

  /** The session has expired or was closed: its ephemeral nodes go, and it cannot be resumed. */
  endSession(id: bigint): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    this.#sessions.delete(id);
    session.expiry?.cancel();
    const owned = [...this.tree.paths()].filter(
      (path) => this.tree.get(path)?.stat.ephemeralOwner === id,
    );
    if (owned.length > 0) {
      this.commit(
        owned.map((path) => ({ type: 'delete', path })),
        id,
      );
    }
    session.connection?.expired();
  }

  /** Throws MultiError if the operations are refused. */
  commit(operations: readonly MultiOperation[], sessionId: bigint): Transaction {
    const zxid = this.tree.zxid + 1n;
    const transaction = transact(this.tree, operations, {
      zxid,
      sessionId,
      now: this.clock.now(),
    });
    const before = this.tree;
    this.onCommit(transaction, before);
    this.tree.apply(transaction);
    this.#log.push(transaction);
    const length = this.#log.length;
    for (const replica of this.replicas) {
      this.clock.after(this.latencyMs(), () => replica.catchUp(length));
    }
    return transaction;
  }
}
