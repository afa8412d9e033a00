import { rfc3339 } from '../../../api/machinery/clock.ts';
import { findCondition, isConditionTrue } from '../../../api/machinery/conditions.ts';
import {
  worst,
  type DriftFinding,
  type DriftInstance,
  type DriftMember,
  type DriftMesosTask,
  type DriftTruth,
  type DriftUnexplained,
  type DriftVerdict,
  type FrameworkDrift,
  type JobDrift,
} from '../../../api/v1/drift.ts';
import { finishOf, isOpen, mostActive } from '../../../api/v1/batch.ts';
import { jobDefaults, type Job } from '../../../api/v1/job.ts';
import type { ServerSet } from '../../../api/v1/serverset.ts';
import { isDead, mesosTaskIds, phaseOf, type Task } from '../../../api/v1/task.ts';
import { isUnwanted } from '../../scheduler/lifecycle.ts';
import { isSelected, onlyJobOf } from '../../serverset/desired.ts';
import { isDeadState } from '../../scheduler/status.ts';
import { compareMembers, memberOf, placesOf, setsAbout, type CompareContext } from './members.ts';
import { jobOfTaskId, tasksOfJob, type Observed, type Stored } from './observed.ts';
import { agentToAsk, isAlive, runFindings, runOf } from './run.ts';

/** Compares the four truths. Pure: that something could not be read is part of what is observed. */

type Content<T> = Omit<T, 'apiVersion' | 'kind' | 'metadata'>;

export function compareJob(
  job: Job,
  stored: Stored,
  observed: Observed,
  context: CompareContext,
): Content<JobDrift> {
  const own = tasksOfJob(stored.tasks, job.metadata);
  const sets = setsAbout(job.metadata, own, stored.serverSets);
  const compared = compareMembers(sets, stored, observed, context);
  const scene: Scene = {
    job,
    sets,
    byInstance: byInstance(own),
    stored,
    observed,
    published: compared.findings,
    members: membersByTask(observed),
  };
  const { namespace, name } = job.metadata;
  const unexplained = [
    ...orphans(stored, observed, (owner) => owner?.namespace === namespace && owner?.job === name),
    ...compared.unexplained.filter(({ member }) => isAbout(sets, stored, member?.path)),
  ];
  const instances = numbersOf(own, scene).map((number) => instanceOf(number, scene));
  const judged = { ...finished(job), findings: jobFindings(job), instances, unexplained };
  return summary(judged, observed, stored.tasks, context);
}

/**
 * What no Job explains: tasks of our framework whose Job does not exist, and members on the paths of
 * `sets` whose Task does not.
 */
export function compareFramework(
  jobs: readonly Pick<Job, 'metadata'>[],
  sets: readonly ServerSet[],
  stored: Stored,
  observed: Observed,
  context: CompareContext,
): Content<FrameworkDrift> {
  const existing = new Set(
    jobs.map(({ metadata }) => `${metadata.namespace ?? ''}/${metadata.name}`),
  );
  const unexplained = [
    ...orphans(
      stored,
      observed,
      (owner) => owner === undefined || !existing.has(`${owner.namespace}/${owner.job}`),
    ),
    ...compareMembers(sets, stored, observed, context).unexplained,
  ];
  return summary({ unexplained }, observed, stored.tasks, context);
}

interface Judged {
  findings?: readonly { verdict: DriftVerdict }[];
  instances?: readonly { verdict: DriftVerdict }[];
  unexplained: readonly DriftUnexplained[];
}

function summary<T extends Judged>(
  judged: T,
  observed: Observed,
  tasks: readonly Task[],
  { now }: CompareContext,
): T & { verdict: DriftVerdict; time: string; truths: DriftTruth[] } {
  const truths = truthsOf(observed, tasks);
  const { findings = [], instances = [], unexplained } = judged;
  const verdict = worst([
    ...truths.map(({ readable }) => (readable ? ('Agrees' as const) : ('Unknown' as const))),
    ...[...findings, ...instances, ...unexplained].map((one) => one.verdict),
  ]);
  return { verdict, time: rfc3339(now), truths, ...judged };
}

interface Scene {
  job: Job;
  sets: readonly ServerSet[];
  byInstance: ReadonlyMap<number, readonly Task[]>;
  stored: Stored;
  observed: Observed;
  /** By the uid of the Task. */
  published: ReadonlyMap<string, readonly DriftFinding[]>;
  members: ReadonlyMap<string, readonly DriftMember[]>;
}

