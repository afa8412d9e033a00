import { seededRandom } from '../../api/machinery/random.ts';
import { SimulatedCluster } from '../../hack/emulator/cluster.ts';
import type { ApiResponse } from '../../hack/emulator/http/messages.ts';
import { programOf, type Step } from '../../hack/emulator/agent/simulated/program.ts';
import type { SimulatedNetwork } from '../../hack/emulator/agent/simulated/networks.ts';
import { pong } from '../../hack/emulator/master/agents.ts';
import { agentResources } from '../../hack/emulator/simulated-agents.ts';
import { codec } from '../../proto/mesos/codec.ts';
import { CodecError } from '../../proto/mesos/errors.ts';
import type { CommandInfo, SchedulerEvent } from '../../proto/mesos/generated/messages.ts';
import { RecordDecoder } from '../../proto/mesos/recordio.ts';
import { VirtualClock } from '../support/virtual-clock.ts';
import { bodyBytes, isStream, recordsOf, type Exchange, type Recording } from './recordings.ts';
import type { TimedEvent } from './replay-events.ts';
import { correspondingId, isRecordedId, type Run } from './replay-ids.ts';

/** What came of one recorded request. */
export interface ReplayedExchange {
  readonly exchange: Exchange;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** Of a stream: its index in `streams`. */
  readonly stream: number | undefined;
}

export interface Replay {
  readonly scenario: string;
  readonly exchanges: readonly ReplayedExchange[];
  readonly recorded: readonly (readonly TimedEvent[])[];
  readonly replayed: readonly (readonly TimedEvent[])[];
  /** How each stream ended in the replay: true if the master ended it. */
  readonly endedByMaster: readonly boolean[];
}

/** Something that was done to the cluster from outside, at a time of the recording. */
interface Action {
  readonly t: number;
  readonly act: () => void;
}

