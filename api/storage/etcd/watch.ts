import { Readable } from 'node:stream';
import type { IWatchRequest, IWatchResponse } from 'etcd3';
import { sleep } from '../../machinery/clock.ts';
import { compactedError } from '../keys.ts';
import { StorageError, type Revision, type WatchBatch } from '../storage.ts';
import { BatchAssembler } from './assembler.ts';
import { requireLeader, type EtcdClient } from './client.ts';
import { revisionOf, type Keyspace } from './codec.ts';
import { storageErrorOf } from './errors.ts';

export interface Watched {
  prefix: string;
  from: Revision;
  /** Whether events tell what they replaced. */
  previous: boolean;
}

/**
 * The watch of the contract over etcd's. It resumes after what it has delivered (the last batch's
 * revision), never after what a reply's header says the store has reached: between the two may lie
 * events that are still on their way.
 *
 * The consumer's pace is the stream's: at most 16 messages wait in it (about 1.5 MiB each at most, as
 * etcd fragments what is larger), then HTTP/2 flow control stops etcd, which catches up from its history.
 */
export async function* watchEtcd(
  client: EtcdClient,
  keyspace: Keyspace,
  watched: Watched,
  signal: AbortSignal,
): AsyncGenerator<WatchBatch> {
  const ended = AbortSignal.any([signal, client.closed]);
  const over = (): boolean => ended.aborted;
  let complete = Math.max(0, watched.from - 1);
  for (let failures = 0; !over(); failures += 1) {
    try {
      await assertResumable(client, keyspace, complete);
      for await (const batch of connection(client, keyspace, watched, complete, ended)) {
        failures = 0;
        complete = batch.revision;
        yield batch;
      }
    } catch (error) {
      if (over()) return;
      const mapped = storageErrorOf(error);
      if (mapped.code !== 'unavailable') throw mapped;
    }
    await sleep(client.clock, client.backoffMs(failures), ended);
  }
}

/**
 * Fails with `compacted` or `future` unless the revision is readable. etcd itself cancels a watch only
 * from before the compaction, while one from the very revision misses what that revision replaced (and,
 * before 3.4.36, its deletes); and a store that went back in time keeps such a watch waiting in silence.
 */
async function assertResumable(
  client: EtcdClient,
  keyspace: Keyspace,
  complete: Revision,
): Promise<void> {
  await client.read((etcd, options) =>
    etcd.kv.range(
      { key: keyspace.key('/'), revision: Math.max(1, complete), count_only: true },
      options,
    ),
  );
}

/** The batches of one stream, until it breaks, which it tells by an error. */
async function* connection(
  client: EtcdClient,
  keyspace: Keyspace,
  { prefix, previous }: Watched,
  complete: Revision,
  ended: AbortSignal,
): AsyncGenerator<WatchBatch> {
  const etcd = client.current;
  const request: IWatchRequest = {
    create_request: {
      ...keyspace.range(prefix),
      start_revision: complete + 1,
      prev_kv: previous,
      fragment: true,
      progress_notify: true,
    },
  };
  const stream = await etcd.watchClient.watch(requireLeader);
  const cancel = (): void => stream.cancel();
  // A stream without deadline that is never answered would wait for ever.
  const unanswered = client.clock.after(client.requestTimeoutMs, cancel);
  ended.addEventListener('abort', cancel, { once: true });
  // It may have ended while the stream was being opened.
  if (ended.aborted) cancel();
  try {
    stream.write(request);
    const assembler = new BatchAssembler(complete);
    for await (const response of responses(stream)) {
      unanswered.cancel();
      if (response.canceled) throw cancellation(response, complete);
      if (response.created) continue;
      const batch = assembler.add({
        revision: revisionOf(response.header.revision),
        events: response.events.map((event) => keyspace.event(event, previous)),
        fragment: response.fragment,
      });
      if (batch !== undefined) yield batch;
    }
    throw new StorageError('unavailable', 'etcd ended the watch stream');
  } catch (error) {
    if (!ended.aborted && storageErrorOf(error).code === 'unavailable') client.leave(etcd);
    throw error;
  } finally {
    unanswered.cancel();
    ended.removeEventListener('abort', cancel);
    stream.cancel();
  }
}

/** The stream as what it is: iterating a Readable reads no faster than the loop's body runs. */
function responses(stream: object): AsyncIterable<IWatchResponse> {
  if (!(stream instanceof Readable)) {
    throw new StorageError('internal', 'the watch stream is not a Readable');
  }
  return stream;
}

function cancellation(response: IWatchResponse, complete: Revision): StorageError {
  const compactRevision = revisionOf(response.compact_revision);
  if (compactRevision > 0) return compactedError(complete, compactRevision);
  return storageErrorOf(new Error(`the watch was cancelled: ${response.cancel_reason}`));
}
