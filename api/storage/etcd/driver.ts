import { assertWritable, compactRevisionKey } from '../keys.ts';
import { LeasePool } from '../leases.ts';
import type {
  ListOptions,
  ListResult,
  Revision,
  Storage,
  StorageProblem,
  StoredValue,
  WatchBatch,
  WatchOptions,
  WriteOptions,
  WriteResult,
} from '../storage.ts';
import { EtcdClient, type EtcdClientOptions } from './client.ts';
import { Keyspace, revisionOf } from './codec.ts';
import { isLeaseLost, storageErrorOf } from './errors.ts';
import { defaultQuotaBytes, etcdProblems } from './health.ts';
import { Transactions } from './transactions.ts';
import { watchEtcd } from './watch.ts';

export interface EtcdStorageOptions extends EtcdClientOptions {
  /** What comes before every key, such as `/mesocosm/registry`. Nothing outside it is touched. */
  prefix: string;
  /** Quota of the members' databases (--quota-backend-bytes), which etcd does not tell: 2 GiB if absent. */
  quotaBytes?: number;
}

/** Keys that one request lists; halved while the reply is larger than the client takes. */
const pageKeys = 500;

/** The Storage contract on etcd 3.4 or newer. */
export class EtcdStorage implements Storage {
  readonly #client: EtcdClient;
  readonly #keyspace: Keyspace;
  readonly #transactions: Transactions;
  readonly #leases: LeasePool<Promise<string>>;
  readonly #quotaBytes: number;

  constructor(options: EtcdStorageOptions) {
    this.#keyspace = new Keyspace(options.prefix);
    this.#client = new EtcdClient(options);
    this.#quotaBytes = options.quotaBytes ?? defaultQuotaBytes;
    this.#transactions = new Transactions(this.#client, this.#keyspace);
    this.#leases = new LeasePool({
      clock: options.clock,
      grant: (seconds) => this.#grant(seconds),
    });
  }

  async get(key: string, options: { revision?: Revision } = {}): Promise<StoredValue | undefined> {
    const range = { key: this.#keyspace.key(key), revision: options.revision ?? 0 };
    const response = await this.#client.read((etcd, call) => etcd.kv.range(range, call));
    const [pair] = response.kvs;
    return pair === undefined ? undefined : this.#keyspace.stored(pair);
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListResult> {
    const limit = options.limit ?? Infinity;
    const items: StoredValue[] = [];
    let revision = options.revision;
    let from = options.from;
    let page = pageKeys;
    for (;;) {
      const range = {
        ...this.#keyspace.range(prefix, from),
        revision: revision ?? 0,
        limit: Math.min(page, limit - items.length),
      };
      try {
        const response = await this.#client.read((etcd, call) => etcd.kv.range(range, call));
        // Every further page is read as of the first one's revision.
        revision ??= revisionOf(response.header.revision);
        for (const pair of response.kvs) items.push(this.#keyspace.stored(pair));
        const remaining = Number(response.count) - response.kvs.length;
        if (remaining <= 0 || items.length >= limit) return { items, revision, remaining };
        from = `${items.at(-1)?.key ?? ''}\0`;
      } catch (error) {
        if (storageErrorOf(error).code !== 'too-large' || page === 1) throw error;
        page = Math.ceil(page / 2);
      }
    }
  }

  async create(key: string, value: Uint8Array, options: WriteOptions = {}): Promise<WriteResult> {
    return this.#write(key, value, 0, options);
  }

  async update(
    key: string,
    value: Uint8Array,
    expected: Revision,
    options: WriteOptions = {},
  ): Promise<WriteResult> {
    return this.#write(key, value, expected, options);
  }

  async delete(key: string, expected: Revision, options: WriteOptions = {}): Promise<WriteResult> {
    return this.#write(key, undefined, expected, options);
  }

  watch(
    prefix: string,
    from: Revision,
    signal: AbortSignal,
    { previous = true }: WatchOptions = {},
  ): AsyncIterable<WatchBatch> {
    return watchEtcd(this.#client, this.#keyspace, { prefix, from, previous }, signal);
  }

  async head(): Promise<Revision> {
    const range = { key: this.#keyspace.key(compactRevisionKey), count_only: true };
    const response = await this.#client.read((etcd, call) => etcd.kv.range(range, call));
    return revisionOf(response.header.revision);
  }

  async compact(revision: Revision): Promise<void> {
    try {
      await this.#client.once((etcd, call) => etcd.kv.compact({ revision }, call));
    } catch (error) {
      throw storageErrorOf(error);
    }
  }

  problems(): Promise<StorageProblem[]> {
    return etcdProblems(this.#client, this.#quotaBytes);
  }

  close(): Promise<void> {
    this.#client.close();
    return Promise.resolve();
  }

  async #write(
    key: string,
    value: Uint8Array | undefined,
    expected: Revision,
    options: WriteOptions,
  ): Promise<WriteResult> {
    assertWritable(key, value);
    const { fence, ttlSeconds } = options;
    const timeoutMs = options.timeoutMs ?? this.#client.requestTimeoutMs;
    const write = { key, value, expected, fence, timeoutMs };
    if (ttlSeconds === undefined) return this.#transactions.write({ ...write, lease: '0' });
    try {
      return await this.#transactions.write({ ...write, lease: await this.#lease(ttlSeconds) });
    } catch (error) {
      if (!isLeaseLost(error)) throw error;
      // The lease is gone, so the write was refused: once more with a new one.
      this.#leases.forgetAll();
      return this.#transactions.write({ ...write, lease: await this.#lease(ttlSeconds) });
    }
  }

  async #lease(ttlSeconds: number): Promise<string> {
    const lease = this.#leases.take(ttlSeconds);
    try {
      return await lease;
    } catch (error) {
      this.#leases.forget(lease);
      throw storageErrorOf(error);
    }
  }

  /** A grant whose answer is lost leaves a lease without keys, which expires by itself. */
  async #grant(seconds: number): Promise<string> {
    const response = await this.#client.once((etcd, call) =>
      etcd.leaseClient.leaseGrant({ TTL: seconds, ID: 0 }, call),
    );
    return response.ID;
  }
}
