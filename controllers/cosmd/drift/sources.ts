import type { Clock } from '../../../api/machinery/clock.ts';
import { CodecError } from '../../../proto/mesos/errors.ts';
import type { MasterResponseGetTasks } from '../../../proto/mesos/generated/messages.ts';
import type { AgentClient, MasterClient } from '../../../proto/mesos/operator-client.ts';
import { MesosRequestError, type MesosAddress } from '../../../proto/mesos/transport.ts';
import type { ZooKeeperClient } from '../../../proto/zookeeper/client.ts';
import { isZooKeeperError, ZooKeeperError } from '../../../proto/zookeeper/errors.ts';
import { concurrently } from '../../runtime/concurrently.ts';
import { isMemberName, recognise } from '../../serverset/body.ts';
import type { ObservedNode } from '../../serverset/plan.ts';
import type { Container, Reading } from './observed.ts';

/** How Mesos and ZooKeeper are asked what they hold. Nothing is ever written. */
export interface DriftSources {
  /** All tasks of the leading master; an answer may be shared that is at most `maxAgeMs` old. */
  tasks(maxAgeMs: number): Promise<Reading<MasterResponseGetTasks>>;
  containers(agent: MesosAddress, maxAgeMs: number): Promise<Reading<readonly Container[]>>;
  /** The `member_*` nodes of a path; none if there is no such path. */
  members(path: string): Promise<Reading<readonly ObservedNode[]>>;
}

export interface SourcesOptions {
  master: Pick<MasterClient, 'getTasks'>;
  agent: (address: MesosAddress) => Pick<AgentClient, 'getContainers'>;
  zookeeper: Pick<ZooKeeperClient, 'whenConnected' | 'sync' | 'getChildren' | 'getData'>;
  clusterName: string;
  clock: Clock;
}

/** Milliseconds that anything is waited for. */
const deadlineMs = 5_000;
/** Milliseconds that answers are kept for others who ask the same. */
const keptMs = 1_000;
/** Nodes of one path read at a time. */
const readsAtOnce = 64;

export function driftSources(options: SourcesOptions): DriftSources {
  const { master, agent, zookeeper, clusterName, clock } = options;
  const tasks = new RecentAnswers<Reading<MasterResponseGetTasks>>(clock);
  const containers = new RecentAnswers<Reading<readonly Container[]>>(clock);
  const reading = <T>(work: (signal: AbortSignal) => Promise<T>): Promise<Reading<T>> =>
    readingOf(clock, work);
  return {
    tasks: (maxAgeMs) =>
      tasks.get('master', maxAgeMs, () => reading((signal) => master.getTasks(signal))),
    containers: (address, maxAgeMs) =>
      containers.get(`${address.hostname}:${address.port}`, maxAgeMs, () =>
        reading(async (signal) => {
          const answer = await agent(address).getContainers(signal);
          return answer.containers ?? [];
        }),
      ),
    members: (path) =>
      reading(async (signal) => {
        await zookeeper.whenConnected(signal);
        return readPath(zookeeper, path, clusterName);
      }),
  };
}

class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
}

async function readingOf<T>(
  clock: Clock,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<Reading<T>> {
  const deadline = new AbortController();
  const expired = new Promise<never>((_, reject) => {
    deadline.signal.addEventListener('abort', () => {
      reject(new DeadlineError(`no answer in ${deadlineMs / 1000} s`));
    });
  });
  const timer = clock.after(deadlineMs, () => {
    deadline.abort();
  });
  try {
    return { value: await Promise.race([work(deadline.signal), expired]) };
  } catch (error) {
    const isKnown =
      deadline.signal.aborted ||
      error instanceof MesosRequestError ||
      error instanceof CodecError ||
      error instanceof ZooKeeperError;
    if (!isKnown || !(error instanceof Error)) throw error;
    return { problem: error.message };
  } finally {
    timer.cancel();
  }
}

/** Freshly synchronised: a server that lags would show members that are gone, or lack new ones. */
async function readPath(
  zookeeper: SourcesOptions['zookeeper'],
  path: string,
  clusterName: string,
): Promise<ObservedNode[]> {
  await zookeeper.sync(path);
  const nodes: ObservedNode[] = [];
  const names = (await childrenOf(zookeeper, path)).filter(isMemberName);
  await concurrently(names, readsAtOnce, async (name) => {
    try {
      const { data, stat } = await zookeeper.getData(`${path}/${name}`);
      const body = data.toString('utf8');
      nodes.push({ name, version: stat.version, body, ours: recognise(body, clusterName) });
    } catch (error) {
      // Gone meanwhile, or a stranger's secret.
      if (!isZooKeeperError(error, 'NO_NODE', 'NO_AUTH')) throw error;
    }
  });
  return nodes.sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function childrenOf(
  zookeeper: SourcesOptions['zookeeper'],
  path: string,
): Promise<readonly string[]> {
  try {
    return (await zookeeper.getChildren(path)).children;
  } catch (error) {
    if (isZooKeeperError(error, 'NO_NODE')) return [];
    throw error;
  }
}

/** A question that many ask at once is asked once. */
class RecentAnswers<T> {
  readonly #clock: Clock;
  readonly #answers = new Map<string, { at: number; answer: Promise<T> }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** An answer to what was asked no longer than `maxAgeMs` ago. */
  get(question: string, maxAgeMs: number, ask: () => Promise<T>): Promise<T> {
    const now = this.#clock.monotonic();
    const recent = this.#answers.get(question);
    if (recent !== undefined && now - recent.at < maxAgeMs) return recent.answer;
    for (const [old, { at }] of this.#answers) {
      if (now - at >= keptMs) this.#answers.delete(old);
    }
    const answer = ask();
    this.#answers.set(question, { at: now, answer });
    return answer;
  }
}
