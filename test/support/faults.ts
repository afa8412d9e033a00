import { sleep, type Clock } from '../../api/machinery/clock.ts';
import type { Random } from '../../api/machinery/random.ts';
import {
  StorageError,
  type Storage,
  type WatchBatch,
  type WriteResult,
} from '../../api/storage/storage.ts';

export type StorageOperation =
  'get' | 'list' | 'create' | 'update' | 'delete' | 'watch' | 'head' | 'compact';

export interface StorageCall {
  operation: StorageOperation;
  /** The key, or the prefix of a list or watch; empty for head and compact. */
  key: string;
  /** How many calls of this operation came before this one. */
  index: number;
}

/**
 * What may go wrong with a call.
 * - `unavailable`: refused; nothing happens.
 * - `unknown`: the answer is lost; `applied` says whether the write is stored.
 * - `delay`: the call reaches the store only after `ms`.
 * - `late`: the call reaches the store at once, the answer comes only after `ms`.
 * - `hang`: the call never reaches the store and never answers.
 * - `compacted`: the resumption point is gone (watch, after `batches` batches; list and get at once).
 * - `stall`: a watch delivers nothing for `ms` from its `batches`-th batch on.
 */
export type StorageFault =
  | { kind: 'unavailable' }
  | { kind: 'unknown'; applied: boolean }
  | { kind: 'delay'; ms: number }
  | { kind: 'late'; ms: number }
  | { kind: 'hang' }
  | { kind: 'compacted'; batches?: number }
  | { kind: 'stall'; ms: number; batches?: number };

/** The first rule that names a fault decides; undefined leaves the call alone. */
export type FaultRule = (call: StorageCall) => StorageFault | undefined;

/** `fault` for the calls that `match` accepts, at most `times` times. */
export function faultWhen(
  match: (call: StorageCall) => boolean,
  fault: StorageFault,
  times = Infinity,
): FaultRule {
  let left = times;
  return (call) => {
    if (left <= 0 || !match(call)) return undefined;
    left -= 1;
    return fault;
  };
}

/** `fault` with a probability, for the calls that `match` accepts. */
export function faultSometimes(
  random: Random,
  probability: number,
  fault: StorageFault,
  match: (call: StorageCall) => boolean = () => true,
): FaultRule {
  return (call) => (match(call) && random.next() < probability ? fault : undefined);
}

/** `storage` with the faults that `rules` name. Rules may be added to the array while it runs. */
export function withFaults(storage: Storage, rules: readonly FaultRule[], clock: Clock): Storage {
  const calls = new Map<StorageOperation, number>();
  const faultOf = (operation: StorageOperation, key: string): StorageFault | undefined => {
    const index = calls.get(operation) ?? 0;
    calls.set(operation, index + 1);
    for (const rule of rules) {
      const fault = rule({ operation, key, index });
      if (fault !== undefined) return fault;
    }
    return undefined;
  };
  const unary = async <T>(
    operation: StorageOperation,
    key: string,
    call: () => Promise<T>,
  ): Promise<T> => perform(faultOf(operation, key), call, clock);
  const write = (
    operation: 'create' | 'update' | 'delete',
    key: string,
    call: () => Promise<WriteResult>,
  ): Promise<WriteResult> => unary(operation, key, call);

  return {
    get: (key, options) => unary('get', key, () => storage.get(key, options)),
    list: (prefix, options) => unary('list', prefix, () => storage.list(prefix, options)),
    create: (key, value, options) =>
      write('create', key, () => storage.create(key, value, options)),
    update: (key, value, expected, options) =>
      write('update', key, () => storage.update(key, value, expected, options)),
    delete: (key, expected, options) =>
      write('delete', key, () => storage.delete(key, expected, options)),
    watch: (prefix, from, signal, options) => {
      const watch = storage.watch(prefix, from, signal, options);
      return faultyWatch(faultOf('watch', prefix), watch, signal, clock);
    },
    head: () => unary('head', '', () => storage.head()),
    compact: (revision) => unary('compact', '', () => storage.compact(revision)),
    problems: () => storage.problems(),
    close: () => storage.close(),
  };
}

async function perform<T>(
  fault: StorageFault | undefined,
  call: () => Promise<T>,
  clock: Clock,
): Promise<T> {
  switch (fault?.kind) {
    case undefined:
    case 'stall':
      return call();
    case 'unavailable':
      throw new StorageError('unavailable', 'injected: the store is away');
    case 'compacted':
      throw new StorageError('compacted', 'injected: the revision has been compacted');
    case 'unknown':
      if (fault.applied) await call();
      throw new StorageError('unknown', 'injected: the answer was lost');
    case 'delay':
      await sleep(clock, fault.ms);
      return call();
    case 'late': {
      const answer = await call();
      await sleep(clock, fault.ms);
      return answer;
    }
    case 'hang':
      return new Promise<never>(() => undefined);
  }
}

async function* faultyWatch(
  fault: StorageFault | undefined,
  watch: AsyncIterable<WatchBatch>,
  signal: AbortSignal,
  clock: Clock,
): AsyncGenerator<WatchBatch> {
  if (fault?.kind === 'unavailable') {
    throw new StorageError('internal', 'injected: the watch broke');
  }
  if (fault?.kind === 'delay') await sleep(clock, fault.ms, signal);
  const at = fault?.kind === 'compacted' || fault?.kind === 'stall' ? (fault.batches ?? 0) : -1;
  let batches = 0;
  const interfere = async (): Promise<void> => {
    if (batches !== at) return;
    if (fault?.kind === 'stall') await sleep(clock, fault.ms, signal);
    else throw new StorageError('compacted', 'injected: the resumption point is gone');
  };
  await interfere();
  for await (const batch of watch) {
    yield batch;
    batches += 1;
    await interfere();
  }
}
