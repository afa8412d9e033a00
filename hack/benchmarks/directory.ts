import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** Takes back one thing that was made. */
export type Undo = () => Promise<void> | void;

/**
 * Runs `work` in a directory of its own under `root`. What it puts into `undo` is done backwards, and the
 * directory removed, whatever comes of it, also on INT and TERM.
 */
export async function withDirectory<T>(
  root: string,
  work: (directory: string, undo: Undo[]) => Promise<T>,
): Promise<T> {
  const directory = join(root, '.local/bench', String(process.pid));
  mkdirSync(directory, { recursive: true });
  const undo: Undo[] = [];
  const interrupted = new Promise<never>((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => reject(new Error(`ended by ${signal}`)));
    }
  });
  try {
    return await Promise.race([work(directory, undo), interrupted]);
  } finally {
    for (const step of undo.reverse()) await step();
    rmSync(directory, { recursive: true, force: true });
  }
}
