import type { ApiResponse } from '../../hack/emulator/http/messages.ts';
import { codec, type MessageName } from '../../proto/mesos/codec.ts';
import { CodecError } from '../../proto/mesos/errors.ts';
import { RecordDecoder } from '../../proto/mesos/recordio.ts';
import { VirtualClock } from '../support/virtual-clock.ts';
import { bodyBytes, responseHeader, type Exchange, type Recording } from './recordings.ts';
import { actionsOf, type Action } from './replay-actions.ts';
import { agentPort, allocationInterval, ReplayCluster } from './replay-cluster.ts';
import { offersOf, type TimedEvent } from './replay-events.ts';
import { correspondingId, idsIn, type Run } from './replay-ids.ts';
import { eventCodec, recordedStreams } from './replay-streams.ts';

/** What came of one recorded request. */
export interface ReplayedExchange {
  readonly exchange: Exchange;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** Of a stream: its index in `replayed`. */
  readonly stream: number | undefined;
}

export interface Replay {
  readonly exchanges: readonly ReplayedExchange[];
  readonly recorded: readonly (readonly TimedEvent[])[];
  readonly replayed: readonly (readonly TimedEvent[])[];
  /** How each stream ended in the replay: true if the master ended it. */
  readonly endedByMaster: readonly boolean[];
}

/**
 * Sends every request of a recording to an emulated cluster, in the order in which the master
 * answered them, at the recorded times of a virtual clock.
 */
export async function replay(recording: Recording): Promise<Replay> {
  return new Replayer(recording).run();
}

class Replayer {
  readonly #recording: Recording;
  readonly #clock = new VirtualClock();
  readonly #cluster: ReplayCluster;
  readonly #recorded: readonly TimedEvent[][];
  readonly #replayed: TimedEvent[][] = [];
  readonly #endedByMaster: boolean[] = [];
  readonly #streamIds = new Map<string, string>();
  readonly #open = new Map<Exchange, { closed(): void }>();
  #begin = 0;

  constructor(recording: Recording) {
    this.#recording = recording;
    this.#recorded = recordedStreams(recording);
    this.#cluster = new ReplayCluster(
      recording.scenario,
      this.#clock,
      agentAddress(this.#recorded.flat()),
    );
  }

