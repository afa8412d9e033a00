import { z } from 'zod';
import { isReady, phaseOf, type Task } from '../../../api/v1/task.ts';
import type { SchedulerCall } from '../../../proto/mesos/generated/messages.ts';
import { eventually, type TestCluster } from '../../support/cluster.ts';
import { launchesOf, type Fate } from '../../support/mesos-tap.ts';
import { storedObject } from './etcd-history.ts';
import { liveTasksOf, pathOf } from './jobs.ts';
import type { ZooKeeperWrite } from './zookeeper-history.ts';

const memberSchema = z.object({
  serviceEndpoint: z.object({ host: z.string(), port: z.number() }),
  additionalEndpoints: z.record(
    z.string(),
    z.object({
      host: z.string(),
      port: z.number(),
      inet: z.string().optional(),
      inet6: z.string().optional(),
    }),
  ),
  status: z.enum(['ALIVE', 'STOPPING']),
  shard: z.int().optional(),
  metadata: z.record(z.string(), z.string()),
});
export type Member = z.infer<typeof memberSchema>;

export function parseMember(body: string): Member {
  return memberSchema.parse(JSON.parse(body));
}

/** uid of the Task that a member stands for. */
export function taskOf({ metadata }: Member): string {
  return metadata['mesocosm.dev/task'] ?? '';
}

/** The members of a Job's path, parsed, by node. */
export async function membersOf(cluster: TestCluster, job: string): Promise<Map<string, Member>> {
  const bodies = await cluster.members(pathOf(job));
  return new Map([...bodies].map(([name, body]) => [name, parseMember(body)]));
}

/** Waits until the members of a Job are its ready tasks, one each, ALIVE at their address; answers them. */
export function mirrored(
  cluster: TestCluster,
  job: string,
  client = cluster.client,
): Promise<Member[]> {
  return eventually(`members of ${job} are its ready tasks`, async () => {
    const tasks = (await liveTasksOf(client, job)).filter(isServing);
    const members = [...(await membersOf(cluster, job)).values()];
    const expected = tasks.map(({ metadata, spec, status }) => ({
      task: metadata.uid,
      shard: spec.instance,
      host: status?.ip,
      status: 'ALIVE',
    }));
    const actual = members.map((member) => ({
      task: taskOf(member),
      shard: member.shard,
      host: member.serviceEndpoint.host,
      status: member.status,
    }));
    const key = (entries: unknown[]): string =>
      JSON.stringify(entries.map((entry) => JSON.stringify(entry)).sort());
    if (key(actual) === key(expected)) return members;
    throw new Error(`expected ${JSON.stringify(expected)}, there are ${JSON.stringify(actual)}`);
  });
}

function isServing(task: Task): boolean {
  return phaseOf(task) === 'Running' && isReady(task) && task.spec.stop === undefined;
}

/** What a master knows of a framework's tasks. */
export interface MesosTasks {
  /** Ids of the tasks in a state that is not terminal. */
  live: string[];
  /** Every id that the master remembers, also of tasks that are over; as often as it does. */
  all: string[];
}

export async function mesosTasks({ mesos }: TestCluster, job: string): Promise<MesosTasks> {
  const { tasks = [], completed_tasks = [], unreachable_tasks = [] } = await mesos.getTasks();
  const ofJob = (id: string): boolean => new RegExp(`^[^.]+\\.${job}-\\d+-[^-]+$`).test(id);
  const ids = (list: typeof tasks): string[] =>
    list.map(({ task_id: { value } }) => value).filter(ofJob);
  const running = ['TASK_STAGING', 'TASK_STARTING', 'TASK_RUNNING', 'TASK_KILLING'];
  return {
    live: ids(tasks.filter(({ state }) => running.includes(state))).sort(),
    all: [...ids(tasks), ...ids(completed_tasks), ...ids(unreachable_tasks)],
  };
}

/** Ids that occur more than once. */
export function repeated(ids: readonly string[]): string[] {
  return ids.filter((id, index) => ids.indexOf(id) !== index);
}

/** ALIVE members of a path after each change of it, from the first one on. */
export function aliveOverTime(
  history: readonly ZooKeeperWrite[],
  path: string,
): { write: ZooKeeperWrite; alive: Member[] }[] {
  const bodies = new Map<string, string>();
  return history
    .filter(({ path: node }) => node.startsWith(`${path}/member_`))
    .map((write) => {
      if (write.data === undefined) bodies.delete(write.path);
      else bodies.set(write.path, write.data);
      const alive = [...bodies.values()]
        .map(parseMember)
        .filter(({ status }) => status === 'ALIVE');
      return { write, alive };
    });
}

/**
 * Makes the taps check that no task is launched that the store does not know as bound to that very agent:
 * it is read from etcd while the ACCEPT waits. Answers the list that violations are added to.
 */
export function watchLaunches(cluster: TestCluster): string[] {
  const violations: string[] = [];
  for (const tap of cluster.taps) {
    tap.before = async (call): Promise<Fate> => {
      violations.push(...(await unknownLaunches(cluster.etcd.endpoint, call)));
      return 'forward';
    };
  }
  return violations;
}

const boundSchema = z.looseObject({
  status: z.looseObject({
    phase: z.literal('Launching'),
    mesos: z.looseObject({ taskId: z.string(), agentId: z.string() }),
  }),
});

async function unknownLaunches(endpoint: string, call: SchedulerCall): Promise<string[]> {
  const violations: string[] = [];
  for (const id of launchesOf(call)) {
    const [namespace = '', name = ''] = id.split('.');
    const stored = await storedObject(endpoint, `mesocosm.dev/tasks/${namespace}/${name}`);
    const bound = boundSchema.safeParse(stored);
    if (!bound.success)
      violations.push(`${id} is launched, but stored as ${JSON.stringify(stored)}`);
  }
  return violations;
}
