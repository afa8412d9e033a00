import { codec, contentTypes, type Format } from '../../proto/mesos/codec.ts';
import type {
  FrameworkInfo,
  Offer,
  OfferOperation,
  SchedulerCall,
  SchedulerEvent,
  TaskInfo,
  TaskState,
  TaskStatus,
} from '../../proto/mesos/generated/messages.ts';
import { RecordDecoder } from '../../proto/mesos/recordio.ts';

/** A bare framework over HTTP, to look at what a master says; not the product's scheduler. */
export class TestFramework {
  readonly events: SchedulerEvent[] = [];
  id: string | undefined;
  ended = false;
  /** Acknowledges every update that wants it. */
  acknowledges = true;
  readonly #address: string;
  readonly #format: Format;
  readonly #info: FrameworkInfo;
  readonly #abort = new AbortController();
  readonly #waiting = new Set<() => void>();
  #streamId = '';

  private constructor(address: string, info: Partial<FrameworkInfo>, format: Format) {
    this.#address = address;
    this.#format = format;
    this.#info = { ...testFrameworkInfo, ...info };
  }

  static async subscribe(
    address: string,
    info: Partial<FrameworkInfo> = {},
    format: Format = 'json',
  ): Promise<TestFramework> {
    const framework = new TestFramework(address, info, format);
    await framework.#subscribe();
    return framework;
  }

  /** The first event, past or future, that `matches`. */
  async event<T>(
    matches: (event: SchedulerEvent) => T | undefined,
    timeoutMs = 30_000,
  ): Promise<T> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      for (const event of this.events) {
        const found = matches(event);
        if (found !== undefined) return found;
      }
      if (this.ended || Date.now() > deadline) {
        const seen = this.events.map(describe).join('\n');
        throw new Error(`no such event${this.ended ? ' before the stream ended' : ''}:\n${seen}`);
      }
      await this.#change(deadline - Date.now());
    }
  }

  status(taskId: string, state: TaskState, timeoutMs?: number): Promise<TaskStatus> {
    return this.event(({ update }) => {
      const status = update?.status;
      return status?.task_id.value === taskId && status.state === state ? status : undefined;
    }, timeoutMs);
  }

  statuses(taskId: string): TaskStatus[] {
    return this.events.flatMap(({ update }) =>
      update?.status.task_id.value === taskId ? [update.status] : [],
    );
  }

  /** Takes an offer that was neither used nor withdrawn yet. */
  async offer(matches: (offer: Offer) => boolean = () => true): Promise<Offer> {
    return this.event(({ offers }) => {
      const offer = (offers?.offers ?? []).find(
        (candidate) =>
          !this.#used.has(candidate.id.value) && !this.#withdrawn(candidate) && matches(candidate),
      );
      if (offer !== undefined) this.#used.add(offer.id.value);
      return offer;
    });
  }

  #withdrawn({ id }: Offer): boolean {
    return this.events.some(({ rescind }) => rescind?.offer_id.value === id.value);
  }

  readonly #used = new Set<string>();

  async accept(offer: Offer, operations: OfferOperation[], refuseSeconds = 0): Promise<void> {
    await this.call({
      type: 'ACCEPT',
      accept: { offer_ids: [offer.id], operations, filters: { refuse_seconds: refuseSeconds } },
    });
  }

  /** Launches on some offer; the agent id is filled in. */
  async launch(...tasks: Omit<TaskInfo, 'agent_id'>[]): Promise<Offer> {
    const offer = await this.offer();
    const task_infos = tasks.map((task) => ({ ...task, agent_id: offer.agent_id }));
    await this.accept(offer, [{ type: 'LAUNCH', launch: { task_infos } }]);
    return offer;
  }

  async call(call: SchedulerCall): Promise<number> {
    const response = await this.#post(call, { 'mesos-stream-id': this.#streamId });
    const text = await response.text();
    if (!response.ok) throw new Error(`${String(call.type)}: ${response.status} ${text}`);
    return response.status;
  }

  close(): void {
    this.#abort.abort();
  }

  async #subscribe(): Promise<void> {
    const { id } = this.#info;
    const response = await this.#post({
      type: 'SUBSCRIBE',
      ...(id === undefined ? {} : { framework_id: id }),
      subscribe: { framework_info: this.#info },
    });
    if (response.status !== 200) throw new Error(`SUBSCRIBE: ${response.status}`);
    this.#streamId = response.headers.get('mesos-stream-id') ?? '';
    void this.#read(response);
    this.id = await this.event(({ subscribed }) => subscribed?.framework_id.value);
  }

  async #read(response: Response): Promise<void> {
    const decoder = new RecordDecoder();
    const events = codec('mesos.v1.scheduler.Event', this.#format);
    try {
      const body: AsyncIterable<unknown> | null = response.body;
      for await (const chunk of body ?? []) {
        if (!(chunk instanceof Uint8Array)) throw new TypeError('the stream is not of bytes');
        for (const record of decoder.push(chunk)) this.#take(events.decode(record));
      }
    } catch (error) {
      if (!this.#abort.signal.aborted) this.events.push({ type: 'UNKNOWN' });
      else if (!(error instanceof Error)) throw error;
    }
    this.ended = true;
    this.#notify();
  }

  #take(event: SchedulerEvent): void {
    this.events.push(event);
    const status = event.update?.status;
    if (this.acknowledges && status?.uuid !== undefined && status.agent_id !== undefined) {
      const { task_id, agent_id, uuid } = status;
      // A framework that is gone acknowledges nothing more.
      this.call({ type: 'ACKNOWLEDGE', acknowledge: { task_id, agent_id, uuid } }).catch(
        () => undefined,
      );
    }
    this.#notify();
  }

  #post(call: SchedulerCall, headers: Record<string, string> = {}): Promise<Response> {
    const type = contentTypes[this.#format];
    const framework_id = this.id === undefined ? {} : { framework_id: { value: this.id } };
    return fetch(`http://${this.#address}/api/v1/scheduler`, {
      method: 'POST',
      headers: { ...headers, 'content-type': type, accept: type },
      body: codec('mesos.v1.scheduler.Call', this.#format).encode({ ...framework_id, ...call }),
      ...(call.type === 'SUBSCRIBE' ? { signal: this.#abort.signal } : {}),
    });
  }

  #change(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      this.#waiting.add(done);
    });
  }

  #notify(): void {
    for (const done of [...this.#waiting]) done();
  }
}