  async run(): Promise<Replay> {
    const exchanges: ReplayedExchange[] = [];
    try {
      const ports = this.#recording.exchanges.map(({ req }) => req.port);
      this.#cluster.start(ports.includes(5052) ? [5050, 5052] : [5050]);
      // Let the agent register; then begin so that allocations fall where they did.
      await this.#clock.advance(500);
      const { ledSince } = this.#cluster.masters;
      this.#begin = ledSince + 4 * allocationInterval - this.#allocationPhase();
      for (const step of this.#steps()) {
        await this.#advanceTo(step.t);
        if ('act' in step) step.act();
        else exchanges.push(await this.#send(step.exchange));
        await this.#clock.advance(0);
      }
    } finally {
      this.#cluster.stop();
    }
    return {
      exchanges,
      recorded: this.#recorded,
      replayed: this.#replayed,
      endedByMaster: this.#endedByMaster,
    };
  }

  #steps(): (Action | { readonly t: number; readonly exchange: Exchange })[] {
    const requests = this.#recording.exchanges.map((exchange) => ({
      t: exchange.res.t_ms,
      exchange,
    }));
    const actions = actionsOf(this.#recording, this.#recorded.flat(), this.#cluster);
    return [...requests, ...this.#closings(), ...actions].sort((a, b) => a.t - b.t);
  }

  #closings(): Action[] {
    return this.#recording.exchanges
      .filter(({ res }) => res.end === 'closed-by-client')
      .map((exchange) => ({
        t: exchange.res.end_t_ms ?? 0,
        act: () => {
          this.#open.get(exchange)?.closed();
        },
      }));
  }

  /** When within its interval the recorded master allocated: seen at an offer that nobody asked for. */
  #allocationPhase(): number {
    const offers = this.#recorded.flat().filter(({ event }) => event.type === 'OFFERS');
    return (offers[1]?.t ?? 0) % allocationInterval;
  }

  async #send(exchange: Exchange): Promise<ReplayedExchange> {
    const { req } = exchange;
    const headers = headersOf(req.raw_head);
    const recordedStream = headers['mesos-stream-id'];
    if (recordedStream !== undefined) {
      headers['mesos-stream-id'] = this.#streamIds.get(recordedStream) ?? recordedStream;
    }
    const answer = this.#cluster.handle(req.port, {
      method: req.method,
      target: encodeTarget(await this.#translateText(decodeURIComponent(req.path))),
      headers,
      body: req.method === 'POST' ? await this.#translate(exchange) : new Uint8Array(),
    });
    if (answer.kind === 'response') return { exchange, stream: undefined, ...plain(answer) };
    const stream = this.#replayed.length;
    const events: TimedEvent[] = [];
    this.#replayed.push(events);
    this.#endedByMaster.push(false);
    const recordedId = responseHeader(exchange.res, 'mesos-stream-id');
    const id = answer.headers['Mesos-Stream-Id'];
    if (recordedId !== undefined && id !== undefined) this.#streamIds.set(recordedId, id);
    const decoder = new RecordDecoder();
    const event = eventCodec(exchange, this.#recording.format);
    const session = answer.open({
      write: (chunk) => {
        for (const record of decoder.push(chunk)) {
          events.push({ t: this.#clock.monotonic() - this.#begin, event: event.decode(record) });
        }
      },
      end: () => {
        this.#endedByMaster[stream] = true;
      },
    });
    this.#open.set(exchange, session);
    return { exchange, status: 200, headers: answer.headers, body: new Uint8Array(), stream };
  }

  /** The call with the replay's ids; waits for those that the master has not given yet. */
  async #translate({ req }: Exchange): Promise<Uint8Array> {
    const body = bodyBytes(req.body);
    const call = codec(callMessage(req), this.#recording.format);
    let decoded;
    try {
      decoded = call.decode(body);
    } catch (error) {
      // Malformed on purpose, or a stream: sent as it is.
      if (error instanceof CodecError) return body;
      throw error;
    }
    if (decoded.type === undefined || decoded.type === 'UNKNOWN') return body;
    const texts = new Map<string, string>();
    for (const text of stringsOf(decoded)) {
      // A framework id that no stream has yielded yet was made up by the client.
      const subscribes = decoded.type === 'SUBSCRIBE';
      texts.set(text, await this.#translateText(text, subscribes));
    }
    return call.encode(renamed(decoded, texts));
  }

  async #translateText(text: string, mayBeMadeUp = false): Promise<string> {
    const recorded = runOf(this.#recorded);
    let translated = text.replace(recordedWorkDir, this.#cluster.paths.workDir);
    for (const id of idsIn(recorded, translated)) {
      const known = correspondingId(recorded, runOf(this.#replayed), id);
      if (known === undefined && mayBeMadeUp) continue;
      translated = translated.replaceAll(id, known ?? (await this.#idOf(recorded, id)));
    }
    return translated;
  }

  async #idOf(recorded: Run, name: string): Promise<string> {
    for (let waited = 0; waited < 5000; waited += 10) {
      const id = correspondingId(recorded, runOf(this.#replayed), name);
      if (id !== undefined) return id;
      await this.#clock.advance(10);
    }
    throw new Error(
      `nothing in the replay corresponds to ${name} at ${this.#clock.monotonic() - this.#begin}`,
    );
  }

  async #advanceTo(t: number): Promise<void> {
    const ms = this.#begin + t - this.#clock.monotonic();
    if (ms > 0) await this.#clock.advance(ms);
  }
}

/** What the recorded agent advertised. */
function agentAddress(recorded: readonly TimedEvent[]): string {
  const [offer] = recorded.flatMap(({ event }) => offersOf(event));
  return offer?.url?.address.ip ?? '127.0.0.1';
}

/** Where the recorded agent kept its files; the one in queries was not renamed in the recording. */
const recordedWorkDir = /\/var\/lib\/mesos\/agent\b|\/tmp\/mesos\/run\/agent\b/g;

function callMessage({
  path,
  port,
}: Exchange['req']): Extract<MessageName, `mesos.v1.${string}.Call`> {
  if (path.endsWith('scheduler')) return 'mesos.v1.scheduler.Call';
  return port === agentPort ? 'mesos.v1.agent.Call' : 'mesos.v1.master.Call';
}

function encodeTarget(path: string): string {
  const [route = '', query] = path.split('?', 2);
  if (query === undefined) return route;
  const fields = query.split('&').map((field) => {
    const [name = '', value = ''] = field.split('=', 2);
    return `${name}=${encodeURIComponent(value)}`;
  });
  return `${route}?${fields.join('&')}`;
}

function plain({ status, headers, body }: ApiResponse) {
  return { status, headers, body };
}

function headersOf(rawHead: string): Record<string, string | undefined> {
  const lines = rawHead.split('\r\n').slice(1);
  return Object.fromEntries(
    lines
      .filter((line) => line.includes(':'))
      .map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
  );
}

function runOf(streams: readonly (readonly TimedEvent[])[]): Run {
  return streams.map((events) => events.map(({ event }) => event));
}

function stringsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(stringsOf);
}

function renamed<T>(value: T, texts: ReadonlyMap<string, string>): T {
  const copy = structuredClone(value);
  rename(copy, texts);
  return copy;
}

function rename(value: unknown, texts: ReadonlyMap<string, string>): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, item] of Object.entries(value)) {
    const text = typeof item === 'string' ? texts.get(item) : undefined;
    if (text === undefined) rename(item, texts);
    else Reflect.set(value, key, text);
  }
}
