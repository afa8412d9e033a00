import { sleep, type Clock } from '../../machinery/clock.ts';
import { CommandError, exitCodes } from '../errors.ts';
import { pieceBytes, type AgentFiles } from './agent.ts';
import type { LogFile } from './sandbox.ts';

export type Write = (data: Uint8Array) => void;

export interface FollowOptions {
  clock: Clock;
  signal: AbortSignal;
  /** Whether the task can no longer write. */
  ended: () => boolean;
  /** Told once why nothing can be read for the moment. */
  onTrouble: (reason: string) => void;
}

const lineFeed = 0x0a;
const pollMs = 500;
/** Unanswered reads in a row after which following is given up: half a minute. */
const maxFailures = 60;

/** Writes a file from `offset` to its present end; returns that end, undefined if there is no file. */
export async function copyFile(
  files: AgentFiles,
  file: LogFile,
  offset: number,
  write: Write,
): Promise<number | undefined> {
  let at = offset;
  for (;;) {
    const piece = await files.read(file, at, pieceBytes);
    if (piece === undefined) return undefined;
    // A file that has shrunk was rotated: what is in it now is all new.
    if (piece.size < at) at = 0;
    else if (piece.data.length === 0) return at;
    else {
      write(piece.data);
      at += piece.data.length;
    }
  }
}

export function noSuchFile({ label, path }: LogFile): CommandError {
  return new CommandError(
    'failed',
    `${label}: the agent has no ${path}; it has not started yet, or its sandbox has been collected`,
  );
}

/** Where the last `lines` lines of a file begin; 0 if it has fewer or does not exist. */
export async function tailOffset(files: AgentFiles, file: LogFile, lines: number): Promise<number> {
  // One byte is enough to learn the size.
  const size = (await files.read(file, 0, 1))?.size ?? 0;
  if (lines === 0) return size;
  let wanted = lines;
  let end = size;
  while (end > 0) {
    const start = Math.max(0, end - pieceBytes);
    const data = (await files.read(file, start, end - start))?.data ?? Buffer.alloc(0);
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

/** Writes a file as it grows, until its task has ended and all is written, or the signal aborts. */
export async function followFile(
  files: AgentFiles,
  file: LogFile,
  offset: number,
  write: Write,
  { clock, signal, ended, onTrouble }: FollowOptions,
): Promise<void> {
  const aborted = (): boolean => signal.aborted;
  let at = offset;
  let failures = 0;
  while (!aborted()) {
    // Asked before reading: what was written before the end is then read too.
    const last = ended();
    try {
      const end = await copyFile(files, file, at, write);
      if (end === undefined && last) throw noSuchFile(file);
      at = end ?? 0;
      failures = 0;
    } catch (error) {
      if (aborted()) return;
      const passing = error instanceof CommandError && error.exitCode === exitCodes.unreachable;
      failures += 1;
      if (!passing || last || failures >= maxFailures) throw error;
      if (failures === 1) onTrouble(error.message);
    }
    if (last) return;
    await sleep(clock, pollMs, signal);
  }
}

/** Puts a label before each line; a line that is not finished waits for its rest, or for `flush`. */
export class LabelledLines {
  readonly #label: Buffer;
  readonly #write: Write;
  #rest: Buffer = Buffer.alloc(0);

  constructor(label: string, write: Write) {
    this.#label = Buffer.from(`[${label}] `);
    this.#write = write;
  }

  push(data: Uint8Array): void {
    const all = Buffer.concat([this.#rest, data]);
    const end = all.lastIndexOf(lineFeed) + 1;
    this.#rest = all.subarray(end);
    const lines: Uint8Array[] = [];
    for (let start = 0; start < end;) {
      const next = all.indexOf(lineFeed, start) + 1;
      lines.push(this.#label, all.subarray(start, next));
      start = next;
    }
    if (lines.length > 0) this.#write(Buffer.concat(lines));
  }

  flush(): void {
    if (this.#rest.length === 0) return;
    this.#write(Buffer.concat([this.#label, this.#rest, Buffer.from('\n')]));
    this.#rest = Buffer.alloc(0);
  }
}
