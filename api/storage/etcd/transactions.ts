import {
  CompareResult,
  CompareTarget,
  type ICompare,
  type IRequestOp,
  type ITxnResponse,
} from 'etcd3';
import { sleep } from '../../machinery/clock.ts';
import {
  StorageError,
  type Fence,
  type Revision,
  type StoredValue,
  type WriteResult,
} from '../storage.ts';
import type { EtcdClient } from './client.ts';
import { revisionOf, type Keyspace } from './codec.ts';
import { storageErrorOf, writeFailureOf, type WriteFailure } from './errors.ts';

/** One change of a key: the value put, or undefined if it was deleted. */
interface Change {
  revision: Revision;
  value: Uint8Array | undefined;
}

export interface Write {
  key: string;
  /** Undefined: delete the key. */
  value: Uint8Array | undefined;
  /** The key's mod_revision; 0: it must not exist. */
  expected: Revision;
  fence: Fence | undefined;
  /** Id of the lease to put with; '0': none. */
  lease: string;
  timeoutMs: number;
}

/** The key and the fence as one linearizable read shows them. */
interface Observation {
  current: StoredValue | undefined;
  fenced: boolean;
  revision: Revision;
}

/**
 * Writes as single transactions, and finds out what became of one whose answer was lost:
 * - what an update or delete expected is gone: the history of the key tells whether ours was the change
 *   that followed it. Equal bytes count as ours: objects carry the uid or identity of their writer.
 * - it is still there: an update or delete is submitted again; its compare lets at most one copy through.
 * - a create finds the key: it is ours if the first value of this incarnation has our bytes.
 * - a create finds nothing: the request may still arrive, and submitting it again could bring back an
 *   object that somebody has deleted meanwhile: `unknown`.
 */
export class Transactions {
  readonly #client: EtcdClient;
  readonly #keyspace: Keyspace;

  constructor(client: EtcdClient, keyspace: Keyspace) {
    this.#client = client;
    this.#keyspace = keyspace;
  }

  async write(write: Write): Promise<WriteResult> {
    try {
      return await this.#submit(write, write.timeoutMs);
    } catch (error) {
      const failure = writeFailureOf(error);
      if (failure.kind === 'refused') throw failure.error;
      return this.#establish(write, failure);
    }
  }

