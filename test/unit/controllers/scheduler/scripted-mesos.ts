import type {
  Offer,
  SchedulerCall,
  SchedulerEvent,
  TaskStatus,
} from '../../../../proto/mesos/generated/messages.ts';
import {
  SubscriptionLostError,
  type CallOutcome,
  type SchedulerTransport,
  type Subscription,
} from '../../../../proto/mesos/transport.ts';

type Wake = () => void;

/** One event stream of the scripted master. */
export class ScriptedSubscription implements Subscription {
  readonly streamId: string;
  readonly master = { hostname: 'master', port: 5050 };
  readonly events: AsyncIterable<SchedulerEvent>;
  readonly #mesos: ScriptedMesos;
  readonly #queue: SchedulerEvent[] = [];
  #wake: Wake = () => undefined;
  #lost: Error | undefined;
  closed = false;

  constructor(mesos: ScriptedMesos, streamId: string) {
    this.#mesos = mesos;
    this.streamId = streamId;
    this.events = { [Symbol.asyncIterator]: () => this.#iterate() };
  }

  get open(): boolean {
    return !this.closed && this.#lost === undefined;
  }

  send(event: SchedulerEvent): void {
    this.#queue.push(event);
    this.#wake();
  }

  /** The master closes the stream. */
  lose(): void {
    this.#lost = new SubscriptionLostError('Ended', 'the stream has ended');
    this.#wake();
  }

  call(call: SchedulerCall): Promise<CallOutcome> {
    if (!this.open) {
      return Promise.resolve({ kind: 'unsent', cause: new Error('the subscription is closed') });
    }
    return this.#mesos.called(call, this);
  }

  close(): void {
    this.closed = true;
    this.#wake();
  }

  async *#iterate(): AsyncGenerator<SchedulerEvent> {
    for (;;) {
      const event = this.#queue.shift();
      if (this.closed) return;
      if (event !== undefined) yield event;
      else if (this.#lost !== undefined) throw this.#lost;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

/** A master that says and answers what the test wants; it keeps what it was asked. */
export class ScriptedMesos implements SchedulerTransport {
  readonly calls: SchedulerCall[] = [];
  readonly subscriptions: ScriptedSubscription[] = [];
  /** The first events of a subscription; SUBSCRIBED unless told otherwise. */
  greeting: (call: SchedulerCall) => SchedulerEvent[] = (call) => [
    subscribed(call.framework_id?.value ?? `F${this.subscriptions.length}`),
  ];
  /** How a call is answered: accepted unless told otherwise. */
  answer: (call: SchedulerCall) => CallOutcome | Promise<CallOutcome> = () => ({
    kind: 'accepted',
  });

  subscribe(call: SchedulerCall, signal: AbortSignal): Promise<Subscription> {
    this.calls.push(call);
    const subscription = new ScriptedSubscription(this, `stream-${this.subscriptions.length}`);
    this.subscriptions.push(subscription);
    signal.addEventListener('abort', () => subscription.close());
    for (const event of this.greeting(call)) subscription.send(event);
    return Promise.resolve(subscription);
  }

  async called(call: SchedulerCall, subscription: ScriptedSubscription): Promise<CallOutcome> {
    this.calls.push(call);
    const outcome = await this.answer(call);
    // As the transport promises: after an unknown outcome the subscription is given up.
    if (outcome.kind === 'unknown' && call.type !== 'ACKNOWLEDGE') subscription.lose();
    return outcome;
  }

  get current(): ScriptedSubscription {
    const subscription = this.subscriptions.at(-1);
    if (subscription === undefined) throw new Error('nobody has subscribed');
    return subscription;
  }

  offer(...offers: Offer[]): void {
    this.current.send({ type: 'OFFERS', offers: { offers } });
  }

  update(status: TaskStatus): void {
    this.current.send({ type: 'UPDATE', update: { status } });
  }

  of(type: NonNullable<SchedulerCall['type']>): SchedulerCall[] {
    return this.calls.filter((call) => call.type === type);
  }

  /** Mesos task ids of all launches, in order. */
  get launched(): string[] {
    return this.of('ACCEPT').flatMap(({ accept }) =>
      (accept?.operations ?? []).flatMap(({ launch, launch_group: group }) =>
        [...(launch?.task_infos ?? []), ...(group?.task_group.tasks ?? [])].map(
          ({ task_id: id }) => id.value,
        ),
      ),
    );
  }

  get killed(): string[] {
    return this.of('KILL').map(({ kill }) => kill?.task_id.value ?? '');
  }

  /** uuids of the acknowledged updates. */
  get acknowledged(): string[] {
    return this.of('ACKNOWLEDGE').map(({ acknowledge }) => acknowledge?.uuid ?? '');
  }

  /** Mesos task ids of explicit reconciliations, a list for each call. */
  get reconciled(): string[][] {
    return this.of('RECONCILE').map(({ reconcile }) =>
      (reconcile?.tasks ?? []).map(({ task_id: id }) => id.value),
    );
  }
}

export function subscribed(frameworkId: string): SchedulerEvent {
  return {
    type: 'SUBSCRIBED',
    subscribed: { framework_id: { value: frameworkId }, heartbeat_interval_seconds: 15 },
  };
}

export function errorEvent(message: string): SchedulerEvent {
  return { type: 'ERROR', error: { message } };
}

export function offerOf(id: string, agent = 'S0', cpus = 4): Offer {
  return {
    id: { value: id },
    framework_id: { value: 'F0' },
    agent_id: { value: agent },
    hostname: `${agent.toLowerCase()}.test`,
    allocation_info: { role: 'mesocosm' },
    url: {
      scheme: 'http',
      address: { hostname: `${agent.toLowerCase()}.test`, ip: '10.0.0.1', port: 5051 },
    },
    resources: [
      { name: 'cpus', type: 'SCALAR', scalar: { value: cpus } },
      { name: 'mem', type: 'SCALAR', scalar: { value: 4096 } },
      { name: 'disk', type: 'SCALAR', scalar: { value: 4096 } },
    ],
  };
}

/** A status update about a task of namespace prod. */
export function updateOf(
  name: string,
  state: TaskStatus['state'],
  rest: Partial<TaskStatus> = {},
): TaskStatus {
  return { task_id: { value: `prod.${name}` }, state, agent_id: { value: 'S0' }, ...rest };
}

/** A running task with an address on dev-net. */
export function runningOf(name: string, rest: Partial<TaskStatus> = {}): TaskStatus {
  const addresses = [{ name: 'dev-net', ip_addresses: [{ ip_address: '10.9.0.7' }] }];
  return updateOf(name, 'TASK_RUNNING', {
    container_status: { network_infos: addresses },
    ...rest,
  });
}

/** A uuid as Mesos sends it: bytes in base64. */
export function uuid(text: string): string {
  return Buffer.from(text.padEnd(16, '.')).toString('base64');
}

export function lost(): CallOutcome {
  return { kind: 'unknown', cause: new Error('the answer is lost') };
}
