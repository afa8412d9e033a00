import { findCondition } from '../../machinery/conditions.ts';
import { hasFinalizer } from '../../machinery/metadata.ts';
import type { Job } from '../../v1/job.ts';
import { serverSetFinalizer } from '../../v1/serverset.ts';
import { addressConflictCondition, isDead, isReady, phaseOf, type Task } from '../../v1/task.ts';
import { since } from '../../machinery/age.ts';
import { singleLine } from '../output/columns.ts';

/** Why a task does not run and serve as it should, in sentences; empty if it does. */
export function taskProblems(task: Task, now: number): string[] {
  const problems = [
    ...stopProblem(task),
    ...networkProblems(task),
    ...conflictProblem(task),
    ...phaseProblem(task, now),
    ...containerProblems(task),
  ];
  return problems.map(singleLine);
}

function stopProblem(task: Task): string[] {
  const { stop } = task.spec;
  if (stop === undefined || isDead(task)) return [];
  const why = stop.message === undefined ? stop.reason : `${stop.reason}, ${stop.message}`;
  const held = hasFinalizer(task, serverSetFinalizer)
    ? '; its ServerSet member is not withdrawn yet'
    : '';
  return [`is to stop (${why})${held}`];
}

function networkProblems(task: Task): string[] {
  return (task.status?.networks ?? []).flatMap(({ name, verdict, message }) => {
    if (verdict === 'Assigned' || (verdict === 'Pending' && message === undefined)) return [];
    return [`network ${name} is ${verdict}${message === undefined ? '' : `: ${message}`}`];
  });
}

function conflictProblem({ status }: Task): string[] {
  const conflict = findCondition(status?.conditions, addressConflictCondition);
  return conflict?.status === 'True' ? [`shares an address: ${conflict.message}`] : [];
}

/** Of a task of several containers: which of them is to blame. */
function containerProblems(task: Task): string[] {
  const containers = task.status?.containers ?? [];
  if (containers.length < 2 || isReady(task)) return [];
  return containers.flatMap(({ name, state, healthy, probe, message }) => {
    const wrong = [
      ...(state === undefined || state === 'TASK_RUNNING' ? [] : [`is ${state}`]),
      ...(healthy === false ? ['fails its livenessProbe'] : []),
      ...(probe === 'Failed' ? ['fails its readinessProbe'] : []),
    ];
    const said = message === undefined ? '' : `: ${message}`;
    return wrong.length === 0 ? [] : [`container ${name} ${wrong.join(', ')}${said}`];
  });
}

function phaseProblem(task: Task, now: number): string[] {
  const phase = phaseOf(task);
  const { mesos } = task.status ?? {};
  const said = [mesos?.reason, mesos?.message].filter((part) => part).join(': ');
  switch (phase) {
    case 'Pending':
      return [`waits to be placed${reasonOf(task, 'Scheduled')}`];
    case 'Launching':
    case 'Starting':
      return [
        `is ${phase} on ${mesos?.agentHostname ?? 'an agent'}${said === '' ? '' : ` (${said})`}`,
      ];
    case 'Running':
      return isReady(task) ? [] : [`runs but is not ready${reasonOf(task, 'Ready')}`];
    case 'Unreachable':
      return [
        `Mesos has lost sight of it ${since(task.status?.unreachableTime, now)} ago (agent ${mesos?.agentHostname ?? 'unknown'})`,
      ];
    case 'Failed':
      return [`failed${said === '' ? '' : `: ${said}`}`];
    case 'Finished':
    case 'Killed':
    case 'Stopping':
      return [];
  }
}

function reasonOf(task: Task, type: string): string {
  const condition = findCondition(task.status?.conditions, type);
  return condition === undefined || condition.status === 'True'
    ? ''
    : `: ${condition.message || condition.reason}`;
}

/** Why a job is not what it should be: its own conditions, then its tasks' problems, equal ones together. */
export function jobProblems(job: Job, tasks: readonly Task[], now: number): string[] {
  const own = ['Stalled', 'Ready'].flatMap((type) => {
    const condition = findCondition(job.status?.conditions, type);
    const wrong = condition?.status === (type === 'Ready' ? 'False' : 'True');
    return condition !== undefined && wrong
      ? [singleLine(`${type} is ${condition.status}: ${condition.reason}: ${condition.message}`)]
      : [];
  });
  const shared = new Map<string, string[]>();
  for (const task of latestRuns(tasks)) {
    for (const problem of taskProblems(task, now)) {
      shared.set(problem, [...(shared.get(problem) ?? []), task.metadata.name]);
    }
  }
  return [...own, ...[...shared].map(([problem, names]) => `${namesText(names)}: ${problem}`)];
}

/** Of each instance the live runs, or the last one that ended: older failures have been answered. */
function latestRuns(tasks: readonly Task[]): Task[] {
  const newestFirst = [...tasks].sort((left, right) =>
    left.metadata.creationTimestamp < right.metadata.creationTimestamp ? 1 : -1,
  );
  const settled = new Set<number>();
  const latest = newestFirst.filter((task) => {
    const { instance } = task.spec;
    const wanted = !isDead(task) || !settled.has(instance);
    settled.add(instance);
    return wanted;
  });
  return latest.sort((left, right) => left.spec.instance - right.spec.instance);
}

function namesText(names: readonly string[]): string {
  const [first = '', second, ...rest] = names;
  if (second === undefined) return first;
  return rest.length === 0 ? `${first} and ${second}` : `${first} and ${names.length - 1} others`;
}
