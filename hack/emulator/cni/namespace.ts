import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { mustRun, runCommand } from '../process.ts';

/** A network namespace kept alive by a mount on `path`, with its loopback up. */
export async function createNamespace(path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, '');
  await mustRun('unshare', `--net=${path}`, 'ip', 'link', 'set', 'lo', 'up');
}

/** Harmless if it is gone already. */
export async function removeNamespace(path: string): Promise<void> {
  // Not mounted any more after a reboot, and then there is nothing to undo.
  await runCommand('umount', [path]);
  rmSync(path, { force: true });
}
