import { appendFile } from 'node:fs/promises';
import type { AuditSink } from './log.ts';

/** Appends to a file that its owner alone can read. It is opened each time, so that it can be rotated. */
export function auditFile(path: string): AuditSink {
  let torn = false;
  return {
    write: async (lines) => {
      // What a failed attempt left behind ends with its line.
      const text = torn ? `\n${lines}` : lines;
      torn = true;
      await appendFile(path, text, { mode: 0o600 });
      torn = false;
    },
  };
}
