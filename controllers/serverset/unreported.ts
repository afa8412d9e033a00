import { jsonEqual } from '../../api/machinery/json.ts';
import type { ServerSetStatus } from '../../api/v1/serverset.ts';
import type { Drift } from './drift.ts';

interface Entry {
  /** RFC 3339. */
  lastWriteTime?: string;
  drift?: { mended: number; lastTime: string; last: Drift };
  /** What was last tried to be written, and how much of `drift` it has: its answer may be lost. */
  tried?: { drift: ServerSetStatus['drift']; mended: number };
}

/** What was done for each set and does not stand in its status yet. By the key of the set. */
export class Unreported {
  readonly #entries = new Map<string, Entry>();

  wrote(key: string, at: string): void {
    this.#entries.set(key, { ...this.#entries.get(key), lastWriteTime: at });
  }

  mended(key: string, drifts: readonly Drift[], at: string): void {
    const last = drifts.at(-1);
    if (last === undefined) return;
    const entry = this.#entries.get(key);
    const mended = (entry?.drift?.mended ?? 0) + drifts.length;
    this.#entries.set(key, { ...entry, drift: { mended, lastTime: at, last } });
  }

  lastWriteTime(key: string): string | undefined {
    return this.#entries.get(key)?.lastWriteTime;
  }

  /** What the status says of drift, with what it does not say yet; about to be written. */
  drift(key: string, before: ServerSetStatus['drift']): ServerSetStatus['drift'] {
    const entry = this.#entries.get(key);
    if (entry?.drift === undefined) return before;
    const { mended, lastTime, last } = entry.drift;
    const isStored = entry.tried !== undefined && jsonEqual(entry.tried.drift, before);
    const told = isStored ? (entry.tried?.mended ?? 0) : 0;
    if (told === mended) return before;
    const drift = {
      mended: (before?.mended ?? 0) + mended - told,
      lastTime,
      lastPath: last.path,
      lastChange: last.change,
    };
    this.#entries.set(key, { ...entry, tried: { drift, mended } });
    return drift;
  }

  /** The status has it. */
  forget(key: string): void {
    this.#entries.delete(key);
  }
}
