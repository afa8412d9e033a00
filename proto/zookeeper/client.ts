/**
 * ZooKeeper as the rest of the product sees it. `openZooKeeper` implements it over the network; a
 * simulation implements it in memory. One contract suite holds both to it.
 *
 * Every method rejects with a ZooKeeperError, whose `outcome` says what is known. Nothing is queued
 * while the session is disconnected: a request then fails at once with CONNECTION_LOSS, `not-sent`.
 * Requests are answered in the order in which they were made.
 */
export interface ZooKeeperClient {
  readonly phase: SessionPhase;
  /** Id of the session, 0 until the first one is established. */
  readonly sessionId: bigint;
  /** Calls `listener` with every change from now on; returns what ends that. */
  subscribe(listener: (event: SessionEvent) => void): () => void;
  /** Resolves once requests can be sent; rejects with SESSION_CLOSED, or when the signal aborts. */
  whenConnected(signal?: AbortSignal): Promise<void>;

  /** Creates a node and returns its path, which a sequential node learns only from the server. */
  create(path: string, data: Uint8Array, options?: CreateOptions): Promise<string>;
  /** `version` -1 (the default) means any. */
  delete(path: string, version?: number): Promise<void>;
  /** A missing node is `undefined`, and the watch then waits for its creation. */
  exists(path: string, options?: WatchOptions): Promise<Stat | undefined>;
  /** NO_NODE sets no watch. */
  getData(path: string, options?: WatchOptions): Promise<NodeData>;
  setData(path: string, data: Uint8Array, version?: number): Promise<Stat>;
  /** Names of the children, without the path, in no order. NO_NODE sets no watch. */
  getChildren(path: string, options?: WatchOptions): Promise<NodeChildren>;
  /** All operations or none; a refusal rejects with MultiError. */
  multi(operations: readonly MultiOperation[]): Promise<MultiResult[]>;
  /** Afterwards reads on this client see what was committed anywhere before the call. */
  sync(path: string): Promise<void>;

  /** Ends the session: its ephemeral nodes vanish (at once if connected). Never rejects. */
  close(): Promise<void>;
}

export type SessionPhase = 'connecting' | 'connected' | 'closed';

export type SessionEvent =
  /** Requests flow. `resumed`: the same session as before; its ephemerals and watches live on. */
  | { readonly type: 'connected'; readonly sessionId: bigint; readonly resumed: boolean }
  /** The link is lost; the session may go on. Reconnecting has begun. */
  | { readonly type: 'disconnected'; readonly reason: Error }
  /** An attempt to connect failed; the next one follows after a back-off. */
  | { readonly type: 'unreachable'; readonly reason: Error }
  /** The session is gone with its ephemerals and watches. A new one is being opened. */
  | { readonly type: 'expired'; readonly sessionId: bigint }
  | { readonly type: 'closed' };

/**
 * Called exactly once, unless the call that set it rejected: with the change, or with `lost` when the
 * session ended first. Either way: read again. Equal functions on one path are called once.
 */
export type Watcher = (event: WatchEvent) => void;

export interface WatchEvent {
  readonly type: 'created' | 'deleted' | 'changed' | 'children' | 'lost';
  readonly path: string;
}

export interface WatchOptions {
  readonly watch?: Watcher | undefined;
}

export interface CreateOptions {
  readonly ephemeral?: boolean | undefined;
  /** Appends ten digits, from a counter that the parent's children share. */
  readonly sequential?: boolean | undefined;
  /** Default: anyone may do anything. */
  readonly acl?: readonly Acl[] | undefined;
}

export interface Acl {
  /** Bits: 1 read, 2 write, 4 create, 8 delete, 16 administer. */
  readonly permissions: number;
  readonly scheme: string;
  readonly id: string;
}

/** An identity for the connection, e.g. scheme `digest`, credentials `user:password`. */
export interface Authentication {
  readonly scheme: string;
  readonly credentials: Uint8Array;
}

export interface Stat {
  /** Transaction ids of creation, last change of data, and last change of the set of children. */
  readonly czxid: bigint;
  readonly mzxid: bigint;
  readonly pzxid: bigint;
  /** Milliseconds since the epoch, by the server's clock. */
  readonly ctime: number;
  readonly mtime: number;
  /** Numbers of changes of the data, the set of children and the ACL. */
  readonly version: number;
  readonly cversion: number;
  readonly aversion: number;
  /** The owning session's id, 0 for a persistent node. */
  readonly ephemeralOwner: bigint;
  readonly dataLength: number;
  readonly numChildren: number;
}

export interface NodeData {
  readonly data: Buffer;
  readonly stat: Stat;
}

export interface NodeChildren {
  readonly children: string[];
  readonly stat: Stat;
}

export type MultiOperation =
  | ({ readonly type: 'create'; readonly path: string; readonly data: Uint8Array } & CreateOptions)
  | { readonly type: 'delete'; readonly path: string; readonly version?: number }
  | {
      readonly type: 'setData';
      readonly path: string;
      readonly data: Uint8Array;
      readonly version?: number;
    }
  /** Fails the whole with BAD_VERSION or NO_NODE unless the node has this version. */
  | { readonly type: 'check'; readonly path: string; readonly version: number };

/** One for each operation, in their order. */
export type MultiResult =
  | { readonly type: 'create'; readonly path: string }
  | { readonly type: 'delete' }
  | { readonly type: 'setData'; readonly stat: Stat }
  | { readonly type: 'check' };
