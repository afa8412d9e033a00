import { sleep, type Clock } from '../../machinery/clock.ts';
import type { AgentFiles } from '../../../proto/mesos/agent-files.ts';
import { MesosRequestError } from '../../../proto/mesos/transport.ts';

/** The output of one container: a file of an agent, read as it was or as it grows. */

/** Agents answer with at most 16 pages whatever is asked for. */
const pieceBytes = 65_536;
const lineFeed = 0x0a;
const pollMs = 500;
/** Unanswered reads in a row after which following is given up: half a minute. */
const maxFailures = 60;

export interface LogFile {
  files: AgentFiles;
  path: string;
}

export interface Following {
  clock: Clock;
  signal: AbortSignal;
  /** Whether the task can no longer write. */
  ended: () => Promise<boolean>;
}

/** Where the last `lines` lines of a file begin; 0 if it has fewer; undefined if it does not exist. */
export async function tailOffset(
  { files, path }: LogFile,
  lines: number | undefined,
): Promise<number | undefined> {
  // One byte is enough to learn the size.
  const size = (await files.read(path, 0, 1))?.size;
  if (size === undefined) return undefined;
  if (lines === undefined) return 0;
  if (lines === 0) return size;
  let wanted = lines;
  let end = size;
  while (end > 0) {
    const start = Math.max(0, end - pieceBytes);
    const data = (await files.read(path, start, end - start))?.data ?? Buffer.alloc(0);
    for (let index = data.length - 1; index >= 0; index -= 1) {
      // The line feed at the very end closes the last line.
      if (data[index] !== lineFeed || start + index === size - 1) continue;
      wanted -= 1;
      if (wanted === 0) return start + index + 1;
    }
    end = start;
  }
  return 0;
}

/**
 * The file from `offset` on: to its present end, or until its task has ended and all has been read. Throws
 * if the signal ends it before: what is cut short must not look like the end.
 */
export async function* contents(
  file: LogFile,
  offset: number,
  following: Following | undefined,
): AsyncGenerator<Buffer, void, undefined> {
  if (following === undefined) {
    yield* toEnd(file, { at: offset });
    return;
  }
  const { clock, signal, ended } = following;
  const position = { at: offset };
  let failures = 0;
  for (;;) {
    signal.throwIfAborted();
    // Asked before reading: what was written before the end is then read too.
    const last = await ended();
    try {
      yield* toEnd(file, position);
      failures = 0;
    } catch (error) {
      failures += 1;
      if (!isPassing(error) || last || failures >= maxFailures) throw error;
    }
    if (last) return;
    await sleep(clock, pollMs, signal);
  }
}

async function* toEnd(
  { files, path }: LogFile,
  position: { at: number },
): AsyncGenerator<Buffer, void, undefined> {
  for (;;) {
    const piece = await files.read(path, position.at, pieceBytes);
    // A file that has shrunk was rotated: what is in it now is all new.
    if (piece === undefined || piece.size < position.at) {
      position.at = 0;
      if (piece === undefined) return;
    } else if (piece.data.length === 0) return;
    else {
      position.at += piece.data.length;
      yield piece.data;
    }
  }
}

function isPassing(error: unknown): boolean {
  return (
    error instanceof MesosRequestError &&
    (error.code === 'Unreachable' || error.code === 'Unanswered')
  );
}

/** At most the first `limit` bytes. */
export async function* limited(
  chunks: AsyncIterable<Buffer>,
  limit: number,
): AsyncGenerator<Buffer, void, undefined> {
  let left = limit;
  for await (const chunk of chunks) {
    yield chunk.subarray(0, left);
    left -= chunk.length;
    if (left <= 0) return;
  }
}

/** Whole lines of a stream; the last may lack its end. One that is longer than a piece comes in parts. */
export async function* wholeLines(
  chunks: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer, void, undefined> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    const all = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const end = all.lastIndexOf(lineFeed) + 1;
    if (end > 0) yield all.subarray(0, end);
    rest = all.subarray(end);
    if (rest.length < pieceBytes) continue;
    yield rest;
    rest = Buffer.alloc(0);
  }
  if (rest.length > 0) yield rest;
}

/** What several streams give, as it comes: nothing is taken from one before what it gave last was. */
export async function* merged<T>(
  streams: readonly AsyncGenerator<T, void, undefined>[],
): AsyncGenerator<T, void, undefined> {
  const next = async (
    stream: AsyncGenerator<T, void, undefined>,
  ): Promise<{ stream: typeof stream; result: IteratorResult<T, void> }> => ({
    stream,
    result: await stream.next(),
  });
  const pending = new Map(streams.map((stream) => [stream, next(stream)]));
  try {
    while (pending.size > 0) {
      const { stream, result } = await Promise.race(pending.values());
      if (result.done === true) pending.delete(stream);
      else {
        yield result.value;
        pending.set(stream, next(stream));
      }
    }
  } finally {
    const left = [...pending.keys()];
    await Promise.allSettled(left.map((stream) => stream.return()));
  }
}