/** Those that are wanted, and those that something is left of. */
function numbersOf(own: readonly Task[], { job, observed, published, members }: Scene): number[] {
  const all = Array.from({ length: replicasOf(job) }, (_, index) => index);
  const wanted = all.filter((index) => isWanted(index, job));
  const left = own.filter(
    (task) =>
      !isDead(task) ||
      isAlive(task, observed.master) ||
      published.has(task.metadata.uid) ||
      members.has(task.metadata.uid),
  );
  return [...new Set([...wanted, ...left.map(({ spec }) => spec.instance)])].sort((a, b) => a - b);
}

function instanceOf(number: number, scene: Scene): DriftInstance {
  const { job, stored, observed, published, members } = scene;
  const tasks = scene.byInstance.get(number) ?? [];
  const findings = specFindings(number, tasks, scene);
  const runs = tasks.flatMap((task) => {
    const { uid } = task.metadata;
    const about = [...runFindings(task, observed), ...(published.get(uid) ?? [])];
    const isChanged = stored.changed.has(uid);
    findings.push(...about.map((finding) => (isChanged ? overtaken(finding) : finding)));
    if (isDead(task) && about.length === 0 && !members.has(uid)) return [];
    return [runOf(task, observed, members.get(uid) ?? [])];
  });
  const { currentRevision: revision } = job.status ?? {};
  return {
    instance: number,
    verdict: worst([
      ...findings.map(({ verdict }) => verdict),
      tasks.some((task) => isUnread(task, scene)) ? 'Unknown' : 'Agrees',
    ]),
    spec: {
      wanted: isWanted(number, job),
      ...(revision === undefined ? {} : { revision }),
      networks: (job.spec.template.spec.networks ?? []).map(({ name }) => name),
    },
    tasks: runs,
    findings,
  };
}

/** Whether a truth about a live Task could not be read. */
function isUnread(task: Task, { sets, stored, observed }: Scene): boolean {
  if (isDead(task)) return false;
  const agent = agentToAsk(task);
  const asked = agent === undefined ? undefined : observed.agents.get(agent.id);
  const paths = sets
    .filter((set) => isSelected(set, task))
    .flatMap((set) => placesOf(set, stored.serverSets))
    .map(({ path }) => observed.paths.get(path));
  return [observed.master, asked, ...paths].some(
    (reading) => reading !== undefined && 'problem' in reading,
  );
}

function byInstance(tasks: readonly Task[]): Map<number, Task[]> {
  const groups = new Map<number, Task[]>();
  for (const task of tasks) {
    const group = groups.get(task.spec.instance);
    if (group === undefined) groups.set(task.spec.instance, [task]);
    else group.push(task);
  }
  return groups;
}

/** Whether a path is one of sets that are about a single Job: others' strangers are nobody's. */
function isAbout(sets: readonly ServerSet[], { serverSets }: Stored, path?: string): boolean {
  return sets
    .filter(({ spec }) => onlyJobOf(spec.selector) !== undefined)
    .some((set) => placesOf(set, serverSets).some((place) => place.path === path));
}

/** Between the Job and its Tasks. */
function specFindings(number: number, tasks: readonly Task[], scene: Scene): DriftFinding[] {
  const { job } = scene;
  const verdict = isJobMoving(job) ? 'Moving' : 'Drift';
  const live = tasks.filter((task) => !isDead(task));
  const kept = live.filter((task) => !isUnwanted(task));
  const names = kept.map(({ metadata }) => metadata.name).join(' and ');
  const current = job.status?.currentRevision;
  if (!isWanted(number, job)) {
    const message = `the Job does not want instance ${number}, and nobody stops ${names}`;
    return kept.length === 0 ? [] : [{ verdict, reason: 'NotWanted', message }];
  }
  const findings: DriftFinding[] = [];
  if (live.length === 0 && !mayWait(scene)) {
    const message = `the Job wants instance ${number}, and there is no Task`;
    findings.push({ verdict, reason: 'NoTask', message });
  }
  if (kept.filter((task) => phaseOf(task) !== 'Unreachable').length > 1) {
    findings.push({ verdict, reason: 'SeveralTasks', message: `${names} are one instance` });
  }
  for (const { metadata, spec } of kept) {
    if (current === undefined || spec.revision === current) continue;
    const message = `${metadata.name} runs ${spec.revision}, and the Job's template is ${current}`;
    findings.push({ verdict, reason: 'OutdatedRevision', message });
  }
  return findings;
}

