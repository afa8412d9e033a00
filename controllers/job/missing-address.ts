import { findCondition } from '../../api/machinery/conditions.ts';
import { phaseOf, taskDefaults, type Task } from '../../api/v1/task.ts';
import { countedFrom, timeOf } from './instances.ts';

/** What onMissingAddress asks for about a task that runs without the addresses that it shall have. */
export interface MissingAddress {
  action: 'Replace' | 'Fail';
  /** Wall time of the deadline. */
  dueAt: number;
  /** What is missing, network by network. */
  message: string;
}

/** Undefined if the addresses are there, the task does not run, or it is to wait for ever. */
export function missingAddress(task: Task, now: number): MissingAddress | undefined {
  const { onMissingAddress: action = 'Wait', addressDeadlineSeconds } = task.spec;
  const condition = findCondition(task.status?.conditions, 'AddressesReady');
  if (action === 'Wait' || phaseOf(task) !== 'Running' || condition?.status !== 'False') {
    return undefined;
  }
  // From the start of the task, or from when it lost what it had.
  const since = [timeOf(task.status?.startTime), timeOf(condition.lastTransitionTime)]
    .filter((time) => time !== undefined)
    .map((time) => countedFrom(time, now));
  const seconds = addressDeadlineSeconds ?? taskDefaults.addressDeadlineSeconds;
  return { action, dueAt: Math.max(0, ...since) + seconds * 1000, message: condition.message };
}
