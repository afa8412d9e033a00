import type { Timer } from '../../api/machinery/clock.ts';
import type { SchedulerCall, SchedulerEvent } from '../../proto/mesos/generated/messages.ts';
import {
  SubscriptionLostError,
  type CallOutcome,
  type MesosAddress,
  type Subscription,
} from '../../proto/mesos/transport.ts';
import { travel, type RequestFault } from './faults.ts';
import type { MesosLinkOptions } from './mesos-link.ts';
import { Pipe } from './zookeeper/pipe.ts';

/** Who watches what passes between the scheduler and the master. */
export interface MesosObserver {
  /** The master is about to say it. */
  said(event: SchedulerEvent): void;
  /** The scheduler has decided to ask for it; it may never arrive. */
  left(call: SchedulerCall): void;
  /** The master has taken it. */
  arrived(call: SchedulerCall): void;
}

/** Silence after which a stream counts as dead: three heartbeats. */
const silenceMs = 45_000;
/** After this time a call without an answer is given up. */
const unansweredMs = 3_000;
const lateMs = 6_000;
const closingMs = 20;
const breakingMs = 6_000;

/** One stream with its calls, ordered ones in one lane and acknowledgements in another. */
export class LinkedSubscription implements Subscription {
  readonly streamId: string;
  readonly master: MesosAddress;
  readonly events: AsyncIterable<SchedulerEvent>;
  readonly #inner: Subscription;
  readonly #options: MesosLinkOptions;
  readonly #onClosed: () => void;
  readonly #down: Pipe;
  readonly #inbox: (SchedulerEvent | Error)[] = [];
  #wake: () => void = () => undefined;
  #ordered: Promise<unknown> = Promise.resolve();
  #acknowledgements: Promise<unknown> = Promise.resolve();
  #watchdog: Timer | undefined;
  #state: 'open' | 'dead' | 'closed' = 'open';

  constructor(inner: Subscription, options: MesosLinkOptions, onClosed: () => void) {
    this.#inner = inner;
    this.#options = options;
    this.#onClosed = onClosed;
    this.streamId = inner.streamId;
    this.master = inner.master;
    const { clock, random, latencyMs } = options.network;
    this.#down = new Pipe(clock, () => random.next() * latencyMs);
    this.events = { [Symbol.asyncIterator]: () => this.#iterate() };
    this.#rearm();
    void this.#pump();
  }

  call(call: SchedulerCall, mayLeave: () => boolean = () => true): Promise<CallOutcome> {
    const { gate, observer } = this.#options;
    const aside = call.type === 'ACKNOWLEDGE';
    const lane = aside ? this.#acknowledgements : this.#ordered;
    const outcome = lane.then(() => {
      if (this.#isClosed() || !mayLeave()) return unsent();
      observer.left(call);
      return gate.act(call.type ?? 'call', () => this.#post(call));
    });
    if (aside) this.#acknowledgements = outcome;
    else this.#ordered = outcome;
    return outcome;
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#end('closed', undefined);
  }

  cut(): void {
    this.#end('dead', new SubscriptionLostError('Broken', 'simulated: the connection broke'));
  }

  /** Nothing comes any more, and the watchdog has to find out. */
  hang(): void {
    this.#down.close();
    this.#state = this.#state === 'closed' ? 'closed' : 'dead';
  }

  async #post(call: SchedulerCall): Promise<CallOutcome> {
    const { faults, network } = this.#options;
    if (this.#isClosed()) return unsent();
    const fault = call.type === 'ACKNOWLEDGE' ? undefined : faults.next();
    await travel(network);
    if (fault === undefined && this.#state === 'open') {
      const outcome = await this.#deliver(call);
      await travel(network);
      return outcome;
    }
    return this.#unanswered(call, fault);
  }

  async #deliver(call: SchedulerCall): Promise<CallOutcome> {
    const outcome = await this.#inner.call(call);
    if (outcome.kind === 'accepted') this.#options.observer.arrived(call);
    return outcome;
  }

  /** After such an outcome the subscription is given up, so that no copy on its way counts later. */
  async #unanswered(call: SchedulerCall, fault: RequestFault | undefined): Promise<CallOutcome> {
    const { clock, random } = this.#options.network;
    if (fault === 'refused') return { kind: 'rejected', status: 503, message: 'simulated' };
    if (fault === 'lost') await this.#deliver(call);
    if (fault === 'late') {
      clock.after(random.next() * lateMs, () => void this.#deliver(call));
    }
    const cause = new Error('simulated: no answer came');
    await new Promise<void>((resolve) => clock.after(unansweredMs, resolve));
    this.#end('dead', new SubscriptionLostError('CallUnanswered', cause.message));
    return { kind: 'unknown', cause };
  }

  #end(state: 'dead' | 'closed', reason: Error | undefined): void {
    if (this.#state === 'closed') return;
    this.#state = state;
    this.#watchdog?.cancel();
    this.#down.close();
    this.#onClosed();
    // The master hears of it later, of a link that broke much later.
    const { clock, random } = this.#options.network;
    const heardMs = state === 'closed' ? closingMs : breakingMs;
    clock.after(random.next() * heardMs, () => this.#inner.close());
    this.#inbox.push(reason ?? closed);
    this.#wake();
  }

  #rearm(): void {
    this.#watchdog?.cancel();
    const { clock } = this.#options.network;
    this.#watchdog = clock.after(silenceMs, () =>
      this.#end('dead', new SubscriptionLostError('Silent', 'simulated: no heartbeat for long')),
    );
  }

  async #pump(): Promise<void> {
    const { observer, perturb } = this.#options;
    try {
      for await (const event of this.#inner.events) {
        for (const sent of perturb(event)) {
          observer.said(sent);
          this.#down.send(() => this.#deliverEvent(sent));
        }
      }
    } catch (error) {
      const reason = error instanceof Error ? error : new Error(String(error));
      this.#down.send(() => this.#end('dead', reason));
    }
  }

  #deliverEvent(event: SchedulerEvent): void {
    this.#rearm();
    this.#inbox.push(event);
    this.#wake();
  }

  async *#iterate(): AsyncGenerator<SchedulerEvent> {
    const { gate } = this.#options;
    for (;;) {
      const next = this.#inbox.shift();
      await gate.enter();
      if (next === closed || this.#isClosed()) return;
      if (next instanceof Error) throw next;
      if (next !== undefined) yield next;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  // A method, since it may be closed while somebody waits.
  #isClosed(): boolean {
    return this.#state === 'closed';
  }
}

const closed = new Error('the subscription was closed');

function unsent(): CallOutcome {
  return { kind: 'unsent', cause: new Error('simulated: the subscription is closed') };
}
