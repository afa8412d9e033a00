import type { Clock } from '../../machinery/clock.ts';
import { ApiError } from '../../machinery/errors.ts';

/** The bounds of one level of priority. */
export interface LevelLimits {
  /** Requests that are worked on at a time. */
  seats: number;
  /** Seats that the requests of one flow may have, so that one slow client does not hold all. */
  seatsPerFlow: number;
  /** Requests that wait, in all and of one flow. */
  queue: number;
  queuePerFlow: number;
  /** How long one waits, in milliseconds. */
  patienceMs: number;
  /**
   * Bytes of answers that are made and have not been taken by their clients, in all and of one flow. A flow
   * that has more gets no further seat; beyond those of all, an answer keeps its seat until it is taken.
   */
  untaken: number;
  untakenPerFlow: number;
}

/** What a request has while it is worked on. */
export interface Seat {
  /** Nothing but its client is waited for, who is yet to take so many bytes: the seat is somebody else's. */
  rise(bytes: number): void;
  /** It is over. */
  leave(): void;
}

export type Refusal = 'queue-full' | 'time-out' | 'concurrency-limit';

interface Waiter {
  start: () => void;
}

interface Flow {
  seated: number;
  untaken: number;
  waiting: Set<Waiter>;
}

/** Seconds after which a client that was refused may come back. */
const retryAfterSeconds = 1;

/**
 * Seats for the requests of one level, shared fairly: a seat that falls free goes to the flows (users) in
 * turn, however many requests each has waiting. What waits is bounded, and refused with 429 beyond. Seats are
 * for work: an answer that is made and waits for its client has none, so that who reads nothing keeps
 * nobody waiting but itself.
 */
export class Limiter {
  readonly #limits: LevelLimits;
  readonly #clock: Clock;
  readonly #onRefusal: (why: Refusal) => void;
  readonly #flows = new Map<string, Flow>();
  /** Flows with requests that wait, the one whose turn it is first. */
  readonly #turns = new Set<Flow>();
  #seated = 0;
  #waiting = 0;
  #untaken = 0;

  constructor(options: { limits: LevelLimits; clock: Clock; onRefusal?: (why: Refusal) => void }) {
    this.#limits = options.limits;
    this.#clock = options.clock;
    this.#onRefusal = options.onRefusal ?? (() => undefined);
  }

  get seated(): number {
    return this.#seated;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** Bytes of answers that wait for their clients, without a seat. */
  get untaken(): number {
    return this.#untaken;
  }

  /** Resolves when there is a seat. Rejects with 429. */
  async admit(flowName: string, signal: AbortSignal): Promise<Seat> {
    let flow = this.#flows.get(flowName);
    if (flow === undefined) {
      flow = { seated: 0, untaken: 0, waiting: new Set() };
      this.#flows.set(flowName, flow);
    }
    if (!this.#hasRoom(flow)) await this.#wait(flowName, flow, signal);
    else this.#take(flow);
    return this.#seatOf(flowName, flow);
  }

  #hasRoom(flow: Flow): boolean {
    return this.#seated < this.#limits.seats && this.#mayHaveMore(flow);
  }

  #mayHaveMore({ seated, untaken }: Flow): boolean {
    const { seatsPerFlow, untakenPerFlow } = this.#limits;
    return seated < seatsPerFlow && untaken < untakenPerFlow;
  }

  #take(flow: Flow): void {
    this.#seated += 1;
    flow.seated += 1;
  }

  #giveBack(flow: Flow): void {
    this.#seated -= 1;
    flow.seated -= 1;
  }

  #owe(flow: Flow, bytes: number): void {
    this.#untaken += bytes;
    flow.untaken += bytes;
  }

  #seatOf(name: string, flow: Flow): Seat {
    let state: 'seated' | 'risen' | 'left' = 'seated';
    let owed = 0;
    return {
      rise: (bytes) => {
        if (state !== 'seated' || this.#untaken + bytes > this.#limits.untaken) return;
        state = 'risen';
        owed = bytes;
        this.#giveBack(flow);
        this.#owe(flow, bytes);
        this.#callNext();
      },
      leave: () => {
        if (state === 'left') return;
        if (state === 'seated') this.#giveBack(flow);
        else this.#owe(flow, -owed);
        state = 'left';
        this.#callNext();
        this.#forget(name, flow);
      },
    };
  }

  #forget(name: string, flow: Flow): void {
    const { seated, untaken, waiting } = flow;
    if (seated + untaken + waiting.size === 0 && this.#flows.get(name) === flow) {
      this.#flows.delete(name);
    }
  }

  async #wait(name: string, flow: Flow, signal: AbortSignal): Promise<void> {
    const { queue, queuePerFlow, patienceMs } = this.#limits;
    if (this.#waiting >= queue || flow.waiting.size >= queuePerFlow)
      throw this.#refuse('queue-full');
    const seated = await new Promise<boolean>((resolve) => {
      const settle = (outcome: boolean): void => {
        timer.cancel();
        signal.removeEventListener('abort', giveUp);
        this.#waiting -= 1;
        flow.waiting.delete(waiter);
        if (flow.waiting.size === 0) this.#turns.delete(flow);
        resolve(outcome);
      };
      const giveUp = (): void => settle(false);
      const waiter: Waiter = {
        start: () => {
          // Here, not where the promise is read: nobody may take the seat in between.
          this.#take(flow);
          settle(true);
        },
      };
      const timer = this.#clock.after(patienceMs, giveUp);
      signal.addEventListener('abort', giveUp, { once: true });
      this.#waiting += 1;
      flow.waiting.add(waiter);
      this.#turns.add(flow);
      if (signal.aborted) giveUp();
    });
    if (seated) return;
    this.#forget(name, flow);
    throw this.#refuse('time-out');
  }

  /** Gives the seats that are free to the flows whose turn it is. */
  #callNext(): void {
    while (this.#turns.size > 0 && this.#seated < this.#limits.seats) {
      const flow = [...this.#turns].find((each) => this.#mayHaveMore(each));
      const [waiter] = flow?.waiting ?? [];
      if (flow === undefined || waiter === undefined) return;
      // To the end of the line, if it has more that wait.
      this.#turns.delete(flow);
      this.#turns.add(flow);
      waiter.start();
    }
  }

  #refuse(why: Refusal): ApiError {
    this.#onRefusal(why);
    return new ApiError(
      'TooManyRequests',
      'the server has received too many requests and has asked us to try again later',
      { details: { retryAfterSeconds } },
    );
  }
}
