import { Etcd3, type IWatchResponse, type Watcher } from 'etcd3';
import { z } from 'zod';
import type { Look, ReadMember } from '../../support/reader.ts';

const taskSchema = z.looseObject({
  metadata: z.looseObject({ uid: z.string() }),
  status: z
    .looseObject({
      phase: z.string(),
      ips: z.array(z.string()).optional(),
      mesos: z.looseObject({ agentHostname: z.string().optional() }).optional(),
      conditions: z.array(z.looseObject({ type: z.string(), status: z.string() })).optional(),
    })
    .optional(),
});

/** A time in which a task ran and was ready, in milliseconds of the wall clock. */
interface Serving {
  from: number;
  to: number | undefined;
  /** Where clients could reach it. */
  hosts: readonly string[];
}

const prefix = '/mesocosm/registry/mesocosm.dev/tasks/';
/** A reader and this record may hear of the same change so far apart, while this process gets its turn. */
const skewMs = 500;
/** How often it is noted that it does. */
const tickMs = 20;

/** Notes, from etcd itself, since when and until when each task serves. */
export class ServingRecord {
  readonly #etcd: Etcd3;
  readonly #serving = new Map<string, Serving[]>();
  #watcher: Watcher | undefined;
  /** What has come by now, has come after this: it had been read otherwise. */
  #idle = Date.now();
  readonly #ticks = setInterval(() => {
    // Once everything was read that was there when the timer ran.
    const ran = Date.now();
    setImmediate(() => (this.#idle = ran));
  }, tickMs);

  private constructor(etcd: Etcd3) {
    this.#etcd = etcd;
  }

  /** From the beginning of the store; etcd must not be restarted meanwhile. */
  static async start(endpoint: string): Promise<ServingRecord> {
    const record = new ServingRecord(new Etcd3({ hosts: endpoint }));
    const watcher = await record.#etcd.watch().prefix(prefix).startRevision('1').create();
    record.#watcher = watcher;
    const uids = new Map<string, string>();
    watcher.on('data', ({ events }: IWatchResponse) => {
      for (const { type, kv } of events) {
        const key = kv.key.toString();
        const uid = uids.get(key);
        if (type === 'Delete') {
          if (uid !== undefined) record.#note(uid, undefined);
          continue;
        }
        const { metadata, status } = taskSchema.parse(JSON.parse(kv.value.toString()));
        uids.set(key, metadata.uid);
        const isReady = status?.conditions?.some(
          (condition) => condition.type === 'Ready' && condition.status === 'True',
        );
        const serves = isReady === true && status?.phase === 'Running';
        const hosts = [...(status?.ips ?? []), status?.mesos?.agentHostname ?? ''];
        record.#note(metadata.uid, serves ? hosts : undefined);
      }
    });
    return record;
  }

  async stop(): Promise<void> {
    clearInterval(this.#ticks);
    await this.#watcher?.cancel();
    this.#etcd.close();
  }

  #note(uid: string, hosts: readonly string[] | undefined): void {
    const times = this.#serving.get(uid) ?? [];
    this.#serving.set(uid, times);
    const last = times.at(-1);
    const now = Date.now();
    if (last !== undefined && last.to === undefined) {
      if (hosts?.join() === last.hosts.join()) return;
      last.to = now;
    }
    if (hosts !== undefined) times.push({ from: this.#idle, to: undefined, hosts });
  }

  /**
   * The members that a reader saw though their task did not serve there: not yet, nowhere there, or for
   * longer than `graceMs` not any more.
   */
  wrong(looks: readonly Look[], graceMs: number): string[] {
    return looks.flatMap((look) =>
      look.members
        .filter((member) => !this.#isRight(look, member, graceMs))
        .map((member) => `${new Date(look.begin).toISOString()}: ${JSON.stringify(member)}`),
    );
  }

  #isRight({ begin, end }: Look, { service, metadata }: ReadMember, graceMs: number): boolean {
    const times = this.#serving.get(metadata['mesocosm.dev/task'] ?? '') ?? [];
    return times.some(
      ({ from, to = Infinity, hosts }) =>
        hosts.includes(service.host) && from <= end + skewMs && to + skewMs + graceMs >= begin,
    );
  }
}
