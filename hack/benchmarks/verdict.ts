import { loadavg } from 'node:os';

/** One sentence that tells an aim from what was measured. */
export function verdict(aim: string, met: boolean): string {
  return `aim: ${aim}: ${met ? 'met' : 'missed'}`;
}

/** The machine's load, since every figure hangs on it. */
export function load(): string {
  return `load ${(loadavg()[0] ?? 0).toFixed(1)}`;
}
