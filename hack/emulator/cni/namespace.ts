import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { mustRun, runCommand } from '../process.ts';

/** A network namespace kept alive by a mount on `path`, with its loopback up. */
export async function createNamespace(path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, '');
  await mustRun('unshare', `--net=${path}`, 'ip', 'link', 'set', 'lo', 'up');
}

/** Tries at a namespace whose mount is still being made or held by somebody who is just ending. */
const removalTries = 100;

/** Harmless if it is gone already. */
export async function removeNamespace(path: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    // Not mounted any more after a reboot, and then there is nothing to undo.
    await runCommand('umount', ['--lazy', path]);
    try {
      rmSync(path, { force: true });
      return;
    } catch (error) {
      const busy = error instanceof Error && 'code' in error && error.code === 'EBUSY';
      if (!busy || attempt === removalTries) throw error;
      await delay(20);
    }
  }
}
