import type { Client } from 'undici';
import { codec } from './codec.ts';
import type { SchedulerCall } from './generated/messages.ts';
import { requestError } from './http.ts';
import type { HttpClient, ShortAnswer } from './http.ts';
import { MesosRequestError } from './transport.ts';
import type { CallOutcome, MesosAddress } from './transport.ts';

export interface CallLaneOptions {
  readonly http: HttpClient;
  readonly master: MesosAddress;
  readonly streamId: string;
  readonly maxWaiting: number;
}

/**
 * Calls of one subscription, one in flight: a call leaves once the one before has its outcome, and
 * after an unknown outcome none leaves any more.
 */
export class CallLane {
  private readonly options: CallLaneOptions;
  private readonly client: Client;
  private tail: Promise<unknown> = Promise.resolve();
  private waiting = 0;
  private closed = false;

  constructor(options: CallLaneOptions) {
    this.options = options;
    this.client = options.http.connect(options.master);
  }

  /** Never rejects. `mayLeave` is asked when the call's turn has come, and once it is connected. */
  send(call: SchedulerCall, mayLeave: () => boolean): Promise<CallOutcome> {
    const { maxWaiting } = this.options;
    if (this.waiting >= maxWaiting) {
      const cause = new MesosRequestError('Unreachable', `${maxWaiting} calls are waiting already`);
      return Promise.resolve({ kind: 'unsent', cause });
    }
    this.waiting++;
    const outcome = this.tail.then(async () => {
      this.waiting--;
      if (this.closed) return unsent('the subscription is closed');
      return mayLeave() ? this.post(call, mayLeave) : unsent('the caller may not call any more');
    });
    this.tail = outcome;
    return outcome;
  }

  /** What waits is not sent; what is in flight may still be answered. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    void this.client.close();
  }

  private async post(call: SchedulerCall, mayLeave: () => boolean): Promise<CallOutcome> {
    const { http, streamId, master } = this.options;
    let body: Uint8Array;
    try {
      body = codec('mesos.v1.scheduler.Call', http.format).encode(call);
    } catch (error) {
      return { kind: 'unsent', cause: asError(error) };
    }
    try {
      const headers = { 'mesos-stream-id': streamId };
      return outcomeOf(await http.exchange(this.client, schedulerPath, body, headers, mayLeave));
    } catch (error) {
      const cause = requestError(error, master);
      const never = cause instanceof MesosRequestError && cause.code === 'Unreachable';
      return { kind: never ? 'unsent' : 'unknown', cause };
    }
  }
}

export const schedulerPath = '/api/v1/scheduler';

function unsent(message: string): CallOutcome {
  return { kind: 'unsent', cause: new MesosRequestError('Unreachable', message) };
}

/**
 * 2xx is accepted. 3xx, 4xx and 503 (not leading, still recovering) say that the call had no
 * effect. Any other 5xx, such as a gateway's, does not.
 */
function outcomeOf({ status, text }: ShortAnswer): CallOutcome {
  if (status >= 200 && status < 300) return { kind: 'accepted' };
  if (status < 500 || status === 503) return { kind: 'rejected', status, message: text };
  const cause = new MesosRequestError('Unanswered', `answered ${status}: ${text}`, { status });
  return { kind: 'unknown', cause };
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
