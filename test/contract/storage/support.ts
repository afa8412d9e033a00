import { expect } from 'vitest';
import { StorageError } from '../../../api/storage/storage.ts';
import type {
  KeyEvent,
  Revision,
  Storage,
  StorageErrorCode,
  WatchBatch,
  WatchOptions,
  WriteOptions,
  WriteResult,
} from '../../../api/storage/storage.ts';

/** A driver under test: a fresh, empty store for each test. */
export interface StorageUnderTest {
  storage: Storage;
  /** Largest value it takes; maxValueBytes if absent. */
  maxBytes?: number;
  /** Lets time pass where it is virtual; where it is real, the tests wait for what time brings. */
  pass(seconds: number): Promise<void>;
  close(): Promise<void>;
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : new TextDecoder().decode(value);

/** The revision of a write that must succeed. */
export async function written(result: Promise<WriteResult>): Promise<Revision> {
  const outcome = await result;
  expect(outcome.outcome).toBe('written');
  return outcome.revision;
}

/** The code of the StorageError that `action` must fail with. */
export async function failure(action: Promise<unknown>): Promise<StorageErrorCode> {
  const error: unknown = await action.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof StorageError)) throw new Error(`not a StorageError: ${String(error)}`);
  return error.code;
}

/** Reads batches until `enough` says so, then ends the watch. */
export async function collect(
  storage: Storage,
  prefix: string,
  from: Revision,
  enough: (events: KeyEvent[]) => boolean,
  options?: WatchOptions,
): Promise<WatchBatch[]> {
  const stop = new AbortController();
  const batches: WatchBatch[] = [];
  const events: KeyEvent[] = [];
  if (enough(events)) return batches;
  for await (const batch of storage.watch(prefix, from, stop.signal, options)) {
    batches.push(batch);
    events.push(...batch.events);
    if (enough(events)) break;
  }
  stop.abort();
  return batches;
}

export async function collectEvents(
  storage: Storage,
  prefix: string,
  from: Revision,
  count: number,
): Promise<KeyEvent[]> {
  const batches = await collect(storage, prefix, from, (events) => events.length >= count);
  return batches.flatMap((batch) => batch.events);
}

/** Watch laws that hold for every stream: Ordered, Unique, Atomic, and the batch's revision. */
export function checkWatchLaws(batches: readonly WatchBatch[], from: Revision): void {
  let complete = from - 1;
  const seen = new Set<string>();
  for (const batch of batches) {
    const revisions = batch.events.map((event) => event.modRevision);
    // A revision that was said to be complete brings nothing more: Ordered across, Atomic within.
    for (const revision of revisions) expect(revision).toBeGreaterThan(complete);
    expect(revisions).toEqual([...revisions].sort((a, b) => a - b));
    for (const event of batch.events) {
      const identity = `${event.key}@${event.modRevision}`;
      expect(seen.has(identity), `${identity} came twice`).toBe(false);
      seen.add(identity);
    }
    expect(batch.revision).toBeGreaterThanOrEqual(revisions.at(-1) ?? complete);
    complete = batch.revision;
  }
}

export const brief = (event: KeyEvent): string =>
  `${event.type} ${event.key} ${text(event.value) ?? '-'} was ${text(event.previous?.value) ?? '-'}`;

export interface Actions {
  create: (key: string, value: string, options?: WriteOptions) => Promise<Revision>;
  update: (key: string, value: string, expected: Revision) => Promise<Revision>;
  remove: (key: string, expected: Revision) => Promise<Revision>;
  value: (key: string) => Promise<string | undefined>;
}

/** Writes that must succeed, with text for bytes. */
export function actions(storage: () => Storage): Actions {
  return {
    create: (key, value, options) => written(storage().create(key, bytes(value), options)),
    update: (key, value, expected) => written(storage().update(key, bytes(value), expected)),
    remove: (key, expected) => written(storage().delete(key, expected)),
    value: async (key) => text((await storage().get(key))?.value),
  };
}
