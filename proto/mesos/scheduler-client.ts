/** The v1 scheduler API over HTTP: one connection for the event stream, others for calls. */
import { crc32 } from 'node:zlib';
import type { Client } from 'undici';
import { CallLane, schedulerPath } from './call-lane.ts';
import { codec } from './codec.ts';
import type { MasterDetector } from './detector.ts';
import type { CodecError } from './errors.ts';
import { readMessages } from './event-stream.ts';
import type { SchedulerCall, SchedulerEvent } from './generated/messages.ts';
import { byteChunks, httpClient, refusal, requestError } from './http.ts';
import type { Answer, HttpClient, HttpOptions } from './http.ts';
import { MesosRequestError, SubscriptionLostError } from './transport.ts';
import type { CallOutcome, MesosAddress, SchedulerTransport, Subscription } from './transport.ts';

export interface SchedulerClientOptions extends HttpOptions {
  readonly detector: MasterDetector;
  /** Told of an event that does not decode. It is skipped: Mesos repeats what must not be lost. */
  readonly onMalformedEvent: (error: CodecError) => void;
  /** Heartbeats that may fail to come before the stream counts as dead. Default 3. */
  readonly missedHeartbeats?: number;
  /** Bytes of the longest event. Default 64 MiB. */
  readonly maxEventBytes?: number;
  /** Calls that may wait for their turn on one connection; more are not sent. Default 10,000. */
  readonly maxWaitingCalls?: number;
  /** Connections for acknowledgements, each with one in flight. Default 8. */
  readonly acknowledgementConnections?: number;
}

/** Seconds between heartbeats until SUBSCRIBED says otherwise; Mesos' own constant. */
const defaultHeartbeatSeconds = 15;

export function mesosSchedulerClient(options: SchedulerClientOptions): SchedulerTransport {
  const http = httpClient(options);
  const { encode } = codec('mesos.v1.scheduler.Call', http.format);
  return {
    subscribe: async (call, signal, mayLeave) => {
      const body = encode(call);
      const leader = await options.detector.detect(signal);
      return http.follow(leader, async (master) => {
        const client = http.connect(master, mayLeave);
        try {
          const answer = await openStream(options, http, client, body, master, signal);
          const redirect = http.redirection(answer, master);
          if (redirect === undefined) {
            const streamId = await streamIdOf(http, answer, master);
            return new HttpSubscription({
              options,
              http,
              client,
              answer,
              master,
              streamId,
              signal,
            });
          }
          await client.destroy();
          return redirect;
        } catch (error) {
          await client.destroy();
          throw error;
        }
      });
    },
  };
}

/** Resolves with the head of the answer; the signal stays with the stream, the deadline does not. */
async function openStream(
  { clock, requestTimeoutMs = 30_000 }: SchedulerClientOptions,
  http: HttpClient,
  client: Client,
  body: Uint8Array,
  master: MesosAddress,
  signal: AbortSignal,
): Promise<Answer> {
  const controller = new AbortController();
  const timer = clock.after(requestTimeoutMs, () => {
    const message = `SUBSCRIBE was not answered in ${requestTimeoutMs} ms`;
    controller.abort(new MesosRequestError('Unanswered', message));
  });
  try {
    const either = AbortSignal.any([signal, controller.signal]);
    return await http.post(client, schedulerPath, body, { signal: either });
  } catch (error) {
    throw signal.aborted ? signal.reason : requestError(error, master);
  } finally {
    timer.cancel();
  }
}

async function streamIdOf(http: HttpClient, answer: Answer, master: MesosAddress): Promise<string> {
  if (answer.status !== 200) throw await refusal(http, answer, master);
  const streamId = answer.headers['mesos-stream-id'];
  if (typeof streamId === 'string') return streamId;
  throw new MesosRequestError('BadAnswer', 'SUBSCRIBE was answered without a stream id');
}

interface SubscriptionParts {
  readonly options: SchedulerClientOptions;
  readonly http: HttpClient;
  readonly client: Client;
  readonly answer: Answer;
  readonly master: MesosAddress;
  readonly streamId: string;
  readonly signal: AbortSignal;
}

class HttpSubscription implements Subscription {
  readonly streamId: string;
  readonly master: MesosAddress;
  readonly events: AsyncIterable<SchedulerEvent>;
  private readonly parts: SubscriptionParts;
  /** ACCEPT, KILL, RECONCILE and the rest, in order. */
  private readonly ordered: CallLane;
  /** Beside them. Those of one task take one lane, so that they stay in order. */
  private readonly acknowledgements: readonly CallLane[];
  private heartbeatSeconds = defaultHeartbeatSeconds;
  private failure: SubscriptionLostError | undefined;
  private closed = false;

  constructor(parts: SubscriptionParts) {
    const { http, master, streamId, options, signal } = parts;
    this.parts = parts;
    this.master = master;
    this.streamId = streamId;
    const lane = (): CallLane =>
      new CallLane({ http, master, streamId, maxWaiting: options.maxWaitingCalls ?? 10_000 });
    this.ordered = lane();
    const { acknowledgementConnections: lanes = 8 } = options;
    this.acknowledgements = Array.from({ length: lanes }, lane);
    this.events = this.readEvents();
    signal.addEventListener('abort', this.onAbort, { once: true });
    if (signal.aborted) this.close();
  }

  async call(call: SchedulerCall, mayLeave = () => true): Promise<CallOutcome> {
    const aside = this.acknowledgementLane(call);
    if (aside !== undefined) return aside.send(call, mayLeave);
    const outcome = await this.ordered.send(call, mayLeave);
    if (outcome.kind === 'unknown') this.giveUp(call, outcome.cause);
    return outcome;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.parts.signal.removeEventListener('abort', this.onAbort);
    this.ordered.close();
    for (const lane of this.acknowledgements) lane.close();
    this.endStream();
  }

  private acknowledgementLane(call: SchedulerCall): CallLane | undefined {
    const { type, acknowledge } = call;
    if (type !== 'ACKNOWLEDGE' && type !== 'ACKNOWLEDGE_OPERATION_STATUS') return undefined;
    const task = acknowledge?.task_id.value ?? '';
    return this.acknowledgements[crc32(task) % this.acknowledgements.length];
  }

  private readonly onAbort = (): void => {
    this.close();
  };

  private giveUp(call: SchedulerCall, cause: Error): void {
    const message = `${call.type ?? 'a call'} was not answered: ${cause.message}`;
    this.failure ??= new SubscriptionLostError('CallUnanswered', message, cause);
    this.ordered.close();
    this.endStream();
  }

  private endStream(): void {
    this.parts.answer.body.destroy();
    void this.parts.client.destroy();
  }

  private async *readEvents(): AsyncGenerator<SchedulerEvent> {
    const { options, http, answer } = this.parts;
    const messages = readMessages(byteChunks(answer.body), {
      clock: options.clock,
      codec: codec('mesos.v1.scheduler.Event', http.format),
      onMalformed: options.onMalformedEvent,
      silenceMs: () => this.heartbeatSeconds * 1000 * (options.missedHeartbeats ?? 3),
      ...(options.maxEventBytes === undefined ? {} : { maxRecordBytes: options.maxEventBytes }),
    });
    try {
      for await (const event of messages) {
        this.heartbeatSeconds =
          event.subscribed?.heartbeat_interval_seconds ?? this.heartbeatSeconds;
        yield event;
      }
    } catch (error) {
      if (!this.closed) throw this.failure ?? error;
    } finally {
      this.endStream();
    }
  }
}
