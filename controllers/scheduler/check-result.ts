import type { ContainerStatus } from '../../api/v1/task.ts';
import type {
  CheckStatusInfo,
  TaskStatus as MesosTaskStatus,
} from '../../proto/mesos/generated/messages.ts';

type CheckResult = Pick<ContainerStatus, 'probe' | 'probeMessage'>;

/** What an HTTP check says that never got an answer; one that had is told `no answer any more`. */
export const noAnswer = 'got no answer';

/**
 * CheckStatusInfo: absent says nothing; present but empty means that a check gave no result, which after
 * a first result is a failure. Only a running task is checked: STARTING and KILLING carry an empty one.
 */
export function checkResult(update: MesosTaskStatus, previous: CheckResult): CheckResult {
  const { check_status: check, state } = update;
  if (check === undefined || state !== 'TASK_RUNNING') return known(previous);
  const exit = check.command?.exit_code;
  const code = check.http?.status_code;
  const connected = check.tcp?.succeeded;
  const isEmpty = exit === undefined && code === undefined && connected === undefined;
  if (isEmpty && previous.probe === undefined) return {};
  const answered = code !== undefined && code >= 200 && code < 400;
  if (exit === 0 || connected === true || answered) return { probe: 'Succeeded' };
  return { probe: 'Failed', probeMessage: failure(check, previous) };
}

function known({ probe, probeMessage }: CheckResult): CheckResult {
  return {
    ...(probe === undefined ? {} : { probe }),
    ...(probeMessage === undefined ? {} : { probeMessage }),
  };
}

function failure(check: CheckStatusInfo, previous: CheckResult): string {
  if (check.http?.status_code !== undefined) return `answered ${check.http.status_code}`;
  const exit = check.command?.exit_code;
  if (exit !== undefined) return `ended with exit status ${exit}`;
  if (check.type === 'COMMAND') return 'did not end in time, or could not be run';
  const neverAnswered = previous.probe === undefined || previous.probeMessage === noAnswer;
  return neverAnswered ? noAnswer : 'gets no answer any more';
}
