import { isDead, phaseOf, type ContainerStatus, type Task } from '../../v1/task.ts';
import type { ContainerState } from '../../v1/pod.ts';

/** What a container of a task is doing, in the words of a Pod. */
export function containerState(task: Task, name: string): ContainerState {
  const seen = task.status?.containers?.find((container) => container.name === name);
  if (isDead(task) || endStates.has(seen?.state ?? '')) return { terminated: ended(task, seen) };
  const { startTime } = task.status ?? {};
  switch (seen?.state) {
    case 'TASK_RUNNING':
    case 'TASK_KILLING':
      return running(startTime);
    case 'TASK_STAGING':
    case 'TASK_STARTING':
      return { waiting: { reason: 'ContainerCreating' } };
    default:
      return byPhase(task);
  }
}

const endStates: ReadonlySet<string> = new Set([
  'TASK_FINISHED',
  'TASK_FAILED',
  'TASK_KILLED',
  'TASK_ERROR',
  'TASK_DROPPED',
  'TASK_GONE',
  'TASK_GONE_BY_OPERATOR',
]);

function running(startedAt: string | undefined): ContainerState {
  return { running: startedAt === undefined ? {} : { startedAt } };
}

function byPhase(task: Task): ContainerState {
  const { startTime, conditions } = task.status ?? {};
  switch (phaseOf(task)) {
    case 'Pending': {
      const message = conditions?.find(({ type }) => type === 'Scheduled')?.message;
      return { waiting: { reason: 'Pending', ...(message === undefined ? {} : { message }) } };
    }
    case 'Launching':
    case 'Starting':
      return { waiting: { reason: 'ContainerCreating' } };
    default:
      // Out of sight it may run still, and nobody has said that it ended.
      return startTime === undefined
        ? { waiting: { reason: 'ContainerCreating' } }
        : running(startTime);
  }
}

function ended(task: Task, seen: ContainerStatus | undefined): ContainerState['terminated'] {
  const { startTime, finishTime, mesos } = task.status ?? {};
  const own = seen?.state !== undefined && endStates.has(seen.state) ? seen : undefined;
  const message = own?.message ?? mesos?.message;
  const state = own?.state ?? (phaseOf(task) === 'Finished' ? 'TASK_FINISHED' : mesos?.state);
  return {
    ...exitOf({ state, reason: own?.reason ?? mesos?.reason, message, started: startTime }),
    ...(message === undefined || message === '' ? {} : { message }),
    ...(startTime === undefined ? {} : { startedAt: startTime }),
    ...(finishTime === undefined ? {} : { finishedAt: finishTime }),
  };
}

interface End {
  state: string | undefined;
  reason: string | undefined;
  message: string | undefined;
  started: string | undefined;
}

/** Exit code as a shell tells it. Executors of Mesos tell it in the message alone. */
function exitOf({ state, reason, message = '', started }: End): {
  exitCode: number;
  reason: string;
} {
  if (reason === 'REASON_CONTAINER_LIMITATION_MEMORY') {
    return { exitCode: 128 + 9, reason: 'OOMKilled' };
  }
  if (state === 'TASK_FINISHED') return { exitCode: 0, reason: 'Completed' };
  const [, status] = /^Command exited with status (\d+)/.exec(message) ?? [];
  if (status !== undefined) {
    const exitCode = Number(status);
    return { exitCode, reason: exitCode === 0 ? 'Completed' : 'Error' };
  }
  const [, name] = /^Command terminated with signal ([A-Z][A-Za-z0-9 ]*)/.exec(message) ?? [];
  const signal = signals[name?.trim() ?? ''];
  if (signal !== undefined) return { exitCode: 128 + signal, reason: 'Error' };
  if (started === undefined) return { exitCode: 128, reason: 'StartError' };
  return { exitCode: 128 + 9, reason: 'ContainerStatusUnknown' };
}

/** As strsignal(3) names them, which is what Mesos writes. */
const signals: Readonly<Record<string, number>> = {
  Hangup: 1,
  Interrupt: 2,
  Quit: 3,
  'Illegal instruction': 4,
  Aborted: 6,
  'Bus error': 7,
  'Floating point exception': 8,
  Killed: 9,
  'User defined signal 1': 10,
  'Segmentation fault': 11,
  'User defined signal 2': 12,
  'Broken pipe': 13,
  'Alarm clock': 14,
  Terminated: 15,
};
