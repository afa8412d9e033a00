import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LimitExceeded } from '../runtime.ts';

const memoryRoot = '/sys/fs/cgroup/memory';

/** True where the version 1 memory controller is mounted and writable. */
export function memoryLimitsAvailable(): boolean {
  return existsSync(join(memoryRoot, 'memory.limit_in_bytes'));
}

/** A memory cgroup (version 1) below one of the emulator's own. */
export function createMemoryGroup(root: string, id: string, bytes: number): string {
  const path = join(memoryRoot, root, id);
  mkdirSync(path, { recursive: true });
  setMemoryLimit(path, bytes);
  return path;
}

export function setMemoryLimit(path: string, bytes: number): void {
  writeFileSync(join(path, 'memory.limit_in_bytes'), String(bytes));
}

/** What Mesos says when the kernel killed something in the group for memory; else undefined. */
export function memoryExceeded(path: string): LimitExceeded | undefined {
  if (!existsSync(path)) return undefined;
  const control = readFileSync(join(path, 'memory.oom_control'), 'utf8');
  const kills = /^oom_kill (\d+)$/m.exec(control)?.[1];
  if (kills === undefined || kills === '0') return undefined;
  const megabytes = (file: string): number =>
    Math.floor(Number(readFileSync(join(path, file), 'utf8')) / 2 ** 20);
  const memory = megabytes('memory.limit_in_bytes');
  const used = megabytes('memory.max_usage_in_bytes');
  const statistics = readFileSync(join(path, 'memory.stat'), 'utf8');
  return {
    message: `Memory limit exceeded: Requested: ${memory}MB Maximum Used: ${used}MB\n\nMEMORY STATISTICS: \n${statistics}\n`,
    memory,
  };
}

/** Removes the parent of an emulator's groups. */
export function removeMemoryRoot(root: string): void {
  removeMemoryGroup(join(memoryRoot, root));
}

/** Once no process is left; a group that is still busy is left to the next clean-up. */
export function removeMemoryGroup(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code !== 'ENOENT' && code !== 'EBUSY') throw error;
  }
}