  async #submit(write: Write, timeoutMs: number): Promise<WriteResult> {
    const { key, value, fence } = write;
    const rawKey = this.#keyspace.key(key);
    const compare: ICompare[] = [
      write.expected === 0
        ? { key: rawKey, target: CompareTarget.Version, result: CompareResult.Equal, version: 0 }
        : {
            key: rawKey,
            target: CompareTarget.Mod,
            result: CompareResult.Equal,
            mod_revision: write.expected,
          },
    ];
    if (fence !== undefined) {
      compare.push({
        key: this.#keyspace.key(fence.leaseKey),
        target: CompareTarget.Create,
        result: CompareResult.Equal,
        create_revision: fence.epoch,
      });
    }
    const change: IRequestOp =
      value === undefined
        ? { request_delete_range: { key: rawKey } }
        : { request_put: { key: rawKey, value: asBuffer(value), lease: write.lease } };
    const response = await this.#client.once(
      (etcd, options) =>
        etcd.kv.txn({ compare, success: [change], failure: this.#reads(write) }, options),
      timeoutMs,
    );
    if (!response.succeeded) return refusal(this.#observation(write, response));
    return { outcome: 'written', revision: revisionOf(response.header.revision) };
  }

  /**
   * Finds out what became of a write whose answer was lost, for at most another `timeoutMs` and not beyond
   * the close of the client.
   */
  async #establish(write: Write, failure: WriteFailure): Promise<WriteResult> {
    const { clock, closed } = this.#client;
    const end = clock.monotonic() + write.timeoutMs;
    const left = (): number => (closed.aborted ? 0 : end - clock.monotonic());
    for (let attempt = 0; left() > 0; attempt += 1) {
      try {
        const verdict = await this.#readBack(write, left);
        if (verdict === 'unknowable') break;
        if (verdict !== 'unchanged') return verdict;
        if (failure.kind === 'answered') break;
        // Whatever else this answers may be the doing of the first copy: read back again.
        const again = await this.#submit(write, left());
        if (again.outcome === 'written') return again;
      } catch (error) {
        const later = storageErrorOf(error);
        if (later.code !== 'unavailable') throw this.#unknown(write, later);
      }
      await sleep(clock, Math.min(this.#client.backoffMs(attempt), left()), closed);
    }
    // An answer, unlike silence, means that nothing is on its way any more.
    throw failure.kind === 'answered' ? failure.error : this.#unknown(write, failure.error);
  }

  async #readBack(
    write: Write,
    left: () => number,
  ): Promise<WriteResult | 'unchanged' | 'unknowable'> {
    const response = await this.#client.read(
      (etcd, options) => etcd.kv.txn({ compare: [], success: this.#reads(write) }, options),
      left(),
    );
    const observed = this.#observation(write, response);
    if ((observed.current?.modRevision ?? 0) === write.expected) {
      // A fence that does not hold now never will: no copy of the write can be applied any more.
      if (observed.fenced) return refusal(observed);
      return write.expected === 0 ? 'unknowable' : 'unchanged';
    }
    try {
      const change =
        write.expected === 0
          ? await this.#firstValue(observed, left)
          : await this.#changeAfter(write, observed, left);
      return change !== undefined && isSame(change.value, write.value)
        ? { outcome: 'written', revision: change.revision }
        : refusal(observed);
    } catch (error) {
      if (storageErrorOf(error).code === 'compacted') return 'unknowable';
      throw error;
    }
  }

  /** The value with which the key that is there now was created. */
  async #firstValue({ current }: Observation, left: () => number): Promise<Change | undefined> {
    if (current === undefined) return undefined;
    const revision = current.createRevision;
    if (revision === current.modRevision) return { revision, value: current.value };
    return { revision, value: (await this.#at(current.key, revision, left))?.value };
  }

  /**
   * The change that followed the expected revision, looked for by bisection: "the key still is as
   * expected" holds up to the revision before it and never again. Undefined if it never was as expected.
   */
  async #changeAfter(
    { key, expected }: Write,
    { current, revision }: Observation,
    left: () => number,
  ): Promise<Change | undefined> {
    let unchangedAt = expected - 1;
    let changedAt = current?.modRevision ?? revision;
    let value = current?.value;
    // Most often nobody has written since: try the revision before the newest change first.
    let probe = changedAt - 1;
    while (changedAt - unchangedAt > 1) {
      const then = await this.#at(key, probe, left);
      if (then?.modRevision === expected) unchangedAt = probe;
      else {
        changedAt = then?.modRevision ?? probe;
        value = then?.value;
      }
      probe = Math.floor((unchangedAt + changedAt) / 2);
    }
    return unchangedAt < expected ? undefined : { revision: changedAt, value };
  }

  async #at(key: string, revision: Revision, left: () => number): Promise<StoredValue | undefined> {
    const response = await this.#client.read(
      (etcd, options) => etcd.kv.range({ key: this.#keyspace.key(key), revision }, options),
      left(),
    );
    const [pair] = response.kvs;
    return pair === undefined ? undefined : this.#keyspace.stored(pair);
  }

  #reads({ key, fence }: Write): IRequestOp[] {
    const reads: IRequestOp[] = [{ request_range: { key: this.#keyspace.key(key) } }];
    if (fence !== undefined) {
      reads.push({
        request_range: { key: this.#keyspace.key(fence.leaseKey), keys_only: true },
      });
    }
    return reads;
  }

  #observation({ fence }: Write, response: ITxnResponse): Observation {
    const [current, lease] = response.responses.map((operation) =>
      this.#firstPair(operation.response_range),
    );
    return {
      current,
      fenced: fence !== undefined && lease?.createRevision !== fence.epoch,
      revision: revisionOf(response.header.revision),
    };
  }

  /** The operation answered may be another than a range; its field is absent then. */
  #firstPair(range: ITxnResponse['responses'][number]['response_range'] | undefined) {
    const pair = range?.kvs[0];
    return pair === undefined ? undefined : this.#keyspace.stored(pair);
  }

  #unknown({ key }: Write, cause: StorageError): StorageError {
    return new StorageError(
      'unknown',
      `the answer to a write of ${key} was lost and its outcome could not be established: ${cause.message}`,
      { cause },
    );
  }
}

function refusal({ current, fenced, revision }: Observation): WriteResult {
  return fenced ? { outcome: 'fenced', revision } : { outcome: 'conflict', current, revision };
}

function isSame(left: Uint8Array | undefined, right: Uint8Array | undefined): boolean {
  if (left === undefined || right === undefined) return left === right;
  return asBuffer(left).equals(right);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
