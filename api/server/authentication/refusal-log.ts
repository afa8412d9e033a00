import type { Clock } from '../../machinery/clock.ts';

export interface RefusalLogOptions {
  clock: Clock;
  /** Told of one refusal, and how many there were since it was told last. */
  tell: (reason: string, count: number) => void;
}

/** Between two lines, in milliseconds. */
const pauseMs = 1_000;

/** Tells of refused tokens once a second at most, so that whoever guesses does not fill the log. */
export class RefusalLog {
  readonly #options: RefusalLogOptions;
  #pause: { cancel(): void } | undefined;
  #untold: { reason: string; count: number } | undefined;

  constructor(options: RefusalLogOptions) {
    this.#options = options;
  }

  refused(reason: string): void {
    this.#untold = { reason, count: (this.#untold?.count ?? 0) + 1 };
    if (this.#pause === undefined) this.#tell();
  }

  /** Tells what is left. */
  close(): void {
    if (this.#untold !== undefined) this.#tell();
    this.#pause?.cancel();
    this.#pause = undefined;
  }

  #tell(): void {
    const { clock, tell } = this.#options;
    if (this.#untold !== undefined) tell(this.#untold.reason, this.#untold.count);
    this.#untold = undefined;
    this.#pause?.cancel();
    this.#pause = clock.after(pauseMs, () => {
      this.#pause = undefined;
      if (this.#untold !== undefined) this.#tell();
    });
  }
}
