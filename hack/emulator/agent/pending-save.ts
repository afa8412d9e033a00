import type { Clock } from '../../../api/machinery/clock.ts';
import type { Checkpoint, CheckpointContent } from './checkpoint.ts';

/** Writes the checkpoint once for all that happens in one turn; a crash in between is like one before. */
export class PendingSave {
  readonly #clock: Clock;
  readonly #checkpoint: Checkpoint | undefined;
  readonly #snapshot: () => CheckpointContent;
  #pending = false;
  #stopped = false;

  constructor(clock: Clock, checkpoint: Checkpoint | undefined, snapshot: () => CheckpointContent) {
    this.#clock = clock;
    this.#checkpoint = checkpoint;
    this.#snapshot = snapshot;
  }

  soon(): void {
    if (this.#checkpoint === undefined || this.#pending || this.#stopped) return;
    this.#pending = true;
    this.#clock.after(0, () => {
      this.#pending = false;
      if (!this.#stopped) this.now();
    });
  }

  now(): void {
    this.#checkpoint?.save(this.#snapshot);
  }

  stop(): void {
    this.#stopped = true;
  }
}
