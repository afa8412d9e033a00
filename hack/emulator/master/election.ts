import type { Clock } from '../../../api/machinery/clock.ts';
import { codec } from '../../../proto/mesos/codec.ts';
import type { MasterInfo } from '../../../proto/mesos/generated/messages.ts';
import type { ZooKeeperClient } from '../../../proto/zookeeper/client.ts';
import { ensurePath } from '../../../proto/zookeeper/ensure-path.ts';
import { isZooKeeperError } from '../../../proto/zookeeper/errors.ts';

export interface ElectionOptions {
  clock: Clock;
  /** Closed with the election. */
  client: ZooKeeperClient;
  /** Where the masters' nodes are. */
  path: string;
  info: MasterInfo;
  /** Mesos' --zk_session_timeout; also how long an opinion outlives the connection. */
  sessionTimeout?: number;
  /** The leader changed: another master, this one, or nobody. */
  changed(leader: MasterInfo | undefined): void;
  /** This master led and its session is lost: a real one exits. */
  lost(): void;
  log(message: string): void;
}

const masterInfo = codec('mesos.v1.MasterInfo', 'json');

/** Stands for election as Mesos does: the smallest `json.info_<number>` leads. */
export class Election {
  readonly #options: ElectionOptions;
  readonly #client: ZooKeeperClient;
  readonly #path: string;
  #own: string | undefined;
  #leader: MasterInfo | undefined;
  #closed = false;
  #opinion: { cancel(): void } | undefined;

  constructor(options: ElectionOptions) {
    this.#options = options;
    const { clock, client, path, sessionTimeout = 10_000 } = options;
    this.#path = path;
    this.#client = client;
    this.#client.subscribe((event) => {
      if (event.type === 'connected') {
        this.#opinion?.cancel();
        if (!event.resumed) this.#contend();
        else this.#look();
      } else if (event.type === 'disconnected') {
        this.#opinion ??= clock.after(sessionTimeout, () => {
          this.#sessionLost();
        });
      } else if (event.type === 'expired') {
        this.#sessionLost();
      }
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#opinion?.cancel();
    await this.#client.close();
  }

  #sessionLost(): void {
    this.#opinion?.cancel();
    this.#opinion = undefined;
    const led = this.#leader?.id === this.#options.info.id;
    this.#own = undefined;
    this.#become(undefined);
    if (led) this.#options.lost();
  }

  #contend(): void {
    const work = async (): Promise<void> => {
      await ensurePath(this.#client, this.#path);
      const data = masterInfo.encode(this.#options.info);
      const path = await this.#client.create(`${this.#path}/json.info_`, data, {
        ephemeral: true,
        sequential: true,
      });
      this.#own = path.slice(path.lastIndexOf('/') + 1);
      await this.#read();
    };
    this.#try(work, () => {
      this.#contend();
    });
  }

  #look(): void {
    this.#try(
      () => this.#read(),
      () => {
        this.#look();
      },
    );
  }

  async #read(): Promise<void> {
    const { children } = await this.#client.getChildren(this.#path, {
      watch: () => {
        this.#look();
      },
    });
    const first = children.filter((name) => name.startsWith('json.info_')).sort()[0];
    if (first === undefined) {
      this.#become(undefined);
      return;
    }
    try {
      const { data } = await this.#client.getData(`${this.#path}/${first}`);
      this.#become(first === this.#own ? this.#options.info : masterInfo.decode(data));
    } catch (error) {
      // It left between the two reads; the watch tells.
      if (!isZooKeeperError(error, 'NO_NODE')) throw error;
    }
  }

  #become(leader: MasterInfo | undefined): void {
    if (leader?.id === this.#leader?.id || this.#closed) return;
    this.#leader = leader;
    this.#options.changed(leader);
  }

  #try(work: () => Promise<void>, again: () => void): void {
    if (this.#closed) return;
    work().catch((error: unknown) => {
      if (this.#closed || isZooKeeperError(error, 'SESSION_CLOSED')) return;
      this.#options.log(`election: ${String(error)}`);
      // While disconnected, the next connection takes it up again.
      if (this.#client.phase === 'connected') this.#options.clock.after(200, again);
    });
  }
}

export function parseZkUrl(url: string): { hosts: string; path: string } {
  const match = /^zk:\/\/([^/]+)(\/.+)$/.exec(url);
  if (match === null) throw new Error(`${url} is not zk://host:port,…/path`);
  return { hosts: match[1] ?? '', path: match[2] ?? '' };
}
