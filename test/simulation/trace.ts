import { createHash } from 'node:crypto';

/** What happened, in order. Two runs of one seed have the same hash. */
export class Trace {
  readonly #hash = createHash('sha1');
  readonly #now: () => number;
  readonly #lines: string[] = [];
  readonly #keep: number;
  #count = 0;

  /** `keep`: how many of the last lines can be read afterwards. */
  constructor(now: () => number, keep: number) {
    this.#now = now;
    this.#keep = keep;
  }

  get count(): number {
    return this.#count;
  }

  add(what: string): void {
    this.#count += 1;
    const line = `${(this.#now() / 1000).toFixed(3).padStart(9)} ${what}`;
    this.#hash.update(line).update('\n');
    if (this.#keep === 0) return;
    this.#lines.push(line);
    if (this.#lines.length > 2 * this.#keep) this.#lines.splice(0, this.#keep);
  }

  lines(): readonly string[] {
    return this.#lines.slice(-this.#keep);
  }

  digest(): string {
    return this.#hash.copy().digest('hex');
  }
}

/** How often each kind of thing happened. */
export class Coverage {
  readonly #counts = new Map<string, number>();

  count(kind: string, times = 1): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + times);
  }

  add(other: Coverage): void {
    for (const [kind, times] of other.entries()) this.count(kind, times);
  }

  entries(): readonly (readonly [string, number])[] {
    return [...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1));
  }
}
