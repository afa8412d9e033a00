import type { Clock, Timer } from '../../api/machinery/clock.ts';

/** After a freeze, answers that wait are read first, as an event loop may do that sleeps in its poll. */
const timersLateMs = 1;

/** Resolves never: whoever waits for it is as good as dead. */
export function never<T>(): Promise<T> {
  return new Promise<T>(() => undefined);
}

/**
 * The border of a simulated process. Everything that leaves it or reaches it passes here, so that it can
 * die or freeze between any two awaits: a dead one does nothing any more and hears nothing, a frozen one
 * goes on where it was, with what it was about to do still to be done.
 */
export class Gate {
  /** Called at every border crossing, before it: a place to die or to freeze. */
  onCrossing: (what: string) => void = () => undefined;
  readonly #clock: Clock;
  readonly #onDeath: (() => void)[] = [];
  readonly #held: (() => void)[] = [];
  readonly #heldTimers: (() => void)[] = [];
  #state: 'running' | 'frozen' | 'dead' = 'running';

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Methods: what they say changes while somebody waits. */
  isDead(): boolean {
    return this.#state === 'dead';
  }

  isFrozen(): boolean {
    return this.#state === 'frozen';
  }

  /** What the kernel does for a process that is gone: closing its connections. */
  onDeath(clean: () => void): void {
    this.#onDeath.push(clean);
  }

  kill(): void {
    if (this.isDead()) return;
    this.#state = 'dead';
    this.#held.length = 0;
    this.#heldTimers.length = 0;
    for (const clean of this.#onDeath) clean();
  }

  freeze(): void {
    if (this.#state === 'running') this.#state = 'frozen';
  }

  thaw(): void {
    if (this.#state !== 'frozen') return;
    this.#state = 'running';
    for (const resume of this.#held.splice(0)) this.run(resume);
    for (const fire of this.#heldTimers.splice(0)) {
      this.#clock.after(timersLateMs, () => this.runTimer(fire));
    }
  }

  /** Runs something that reaches the process from outside: now, when it thaws, or never. */
  run(callback: () => void): void {
    if (this.#state === 'running') callback();
    else if (this.#state === 'frozen') this.#held.push(callback);
  }

  /** As `run`, for a timer of the process. */
  runTimer(callback: () => void): void {
    if (this.#state === 'running') callback();
    else if (this.#state === 'frozen') this.#heldTimers.push(callback);
  }

  /** A request: it leaves, has its effect, and its answer comes back; the process may end in between. */
  async act<T>(what: string, work: () => Promise<T>): Promise<T> {
    this.onCrossing(what);
    if (this.#state !== 'running') await this.#passage();
    try {
      const result = await work();
      await this.#returned(what);
      return result;
    } catch (error) {
      await this.#returned(what);
      throw error;
    }
  }

  /** As `act`, for what is no place to count: reads that nothing follows from. */
  async enter(): Promise<void> {
    if (this.#state !== 'running') await this.#passage();
  }

  async #returned(what: string): Promise<void> {
    if (this.#state === 'running') this.onCrossing(`${what} answered`);
    if (this.#state !== 'running') await this.#passage();
  }

  #passage(): Promise<void> {
    return this.isDead() ? never() : new Promise((resolve) => this.#held.push(resolve));
  }
}

/** The clock as one machine has it: its wall time may be wrong, and timers do not run in the dead. */
export class ProcessClock implements Clock {
  /** Milliseconds that the wall clock is ahead. */
  offsetMs = 0;
  readonly #inner: Clock;
  readonly #gate: Gate;

  constructor(inner: Clock, gate: Gate) {
    this.#inner = inner;
    this.#gate = gate;
  }

  now(): number {
    return this.#inner.now() + this.offsetMs;
  }

  monotonic(): number {
    return this.#inner.monotonic();
  }

  after(ms: number, callback: () => void): Timer {
    let cancelled = false;
    const timer = this.#inner.after(ms, () =>
      this.#gate.runTimer(() => {
        if (!cancelled) callback();
      }),
    );
    return {
      cancel: () => {
        cancelled = true;
        timer.cancel();
      },
    };
  }
}
