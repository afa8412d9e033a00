import type {
  CreateOptions,
  MultiOperation,
  MultiResult,
  Stat,
  WatchEvent,
} from '../../../proto/zookeeper/client.ts';
import { MultiError, type ErrorCode } from '../../../proto/zookeeper/errors.ts';
import { parentOf } from '../../../proto/zookeeper/paths.ts';

/** A node of one state of the tree; a change makes another one. */
export interface Node {
  readonly data: Buffer;
  readonly stat: Omit<Stat, 'dataLength' | 'numChildren'>;
  readonly children: ReadonlySet<string>;
}

/** What one write did: all of it has one zxid. */
export interface Transaction {
  readonly zxid: bigint;
  /** Of the session that asked for it; of the one that ended, if nobody did. */
  readonly sessionId: bigint;
  readonly changes: ReadonlyMap<string, Node | undefined>;
  readonly events: readonly Pick<ServerEvent, 'type' | 'path'>[];
  readonly results: readonly MultiResult[];
}

export interface ServerEvent {
  readonly type: Exclude<WatchEvent['type'], 'lost'>;
  readonly path: string;
}

export interface TransactionContext {
  readonly zxid: bigint;
  readonly sessionId: bigint;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export function statOf({ stat, data, children }: Node): Stat {
  return { ...stat, dataLength: data.length, numChildren: children.size };
}

/** The nodes as of one zxid. */
export class Tree {
  readonly #nodes = new Map<string, Node>();
  #zxid = 0n;

  constructor() {
    const stat = statAt({ zxid: 0n, sessionId: 0n, now: 0 }, 0n);
    this.#nodes.set('/', { data: Buffer.alloc(0), stat, children: new Set() });
  }

  get zxid(): bigint {
    return this.#zxid;
  }

  get(path: string): Node | undefined {
    return this.#nodes.get(path);
  }

  paths(): IterableIterator<string> {
    return this.#nodes.keys();
  }

  apply({ zxid, changes }: Transaction): void {
    this.#zxid = zxid;
    for (const [path, node] of changes) {
      if (node === undefined) this.#nodes.delete(path);
      else this.#nodes.set(path, node);
    }
  }
}

/** What `operations` do to `tree`, all or none. Throws MultiError with the index of the one that is refused. */
export function transact(
  tree: Pick<Tree, 'get'>,
  operations: readonly MultiOperation[],
  context: TransactionContext,
): Transaction {
  const draft = new Draft(tree, context);
  const results = operations.map((operation, index) => {
    const outcome = draft.perform(operation);
    if (typeof outcome !== 'string') return outcome;
    throw new MultiError(outcome, index, `${operation.type} ${operation.path}`, {
      path: operation.path,
    });
  });
  const { zxid, sessionId } = context;
  return { zxid, sessionId, changes: draft.changes, events: draft.events, results };
}

class Draft {
  readonly changes = new Map<string, Node | undefined>();
  readonly events: ServerEvent[] = [];
  readonly #tree: Pick<Tree, 'get'>;
  readonly #context: TransactionContext;

  constructor(tree: Pick<Tree, 'get'>, context: TransactionContext) {
    this.#tree = tree;
    this.#context = context;
  }

  /** The result, or the code of the refusal. */
  perform(operation: MultiOperation): MultiResult | ErrorCode {
    if (operation.type === 'create') return this.#create(operation, operation.data, operation);
    const node = this.#get(operation.path);
    if (node === undefined) return 'NO_NODE';
    const { version = -1 } = operation;
    if (version !== -1 && version !== node.stat.version) return 'BAD_VERSION';
    switch (operation.type) {
      case 'check':
        return { type: 'check' };
      case 'delete':
        return this.#delete(operation.path, node);
      case 'setData':
        return this.#setData(operation.path, node, operation.data);
    }
  }

  #get(path: string): Node | undefined {
    return this.changes.has(path) ? this.changes.get(path) : this.#tree.get(path);
  }

  #create(
    { path: asked }: { path: string },
    data: Uint8Array,
    { sequential, ephemeral }: CreateOptions,
  ): MultiResult | ErrorCode {
    const parentPath = parentOf(asked);
    const parent = this.#get(parentPath);
    if (parent === undefined) return 'NO_NODE';
    const number = String(parent.stat.cversion).padStart(10, '0');
    const path = sequential === true ? asked + number : asked;
    if (this.#get(path) !== undefined) return 'NODE_EXISTS';
    if (parent.stat.ephemeralOwner !== 0n) return 'NO_CHILDREN_FOR_EPHEMERALS';
    const owner = ephemeral === true ? this.#context.sessionId : 0n;
    const stat = statAt(this.#context, owner);
    this.changes.set(path, { data: Buffer.from(data), stat, children: new Set() });
    this.#changeChildren(parentPath, parent, [...parent.children, nameOf(path)]);
    this.events.push({ type: 'created', path }, { type: 'children', path: parentPath });
    return { type: 'create', path };
  }

  #delete(path: string, node: Node): MultiResult | ErrorCode {
    if (node.children.size > 0) return 'NOT_EMPTY';
    const parentPath = parentOf(path);
    const parent = this.#get(parentPath);
    if (parent === undefined) return 'NO_NODE';
    this.changes.set(path, undefined);
    const name = nameOf(path);
    this.#changeChildren(
      parentPath,
      parent,
      [...parent.children].filter((child) => child !== name),
    );
    this.events.push({ type: 'deleted', path }, { type: 'children', path: parentPath });
    return { type: 'delete' };
  }

  #setData(path: string, node: Node, data: Uint8Array): MultiResult {
    const { zxid, now } = this.#context;
    const stat = { ...node.stat, mzxid: zxid, mtime: now, version: node.stat.version + 1 };
    const changed = { ...node, data: Buffer.from(data), stat };
    this.changes.set(path, changed);
    this.events.push({ type: 'changed', path });
    return { type: 'setData', stat: statOf(changed) };
  }

  #changeChildren(path: string, parent: Node, children: readonly string[]): void {
    const stat = {
      ...parent.stat,
      cversion: parent.stat.cversion + 1,
      pzxid: this.#context.zxid,
    };
    this.changes.set(path, { ...parent, stat, children: new Set(children) });
  }
}

function statAt({ zxid, now }: TransactionContext, ephemeralOwner: bigint): Node['stat'] {
  return {
    czxid: zxid,
    mzxid: zxid,
    pzxid: zxid,
    ctime: now,
    mtime: now,
    version: 0,
    cversion: 0,
    aversion: 0,
    ephemeralOwner,
  };
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
