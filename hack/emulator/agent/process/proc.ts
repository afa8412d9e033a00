import { readFileSync } from 'node:fs';
import type { ContainerUsage } from '../runtime.ts';

/** When a process started, in clock ticks since boot: with its pid it names it for good. */
export function startTimeOf(pid: number): string | undefined {
  const stat = readProc(`${pid}/stat`);
  if (stat === undefined) return undefined;
  // The name in parentheses may hold anything; the state follows it, start time is 19 further.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' ? undefined : fields[19];
}

export function isAlive({ pid, startTime }: { pid: number; startTime: string }): boolean {
  return startTimeOf(pid) === startTime;
}

export function childrenOf(pid: number): number[] {
  const text = readProc(`${pid}/task/${pid}/children`)?.trim() ?? '';
  return text === '' ? [] : text.split(' ').map(Number);
}

/** Parents first: a shell whose child is signalled before it goes on with the next command. */
export function descendantsOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);
}

/** Clock ticks a second, and bytes of a page, on every Linux that this runs on. */
const ticks = 100;
const pageBytes = 4096;

/**
 * What processes and their descendants have used: those that have ended, too, once they were waited for.
 * Memory that files are read into is shared, and not counted.
 */
export function usageOf(pids: readonly number[]): ContainerUsage {
  const all = pids.flatMap((pid) => [pid, ...descendantsOf(pid)]);
  const used = { userSeconds: 0, systemSeconds: 0, memoryBytes: 0 };
  for (const pid of all) {
    const stat = readProc(`${pid}/stat`);
    const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
    const [user = 0, system = 0, waitedUser = 0, waitedSystem = 0] = fields
      .slice(11, 15)
      .map(Number);
    used.userSeconds += (user + waitedUser) / ticks;
    used.systemSeconds += (system + waitedSystem) / ticks;
    const [, resident = 0, shared = 0] = readProc(`${pid}/statm`)?.split(' ').map(Number) ?? [];
    used.memoryBytes += Math.max(0, resident - shared) * pageBytes;
  }
  return used;
}

/** Signals a process that may have ended in the meantime. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(`/proc/${path}`, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}
