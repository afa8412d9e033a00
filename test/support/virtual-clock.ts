import type { Clock, Timer } from '../../api/machinery/clock.ts';
import type { Random } from '../../api/machinery/random.ts';

interface Pending {
  due: number;
  order: number;
  /** Undefined once it was cancelled. */
  callback: (() => void) | undefined;
}

/**
 * A clock that stands still until it is told to advance. Timers run in order of their due time, those
 * that are due together in the order they were set, or shuffled if a Random is given; between two of them
 * everything that can run without time passing does. Same calls, same run.
 */
export class VirtualClock implements Clock {
  readonly #random: Random | undefined;
  readonly #epoch: number;
  readonly #heap: Pending[] = [];
  #elapsed = 0;
  #set = 0;

  constructor(options: { random?: Random; epoch?: number } = {}) {
    this.#random = options.random;
    this.#epoch = options.epoch ?? Date.UTC(2026, 0, 1);
  }

  now(): number {
    return this.#epoch + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  after(ms: number, callback: () => void): Timer {
    this.#set += 1;
    const order = this.#random === undefined ? this.#set : this.#random.next();
    const pending: Pending = { due: this.#elapsed + Math.max(0, ms), order, callback };
    this.#push(pending);
    return {
      cancel: () => {
        pending.callback = undefined;
      },
    };
  }

  /** Timers that are set and neither cancelled nor run. */
  get pending(): number {
    return this.#heap.filter((pending) => pending.callback !== undefined).length;
  }

  /** Lets `ms` milliseconds pass: runs every timer that falls due, also those set on the way. */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsed + ms;
    await settle();
    for (let next = this.#heap[0]; next !== undefined && next.due <= end; next = this.#heap[0]) {
      this.#pop();
      this.#elapsed = Math.max(this.#elapsed, next.due);
      next.callback?.();
      await settle();
    }
    this.#elapsed = end;
  }

  /** Advances to the next timer, if there is one within `limit` milliseconds; tells whether it did. */
  async next(limit = Infinity): Promise<boolean> {
    const due = this.#heap[0]?.due;
    if (due === undefined || due - this.#elapsed > limit) return false;
    await this.advance(Math.max(0, due - this.#elapsed));
    return true;
  }

  #push(pending: Pending): void {
    let at = this.#heap.push(pending) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#swapIfBefore(at, parent)) break;
      at = parent;
    }
  }

  #pop(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    for (let at = 0; ;) {
      const left = 2 * at + 1;
      const right = left + 1;
      const smaller = this.#before(right, left) ? right : left;
      if (!this.#swapIfBefore(smaller, at)) break;
      at = smaller;
    }
  }

  #before(left: number, right: number): boolean {
    const a = this.#heap[left];
    const b = this.#heap[right];
    if (a === undefined || b === undefined) return false;
    return a.due < b.due || (a.due === b.due && a.order < b.order);
  }

  #swapIfBefore(left: number, right: number): boolean {
    const a = this.#heap[left];
    const b = this.#heap[right];
    if (a === undefined || b === undefined || !this.#before(left, right)) return false;
    this.#heap[left] = b;
    this.#heap[right] = a;
    return true;
  }
}

/** Resolves when every promise that can resolve without I/O or time passing has done so. */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    // The microtasks run dry before the event loop reaches its next turn.
    setImmediate(resolve);
  });
}