function replicasOf({ metadata, spec }: Job): number {
  return metadata.deletionTimestamp === undefined ? (spec.replicas ?? jobDefaults.replicas) : 0;
}

function isWanted(number: number, job: Job): boolean {
  return number < replicasOf(job) && isOpen(job, number);
}

/** Whether as many instances of a Batch Job live as may at a time: the others wait. */
function mayWait({ job, byInstance }: Scene): boolean {
  const most = mostActive(job.spec, undefined);
  if (most >= replicasOf(job)) return false;
  const busy = [...byInstance.values()].filter((tasks) => tasks.some((task) => !isDead(task)));
  return busy.length >= most;
}

/** How a Batch Job has ended. */
function finished(job: Job): Pick<JobDrift, 'finish'> {
  const type = finishOf(job);
  if (type === undefined) return {};
  const { reason = type, message = '' } = findCondition(job.status?.conditions, type) ?? {};
  return { finish: { type, reason, message } };
}

/** What the Job says of itself: then its Tasks may differ from its spec. */
function jobFindings(job: Job): DriftFinding[] {
  const { metadata, status } = job;
  const moving = (reason: string, message: string): DriftFinding[] => [
    { verdict: 'Moving', reason, message },
  ];
  if (metadata.deletionTimestamp !== undefined)
    return moving('Deleting', 'the Job is being deleted');
  if (status?.observedGeneration !== metadata.generation) {
    return moving('NotObserved', 'the last change of the Job has not been acted on yet');
  }
  // That it is Stalled because it has Failed is how it ends, and nothing comes after.
  if (finishOf(job) !== undefined) return [];
  const under = ['Stalled', 'Reconciling'].filter((type) =>
    isConditionTrue(status?.conditions, type),
  );
  return under.flatMap((type) => {
    const { reason, message } = findCondition(status?.conditions, type) ?? {};
    return moving(type, `${reason ?? ''}: ${message ?? ''}`);
  });
}

function isJobMoving(job: Job): boolean {
  return jobFindings(job).length > 0;
}

/** Something that was written while the others were read may explain it. */
function overtaken(finding: DriftFinding): DriftFinding {
  return { ...finding, verdict: 'Moving' };
}

type Owner = ReturnType<typeof jobOfTaskId>;

/** Live tasks of our framework that no Task stands for. */
function orphans(
  { tasks }: Stored,
  { master }: Observed,
  isAsked: (owner: Owner) => boolean,
): DriftUnexplained[] {
  if ('problem' in master) return [];
  const known = new Set(tasks.flatMap((task) => mesosTaskIds(task).map(({ taskId }) => taskId)));
  return [...master.value.values()]
    .filter(({ taskId, state }) => !known.has(taskId) && !isDeadState(state))
    .filter(({ taskId }) => isAsked(jobOfTaskId(taskId)))
    .map(orphan);
}

function orphan(mesosTask: DriftMesosTask): DriftUnexplained {
  const { taskId, state, agentId } = mesosTask;
  const message = `${taskId} is ${state} on agent ${agentId}, and no Task stands for it`;
  return { verdict: 'Drift', reason: 'Orphan', message, mesosTask };
}

function membersByTask({ paths }: Observed): Map<string, DriftMember[]> {
  const members = new Map<string, DriftMember[]>();
  for (const [path, reading] of paths) {
    for (const node of 'problem' in reading ? [] : reading.value) {
      if (node.ours === undefined) continue;
      const { taskUid } = node.ours;
      members.set(taskUid, [...(members.get(taskUid) ?? []), memberOf(path, node)]);
    }
  }
  return members;
}

function truthsOf({ master, agents, paths }: Observed, tasks: readonly Task[]): DriftTruth[] {
  const hosts = new Map(
    tasks.map(({ status }) => [status?.mesos?.agentId, status?.mesos?.agentHostname] as const),
  );
  const readings = [
    ['Mesos master', master] as const,
    ...[...agents].map(([id, reading]) => [`Mesos agent ${hosts.get(id) ?? id}`, reading] as const),
    ...[...paths].map(([path, reading]) => [`ZooKeeper ${path}`, reading] as const),
  ];
  return readings.map(([name, reading]) =>
    'problem' in reading
      ? { name, readable: false, message: reading.problem }
      : { name, readable: true },
  );
}
