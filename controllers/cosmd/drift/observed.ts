import type { DriftMesosTask } from '../../../api/v1/drift.ts';
import { jobLabel } from '../../../api/v1/job.ts';
import type { ServerSet } from '../../../api/v1/serverset.ts';
import { parseMesosTaskId, type Task } from '../../../api/v1/task.ts';
import type {
  AgentResponseGetContainersContainer,
  MasterResponseGetTasks,
} from '../../../proto/mesos/generated/messages.ts';
import { addressesOn } from '../../network/addresses.ts';
import type { ObservedNode } from '../../serverset/plan.ts';

/** What a truth says, or why it could not be read: that is never an answer. */
export type Reading<T> = { value: T } | { problem: string };

/** What etcd holds. */
export interface Stored {
  /** All Tasks that a task in Mesos or a member may be of, dead ones too. */
  tasks: readonly Task[];
  /** Of all namespaces: a path has one owner. */
  serverSets: readonly ServerSet[];
  /** Every id that our framework has or had, as far as etcd knows. */
  frameworkIds: ReadonlySet<string>;
  /** uids of Tasks and ServerSets that changed while the other truths were read. */
  changed: ReadonlySet<string>;
}

export type Container = AgentResponseGetContainersContainer;

/** What the others hold. */
export interface Observed {
  master: Reading<MasterTasks>;
  /** By agent id: those that were asked. */
  agents: ReadonlyMap<string, Reading<readonly Container[]>>;
  /** `member_*` nodes by path: those that were read. */
  paths: ReadonlyMap<string, Reading<readonly ObservedNode[]>>;
}

/** The tasks of our framework by their id, as the master tells them. */
export type MasterTasks = ReadonlyMap<string, DriftMesosTask>;

/** A task is in one of the lists; a completed one may share its id with nothing that lives. */
export function masterTasks(
  answer: MasterResponseGetTasks,
  frameworkIds: ReadonlySet<string>,
): MasterTasks {
  const found = new Map<string, DriftMesosTask>();
  const lists = [
    answer.completed_tasks,
    answer.unreachable_tasks,
    answer.orphan_tasks,
    answer.pending_tasks,
    answer.tasks,
  ];
  for (const { task_id: id, framework_id: framework, state, agent_id: agent } of lists.flatMap(
    (list) => list ?? [],
  )) {
    if (!frameworkIds.has(framework.value)) continue;
    found.set(id.value, { taskId: id.value, state, agentId: agent.value });
  }
  return found;
}

/** The Job that a TaskID of ours was made for, by its name alone; undefined if we cannot have made it. */
export function jobOfTaskId(taskId: string): { namespace: string; job: string } | undefined {
  const parsed = parseMesosTaskId(taskId);
  const job = /^(.+)-\d+-[a-z0-9]+$/.exec(parsed?.name ?? '')?.[1];
  return parsed === undefined || job === undefined
    ? undefined
    : { namespace: parsed.namespace, job };
}

/** The addresses of a container by CNI network; an unnamed entry is the agent's own. */
export function containerNetworks(container: Container): { name: string; ips: string[] }[] {
  const infos = container.container_status?.network_infos ?? [];
  const names = new Set(infos.flatMap(({ name }) => (name === undefined ? [] : [name])));
  return [...names].map((name) => ({ name, ips: addressesOn(name, infos) }));
}

export function tasksOfJob(
  tasks: readonly Task[],
  { namespace, name }: { namespace?: string | undefined; name: string },
): Task[] {
  return tasks.filter(
    (task) => task.metadata.namespace === namespace && task.metadata.labels?.[jobLabel] === name,
  );
}
