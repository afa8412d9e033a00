import { hasFinalizer } from '../../api/machinery/metadata.ts';
import { serverSetFinalizer } from '../../api/v1/serverset.ts';
import {
  confirmDeadAnnotation,
  isDead,
  isForced,
  mesosFinalizer,
  mesosTaskIds,
  phaseOf,
  type Task,
} from '../../api/v1/task.ts';
import { isDeadState } from './status.ts';

/** What has to be done about a Task beyond placing it: a pure function of the Task. */

/**
 * None: nothing, or not yet. Discard: it was never bound and shall not be. Kill: Mesos is to be asked.
 * Release: it is dead and to be deleted, so that our finalizer may go. Bury: it is out of sight, and an
 * operator says that it is dead. Contradict: an operator says so of one that is in sight.
 */
export type Step = 'None' | 'Discard' | 'Kill' | 'Release' | 'Bury' | 'Contradict';

/** `binding`: a launch of it is under way in this process, which decides first. */
export function nextStep(task: Task, binding: boolean): Step {
  if (isDead(task)) {
    const releasable = task.metadata.deletionTimestamp !== undefined;
    return releasable && hasFinalizer(task, mesosFinalizer) ? 'Release' : 'None';
  }
  if (binding) return 'None';
  if (task.metadata.annotations?.[confirmDeadAnnotation] !== undefined) {
    return phaseOf(task) === 'Unreachable' && isConfirmedDead(task) ? 'Bury' : 'Contradict';
  }
  if (!isUnwanted(task)) return 'None';
  if (task.status?.mesos === undefined) return 'Discard';
  return mayKill(task) ? 'Kill' : 'None';
}

function isConfirmedDead({ metadata }: Task): boolean {
  return metadata.annotations?.[confirmDeadAnnotation] === 'true';
}

/** Whether it shall not run (any more). */
export function isUnwanted(task: Task): boolean {
  return task.spec.stop !== undefined || task.metadata.deletionTimestamp !== undefined;
}

/** While a member of it may be published, clients may still come: the member goes first. */
export function mayKill(task: Task): boolean {
  return !hasFinalizer(task, serverSetFinalizer) || isForced(task);
}

/** Waits for an agent. */
export function isWaiting(task: Task): boolean {
  return !isDead(task) && task.status?.mesos === undefined && !isUnwanted(task);
}

/** Bound to an agent, and not known to be dead. */
export function isLive(task: Task): boolean {
  return !isDead(task) && task.status?.mesos !== undefined;
}

/** The Mesos tasks of a live Task that are not known to have ended. */
export function liveTaskIds(task: Task): string[] {
  return mesosTaskIds(task)
    .filter(({ container }) => {
      const state = task.status?.containers?.find(({ name }) => name === container)?.state;
      return state === undefined || !isDeadState(state);
    })
    .map(({ taskId }) => taskId);
}
