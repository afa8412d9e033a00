import type { Event } from '../../v1/core.ts';
import { batchDefaults, isBatch } from '../../v1/batch.ts';
import { jobDefaults, jobState, type Job } from '../../v1/job.ts';
import type { JobRevision } from '../../v1/job-revision.ts';
import type { ServerSet } from '../../v1/serverset.ts';
import { isDead, isReady, phaseOf, type Task } from '../../v1/task.ts';
import { since } from '../../machinery/age.ts';
import { conditionsTable, eventsTable, head } from './common.ts';
import { launchLines } from './container.ts';
import { jobProblems } from './problems.ts';
import { bounded, section, tableSection } from './text.ts';

/** A job with all that belongs to it. */
export interface JobView {
  job: Job;
  tasks: readonly Task[];
  revisions: readonly JobRevision[];
  serverSets: readonly ServerSet[];
  /** Of the job and of its tasks. */
  events: readonly Event[];
}

const maxTasks = 100;

/** A job, its parts and why it is not what it should be, as lines. */
export function describeJob(view: JobView, now: number): string[] {
  const { job, tasks, events } = view;
  const hint = `cosm get tasks -n ${job.metadata.namespace ?? ''} -l mesocosm.dev/job=${job.metadata.name}`;
  return [
    ...head(job, now, [
      ['Status', jobState(job)],
      ['Instances', instancesText(job)],
      ...(isBatch(job) ? batchLines(job) : [['Update', updateText(job)] as const]),
      ['Unreachable', `replaced after ${replaceAfter(job)}s`],
      ['ServerSet', serverSetText(view)],
    ]),
    ...section('Problems', jobProblems(job, tasks, now)),
    ...section('Template', launchLines(job.spec.template.spec)),
    ...revisionsTable(view, now),
    ...tableSection(
      'Tasks',
      ['NAME', 'PHASE', 'READY', 'RESTARTS', 'AGENT', ...networkNames(job), 'AGE'],
      bounded(
        sortTasks(tasks).map((task) => taskRow(job, task, now)),
        maxTasks,
        hint,
      ),
    ),
    ...conditionsTable(job.status?.conditions, now),
    ...eventsTable(events, now, true),
  ];
}

function instancesText({ spec, status }: Job): string {
  const counts: readonly [number, string][] = [
    [spec.replicas ?? jobDefaults.replicas, 'desired'],
    [status?.replicas ?? 0, 'live'],
    [status?.updatedReplicas ?? 0, 'up to date'],
    [status?.readyReplicas ?? 0, 'ready'],
    [status?.availableReplicas ?? 0, 'available'],
    [status?.unreachableReplicas ?? 0, 'unreachable'],
  ];
  return counts.map(([count, what]) => `${count} ${what}`).join(', ');
}

function batchLines({ spec, status }: Job): (readonly [string, string])[] {
  const { replicas = jobDefaults.replicas, backoffLimit = batchDefaults.backoffLimit } = spec;
  const { activeDeadlineSeconds: deadline, ttlSecondsAfterFinished: ttl } = spec;
  const indexes = status?.completedIndexes === undefined ? '' : ` (${status.completedIndexes})`;
  const failures = (status?.failures ?? []).map(({ instance, failed }) => `${instance}: ${failed}`);
  const failed = failures.length === 0 ? '' : ` (of instance ${failures.join(', ')})`;
  const times = [
    ['Started', status?.startTime] as const,
    ['Completed', status?.completionTime] as const,
  ];
  return [
    ['Completions', `${status?.succeeded ?? 0} of ${replicas}${indexes}`],
    ['Parallelism', `${spec.parallelism ?? replicas}`],
    ['Failures', `${status?.failed ?? 0}${failed}, at most ${backoffLimit} are outlived`],
    ...times.flatMap(([name, time]) => (time === undefined ? [] : [[name, time] as const])),
    ...(deadline === undefined ? [] : [['Deadline', `${deadline}s after it started`] as const]),
    ...(ttl === undefined ? [] : [['Deleted', `${ttl}s after it has ended`] as const]),
  ];
}

function updateText({ spec: { updateStrategy } }: Job): string {
  const unavailable = updateStrategy?.maxUnavailable ?? jobDefaults.maxUnavailable;
  const seconds = updateStrategy?.minReadySeconds ?? jobDefaults.minReadySeconds;
  return `at most ${unavailable} unavailable, available once ready for ${seconds}s`;
}

function replaceAfter({ spec: { unreachable } }: Job): number {
  return unreachable?.replaceAfterSeconds ?? jobDefaults.replaceAfterSeconds;
}

function serverSetText({ job, serverSets }: JobView): string[] | undefined {
  const sets = serverSets.map(({ metadata, spec, status }) => {
    const members = `${status?.members ?? 0} members of ${status?.readyTasks ?? 0} ready tasks`;
    return `${spec.zkPath} (${metadata.name}: ${members})`;
  });
  if (sets.length > 0) return sets;
  const { serverSet } = job.spec;
  return serverSet === undefined ? undefined : [`${serverSet.zkPath} (not published yet)`];
}

function revisionsTable({ job, revisions, tasks }: JobView, now: number): string[] {
  const newestFirst = [...revisions].sort(
    (left, right) => right.spec.revision - left.spec.revision,
  );
  return tableSection(
    'Revisions',
    ['NAME', 'REVISION', 'LIVE TASKS', 'CURRENT', 'AGE'],
    newestFirst.map(({ metadata, spec }) => [
      metadata.name,
      String(spec.revision),
      String(tasks.filter((task) => !isDead(task) && task.spec.revision === metadata.name).length),
      metadata.name === job.status?.currentRevision ? 'yes' : '',
      since(metadata.creationTimestamp, now),
    ]),
  );
}

function networkNames(job: Job): string[] {
  const names = (job.spec.template.spec.networks ?? []).map(({ name }) => name);
  return names.length === 0 ? ['IP'] : names;
}

/** By instance; of one instance the newest run first. */
function sortTasks(tasks: readonly Task[]): Task[] {
  return [...tasks].sort(
    (left, right) =>
      left.spec.instance - right.spec.instance ||
      (left.metadata.creationTimestamp < right.metadata.creationTimestamp ? 1 : -1),
  );
}

function taskRow(job: Job, task: Task, now: number): string[] {
  return [
    task.metadata.name,
    task.spec.stop !== undefined && !isDead(task) ? 'Stopping' : phaseOf(task),
    isReady(task) ? 'True' : 'False',
    String(task.spec.restarts),
    task.status?.mesos?.agentHostname ?? '<none>',
    ...addresses(job, task),
    since(task.metadata.creationTimestamp, now),
  ];
}

/** One cell a network of the template: its addresses, or why there are none. */
function addresses(job: Job, task: Task): string[] {
  const networks = job.spec.template.spec.networks ?? [];
  if (networks.length === 0) return [task.status?.ip ?? '<none>'];
  return networks.map(({ name }) => {
    const status = task.status?.networks?.find((network) => network.name === name);
    if (status === undefined) return '<none>';
    if (status.ips.length === 0) return `<${status.verdict}>`;
    const ips = status.ips.join(',');
    return status.verdict === 'Assigned' ? ips : `${ips} <${status.verdict}>`;
  });
}
