import type { ResourceClient } from '../../api/client/client.ts';
import { TransportError } from '../../api/client/transport.ts';
import type { Clock } from '../../api/machinery/clock.ts';
import { sleep } from '../../api/machinery/clock.ts';
import { isApiError } from '../../api/machinery/errors.ts';
import { objectKey, splitKey, type KubeObject } from '../../api/machinery/metadata.ts';
import type { Random } from '../../api/machinery/random.ts';
import { Backoff } from '../runtime/backoff.ts';
import { Semaphore } from './semaphore.ts';

/** Where the newest known state of the objects is kept. */
export interface KnownObjects<T> {
  get(key: string): T | undefined;
  /** A state that was read or written. */
  put(object: T): void;
  /** The store does not have it any more. */
  removed(object: T): void;
}

export interface FencedWriterOptions<T extends KubeObject> {
  client: ResourceClient<T>;
  known: KnownObjects<T>;
  clock: Clock;
  random: Random;
  /** Aborts when the scheduler stops: whoever waits is let go with StoppedError. */
  signal: AbortSignal;
  /** Told that a write was refused because somebody else leads. Everything has to stop. */
  onFenced: (error: Error) => void;
}

/**
 * overtaken: not stored, somebody else has changed the object. unknown: it may or may not be stored; the
 * object was read back if that was possible, and whoever acts on it meets the version that there is.
 */
export type Attempt<T> =
  { outcome: 'stored'; object: T } | { outcome: 'overtaken' } | { outcome: 'unknown' };

/** The scheduler stops; the work is not done and nothing may follow from it. */
export class StoppedError extends Error {
  override readonly name = 'StoppedError';
  constructor() {
    super('the scheduler stops');
  }
}

/** Writes under way at a time. */
const concurrency = 64;

/**
 * Fenced writes of one kind. A refusal over the fence stops the scheduler. A lost answer is an unknown
 * outcome: the object is read back and the decision made anew from what is stored.
 */
export class FencedWriter<S, T extends KubeObject & { status?: S | undefined }> {
  readonly #options: FencedWriterOptions<T>;
  readonly #writes = new Semaphore(concurrency);

  constructor(options: FencedWriterOptions<T>) {
    this.#options = options;
  }

  /**
   * Writes the status that `decide` makes of the newest object, until it is stored or `decide` returns
   * undefined, which means that the object is as it should be. Resolves with the object then, or with
   * undefined if there is none. Rejects with StoppedError, or with the ApiError of a refusal that
   * trying again cannot mend.
   */
  changeStatus(key: string, decide: (object: T) => S | undefined): Promise<T | undefined> {
    return this.#retry(key, async (object) => {
      const status = decide(object);
      return status === undefined ? object : await this.#putStatus(object, status);
    });
  }

  /** As changeStatus, for everything but the status: `decide` returns the object to store. */
  change(key: string, decide: (object: T) => T | undefined): Promise<T | undefined> {
    return this.#retry(key, async (object) => {
      const next = decide(object);
      if (next === undefined) return object;
      return this.#stored(() => this.#options.client.update(next));
    });
  }

  /** One attempt to store `status` on exactly this version. Rejects as changeStatus does. */
  async attemptStatus(object: T, status: S): Promise<Attempt<T>> {
    try {
      return {
        outcome: 'stored',
        object: await this.#writes.run(() => this.#putStatus(object, status)),
      };
    } catch (error) {
      const overtaken = isOvertaken(error);
      if (!overtaken && !isTransient(error)) throw error;
      await this.#readBack(objectKey(object.metadata));
      return { outcome: overtaken ? 'overtaken' : 'unknown' };
    }
  }

  /** Reads the object linearizably; undefined if there is none. */
  async read(key: string): Promise<T | undefined> {
    const { client, known } = this.#options;
    const before = known.get(key);
    const object = await client.find(splitKey(key));
    if (object !== undefined) known.put(object);
    else if (before !== undefined) known.removed(before);
    return object;
  }

  #retry(key: string, step: (object: T) => Promise<T>): Promise<T | undefined> {
    return this.#writes.run(() => this.#steps(key, step));
  }

  async #steps(key: string, step: (object: T) => Promise<T>): Promise<T | undefined> {
    const { known, clock, random, signal } = this.#options;
    const backoff = new Backoff({ base: 50, cap: 5_000, random });
    let object = known.get(key);
    for (;;) {
      this.#throwIfStopped();
      try {
        object ??= await this.read(key);
        return object === undefined ? undefined : await step(object);
      } catch (error) {
        const overtaken = isOvertaken(error);
        if (!overtaken && !isTransient(error)) throw error;
        object = undefined;
        const delay = backoff.next();
        if (!overtaken || backoff.failures > 1) await sleep(clock, delay, signal);
      }
    }
  }

  #putStatus(object: T, status: S): Promise<T> {
    return this.#stored(() => this.#options.client.updateStatus({ ...object, status }));
  }

  async #stored(write: () => Promise<T>): Promise<T> {
    this.#throwIfStopped();
    try {
      const stored = await write();
      this.#options.known.put(stored);
      return stored;
    } catch (error) {
      if (isApiError(error, 'LeaderChanged')) this.#options.onFenced(error);
      throw error;
    }
  }

  async #readBack(key: string): Promise<void> {
    try {
      await this.read(key);
    } catch (error) {
      if (!isTransient(error)) throw error;
    }
  }

  #throwIfStopped(): void {
    if (this.#options.signal.aborted) throw new StoppedError();
  }
}

/** Somebody else wrote, or deleted, the object meanwhile. */
function isOvertaken(error: unknown): boolean {
  return isApiError(error, 'Conflict', 'NotFound');
}

/** Nothing is wrong with the request itself; a write's outcome may be unknown. */
export function isTransient(error: unknown): boolean {
  if (error instanceof TransportError) return true;
  return isApiError(error) && (error.code >= 500 || error.code === 429);
}