/** The networks of the recorded agent. */
const networks: Record<string, SimulatedNetwork> = {
  'dev-net': { ipv4: '172.29.11.10' },
  'data-net': { ipv4: '172.29.12.10' },
  'dual-net': { ipv4: '172.29.13.10', ipv6: 'fd29:13::10' },
  'spy-net': { ipv4: '172.29.14.10' },
  'v031-net': { ipv4: '172.29.15.10', unreadable: true },
  'tiny-net': { ipv4: '172.29.16.10', capacity: 1 },
  'portmap-net': { ipv4: '172.29.17.10' },
};

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
  readonly #cluster: SimulatedCluster;
  readonly #recorded: TimedEvent[][];
  readonly #replayed: TimedEvent[][] = [];
  readonly #endedByMaster: boolean[] = [];
  readonly #streamIds = new Map<string, string>();
  readonly #open = new Map<Exchange, { closed(): void }>();
  #begin = 0;

  constructor(recording: Recording) {
    this.#recording = recording;
    this.#recorded = recording.exchanges.filter(isStream).map((item) => this.#timed(item));
    this.#cluster = new SimulatedCluster({
      clock: this.#clock,
      random: seededRandom(1),
      agents: 1,
      networks,
      agentIp: () => '172.29.0.1',
      agentInfo: () => ({
        hostname: 'agent1.test',
        port: 5051,
        resources: agentResources({ cpus: 8, mem: 8192, disk: 20000, ports: [31000, 32000] }),
        attributes: [
          { name: 'rack', type: 'TEXT', text: { value: 'a' } },
          { name: 'zone', type: 'TEXT', text: { value: 'z1' } },
        ],
      }),
      // The recorded master was started with these; its interval lost 1.5 ms each time.
      timings: { agentPingTimeout: 2000, maxAgentPingTimeouts: 3, allocationInterval: 1001.5 },
      // A default executor took longer to leave once its agent had been away.
      agentTimings: { executorExit: recording.scenario.startsWith('agentloss') ? 1450 : 250 },
      runtime: {
        launchDelay: ({ id, command, container }) => {
          if (id.parent !== undefined) return 200;
          if (command !== undefined && container?.network_infos === undefined) return 220;
          return container?.network_infos?.[0]?.name === 'tiny-net' ? 440 : 320;
        },
        // Mesos looks for ended processes at intervals of up to a second.
        signalDelay: ({ id }, signal) =>
          id.parent !== undefined ? 110 : signal === 'SIGTERM' ? 40 : 1050,
        probeDelay: ({ type }) => (type === 'COMMAND' ? 330 : 60),
        program: ({ command }) => recordedProgram(command),
      },
    });
  }

  async run(): Promise<Replay> {
    this.#cluster.start();
    // Let the agent register; then begin so that allocations fall where they did.
    await this.#clock.advance(2 * 1001.5 + 1001.5 - this.#allocationPhase());
    this.#begin = this.#clock.monotonic();
    const exchanges: ReplayedExchange[] = [];
    for (const step of this.#steps()) {
      await this.#advanceTo(step.t);
      if ('act' in step) step.act();
      else exchanges.push(await this.#send(step.exchange));
      await this.#clock.advance(0);
    }
    this.#cluster.stop();
    return {
      scenario: this.#recording.scenario,
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
    return [...requests, ...this.#closings(), ...this.#actions()].sort((a, b) => a.t - b.t);
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

  /** What the timeline says was done to the agent and its executors. */
  #actions(): Action[] {
    const { agents } = this.#cluster;
    return this.#recording.timeline.flatMap(({ t, k, v }): Action[] => {
      const text = k === 'phase' ? String(v) : k;
      if (/kill -9 agent/.test(text)) {
        return [{ t: this.#disconnectionAfter(t), act: () => agents.kill(0) }];
      }
      if (/start agent/.test(text)) {
        const registration = this.#registrationAfter(t);
        return [
          { t: registration, act: () => agents.start(0) },
          // A recovering agent answers pings before it registers.
          { t: t + 500, act: () => this.#answerPings() },
        ];
      }
      if (/SIGUSR1 agent/.test(text)) return [{ t, act: () => agents.unregister(0) }];
      if (/kill -9 (command )?executor/.test(text)) {
        const task = this.#newestTask(t);
        return [{ t, act: () => void agents.crashExecutor(task) }];
      }
      return [];
    });
  }

  /** The note was made before the signal was sent; the lost connection shows as a RESCIND. */
  #disconnectionAfter(t: number): number {
    const events = this.#recorded.flat().filter((item) => item.t > t);
    const rescind = events.find(({ event }) => event.type === 'RESCIND')?.t ?? Infinity;
    return Math.min(rescind, t + signalMs);
  }

  /** A started agent first waits for its executors; its registration shows as an offer. */
  #registrationAfter(t: number): number {
    const events = this.#recorded.flat().filter((item) => item.t > t);
    return (events.find(({ event }) => event.type === 'OFFERS')?.t ?? t) - 15;
  }

  #answerPings(): void {
    for (const agent of this.#cluster.leading?.state.agents.values() ?? []) pong(agent);
  }

  #newestTask(t: number): string {
    const events = this.#recorded.flat().filter((item) => item.t < t);
    return (
      events.findLast(({ event }) => event.update !== undefined)?.event.update?.status.task_id
        .value ?? ''
    );
  }

  /** When within its interval the recorded master allocated: seen at an offer that nobody asked for. */
  #allocationPhase(): number {
    const offers = this.#recorded.flat().filter(({ event }) => event.type === 'OFFERS');
    return (offers[1]?.t ?? 0) % 1001.5;
  }

  async #send(exchange: Exchange): Promise<ReplayedExchange> {
    const { req } = exchange;
    const headers = headersOf(req.raw_head);
    const recordedStream = headers['mesos-stream-id'];
    if (recordedStream !== undefined) {
      headers['mesos-stream-id'] = this.#streamIds.get(recordedStream) ?? recordedStream;
    }
    const answer = this.#cluster.handle({
      method: req.method,
      target: req.path,
      headers,
      body: await this.#translate(bodyBytes(req.body)),
    });
    if (answer.kind === 'response') return { exchange, stream: undefined, ...plain(answer) };
    const stream = this.#replayed.length;
    const events: TimedEvent[] = [];
    this.#replayed.push(events);
    this.#endedByMaster.push(false);
    const recordedId = streamIdOf(exchange);
    const id = answer.headers['Mesos-Stream-Id'];
    if (recordedId !== undefined && id !== undefined) this.#streamIds.set(recordedId, id);
    const decoder = new RecordDecoder();
    const event = codec('mesos.v1.scheduler.Event', this.#recording.format);
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
  async #translate(body: Uint8Array): Promise<Uint8Array> {
    const call = codec('mesos.v1.scheduler.Call', this.#recording.format);
    let decoded;
    try {
      decoded = call.decode(body);
    } catch (error) {
      // Malformed on purpose: sent as it is.
      if (error instanceof CodecError) return body;
      throw error;
    }
    if (decoded.type === undefined) return body;
    const recorded = runOf(this.#recorded);
    const names = stringsOf(decoded).filter((text) => isRecordedId(recorded, text));
    const ids = new Map<string, string>();
    for (const name of names) {
      const madeUp = decoded.type === 'SUBSCRIBE' && this.#frameworkOf(name) === undefined;
      ids.set(name, madeUp ? name : await this.#idOf(recorded, name));
    }
    return call.encode(renamed(decoded, ids));
  }

  /** A framework id that no stream has yielded yet was made up by the client. */
  #frameworkOf(name: string): string | undefined {
    return correspondingId(runOf(this.#recorded), runOf(this.#replayed), name);
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

  #timed(exchange: Exchange): TimedEvent[] {
    const body = bodyBytes(exchange.res.body);
    const event = codec('mesos.v1.scheduler.Event', this.#recording.format);
    let offset = 0;
    return recordsOf(body).map((record) => {
      const start = offset;
      offset += String(record.length).length + 1 + record.length;
      return { t: arrivalOf(exchange, start), event: event.decode(record) };
    });
  }
}

/** When the chunk arrived in which a byte was. */
function arrivalOf({ res }: Exchange, offset: number): number {
  let position = 0;
  for (const [t, length] of res.chunks ?? []) {
    position += length;
    if (offset < position) return t;
  }
  return res.t_ms;
}

/** What the recorded commands do that a reading of their shell text does not tell. */
function recordedProgram(command: CommandInfo | undefined): Step[] {
  if (command?.value?.includes('Buffer.alloc') === true) {
    return [{ do: 'sleep', ms: 430 }, { do: 'exhaustMemory' }];
  }
  const program = programOf(command);
  const [first] = program;
  return first?.do === 'exit' || first?.do === 'signal'
    ? [{ do: 'sleep', ms: reapMs }, ...program]
    : program;
}

/** Between the note of a kill and the kill, where no RESCIND shows it. */
const signalMs = 1140;

/** How long Mesos took to see that a command had ended. */
const reapMs = 160;

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

function streamIdOf({ res }: Exchange): string | undefined {
  const headers = res.raw_headers ?? [];
  return headers[headers.indexOf('Mesos-Stream-Id') + 1];
}

function runOf(streams: readonly (readonly TimedEvent[])[]): Run {
  return { streams: streams.map((events) => events.map(({ event }): SchedulerEvent => event)) };
}

function stringsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(stringsOf);
}

function renamed<T>(value: T, ids: ReadonlyMap<string, string>): T {
  const copy = structuredClone(value);
  rename(copy, ids);
  return copy;
}

function rename(value: unknown, ids: ReadonlyMap<string, string>): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, item] of Object.entries(value)) {
    const id = typeof item === 'string' ? ids.get(item) : undefined;
    if (id === undefined) rename(item, ids);
    else Reflect.set(value, key, id);
  }
}
