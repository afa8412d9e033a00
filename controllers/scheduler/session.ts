import type { SchedulerCall, TaskStatus } from '../../proto/mesos/generated/messages.ts';
import type { CallOutcome, MesosAddress, Subscription } from '../../proto/mesos/transport.ts';
import { acknowledgeCall } from './calls.ts';

export interface SessionOptions {
  subscription: Subscription;
  frameworkId: string;
  masterId: string | undefined;
  /** Counts the subscriptions of this process: a launch is compared with it. */
  number: number;
  stillHolding: () => boolean;
}

/** A subscription that Mesos has confirmed. Nothing is called through it unless we still lead. */
export class Session {
  readonly number: number;
  readonly frameworkId: string;
  readonly masterId: string | undefined;
  readonly #subscription: Subscription;
  readonly #stillHolding: () => boolean;
  #open = true;

  constructor(options: SessionOptions) {
    this.number = options.number;
    this.frameworkId = options.frameworkId;
    this.masterId = options.masterId;
    this.#subscription = options.subscription;
    this.#stillHolding = options.stillHolding;
  }

  get isOpen(): boolean {
    return this.#open && this.#stillHolding();
  }

  get master(): MesosAddress {
    return this.#subscription.master;
  }

  /** Never rejects. The order of calls is the order in which the master gets them. */
  call(call: SchedulerCall): Promise<CallOutcome> {
    if (!this.#open) return unsent('the subscription has ended');
    if (!this.#stillHolding()) return unsent('we may not be the leader any more');
    const named = { ...call, framework_id: { value: this.frameworkId } };
    // It may wait for others, and our term may end meanwhile.
    return this.#subscription.call(named, this.#stillHolding);
  }

  /** Only for what is stored. An acknowledgement that is lost costs a repetition of the update. */
  acknowledge(update: TaskStatus): void {
    const call = acknowledgeCall(update);
    if (call !== undefined) void this.call(call);
  }

  close(): void {
    this.#open = false;
    this.#subscription.close();
  }
}

function unsent(message: string): Promise<CallOutcome> {
  return Promise.resolve({ kind: 'unsent', cause: new Error(message) });
}