export const testFrameworkInfo: FrameworkInfo = {
  user: 'root',
  name: 'test',
  roles: ['test'],
  checkpoint: true,
  failover_timeout: 60,
  capabilities: [
    { type: 'MULTI_ROLE' },
    { type: 'PARTITION_AWARE' },
    { type: 'TASK_KILLING_STATE' },
    { type: 'RESERVATION_REFINEMENT' },
    { type: 'REGION_AWARE' },
  ],
};

/** A shell task on the named networks; none is the host's. */
export function shellTask(
  id: string,
  script: string,
  networks: readonly string[] = [],
  more: Partial<TaskInfo> = {},
): Omit<TaskInfo, 'agent_id'> {
  return {
    name: id,
    task_id: { value: id },
    resources: [
      { name: 'cpus', type: 'SCALAR', scalar: { value: 0.1 } },
      { name: 'mem', type: 'SCALAR', scalar: { value: 32 } },
    ],
    command: { shell: true, value: script },
    ...(networks.length === 0
      ? {}
      : {
          container: { type: 'MESOS', network_infos: networks.map((name) => ({ name })) },
        }),
    ...more,
  };
}

function describe(event: SchedulerEvent): string {
  const status = event.update?.status;
  return status === undefined
    ? String(event.type)
    : `${status.task_id.value} ${status.state} ${status.reason ?? ''} ${status.message ?? ''}`;
}
