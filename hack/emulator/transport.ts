import type { SchedulerCall, SchedulerEvent } from '../../proto/mesos/generated/messages.ts';
import {
  MesosRequestError,
  SubscriptionLostError,
  type CallOutcome,
  type SchedulerTransport,
  type Subscription,
} from '../../proto/mesos/transport.ts';
import { validateCall } from './master/api.ts';
import type { MasterNode } from './master/api.ts';
import type { Master } from './master/master.ts';
import type { EventStream } from './master/state.ts';

/** A scheduler's way to an emulated master in the same process: no HTTP, no bytes, no waiting. */
export function inMemoryTransport(node: MasterNode): SchedulerTransport {
  return {
    subscribe: (call, signal) => {
      const { leading } = node;
      if (signal.aborted) {
        return Promise.reject(new MesosRequestError('Unreachable', 'the attempt was given up'));
      }
      if (leading === undefined) {
        return Promise.reject(
          new MesosRequestError('NoLeader', 'No leader elected', { status: 503 }),
        );
      }
      const problem = validateCall(call);
      if (problem !== undefined) {
        const message = `Failed to validate scheduler::Call: ${problem}`;
        return Promise.reject(new MesosRequestError('Refused', message, { status: 400 }));
      }
      return Promise.resolve(new InMemorySubscription(leading, call, signal));
    },
  };
}

class InMemorySubscription implements Subscription {
  readonly streamId: string;
  readonly master;
  readonly events: AsyncIterable<SchedulerEvent>;
  readonly #master: Master;
  readonly #stream: EventStream;
  readonly #queue: SchedulerEvent[] = [];
  readonly #framework: string | undefined;
  #wake: (() => void) | undefined;
  #ended = false;
  #closed = false;

  constructor(master: Master, call: SchedulerCall, signal: AbortSignal) {
    const { hostname = '', port } = master.state.info;
    this.#master = master;
    this.master = { hostname, port };
    this.streamId = master.state.random.uuid();
    this.#stream = {
      id: this.streamId,
      send: (event) => {
        // A copy, as the wire would make: the master goes on changing its records.
        this.#queue.push(structuredClone(event));
        this.#wake?.();
      },
      end: () => {
        this.#ended = true;
        this.#wake?.();
      },
    };
    this.#framework = master.subscribe(this.#stream, call);
    this.events = { [Symbol.asyncIterator]: () => this.#iterate() };
    signal.addEventListener('abort', () => {
      this.close();
    });
  }

  call(call: SchedulerCall): Promise<CallOutcome> {
    const framework = this.#master.state.frameworks.get(call.framework_id?.value ?? '');
    if (this.#closed) {
      return Promise.resolve({
        kind: 'unsent',
        cause: new SubscriptionLostError('Ended', 'the subscription is closed'),
      });
    }
    const problem = validateCall(call);
    if (problem !== undefined) {
      return refused(400, `Failed to validate scheduler::Call: ${problem}`);
    }
    if (framework === undefined) return refused(400, 'Framework cannot be found');
    if (framework.stream === undefined) return refused(403, 'Framework is not subscribed');
    if (framework.stream !== this.#stream) {
      return refused(400, "The stream ID included in this request didn't match");
    }
    this.#master.call(framework, structuredClone(call));
    return Promise.resolve({ kind: 'accepted' });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#framework !== undefined) this.#master.streamClosed(this.#framework, this.#stream);
    this.#wake?.();
  }

  async *#iterate(): AsyncGenerator<SchedulerEvent> {
    for (;;) {
      const event = this.#queue.shift();
      if (this.#closed) return;
      if (event !== undefined) {
        yield event;
        continue;
      }
      if (this.#ended) throw new SubscriptionLostError('Ended', 'the master closed the stream');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

function refused(status: number, message: string): Promise<CallOutcome> {
  return Promise.resolve({ kind: 'rejected', status, message });
}
