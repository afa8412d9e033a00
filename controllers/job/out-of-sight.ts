import type { Clock } from '../../api/machinery/clock.ts';
import type { Task } from '../../api/v1/task.ts';
import type { Change } from '../runtime/object-store.ts';
import { isUnreachable } from './instances.ts';

/**
 * For how long this process itself has known each Task to be unreachable, on its monotonic clock: what
 * counts where the stamp of another machine's wall clock cannot be believed.
 */
export class OutOfSight {
  readonly #clock: Clock;
  readonly #since = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  observe({ type, object }: Change<Task>): void {
    const { uid } = object.metadata;
    if (type === 'deleted' || !isUnreachable(object)) this.#since.delete(uid);
    else if (!this.#since.has(uid)) this.#since.set(uid, this.#clock.monotonic());
  }

  /** Milliseconds; 0 for a Task that has not been seen so. */
  for({ metadata: { uid } }: Task): number {
    const since = this.#since.get(uid);
    return since === undefined ? 0 : this.#clock.monotonic() - since;
  }
}
