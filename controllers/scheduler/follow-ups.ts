import { isDead, phaseOf } from '../../api/v1/task.ts';
import type { SchedulerCallKill } from '../../proto/mesos/generated/messages.ts';
import { unknownCniNetwork } from '../network/addresses.ts';
import { isUnwanted, mayKill } from './lifecycle.ts';
import { killedAsUnhealthy, unhealthyText } from './readiness.ts';
import { isDeadState, isUnreachableState } from './status.ts';
import type { AppliedUpdate } from './updates.ts';

/** What follows from an update besides what is stored: a pure function. */
export interface FollowUps {
  /** Mesos runs what shall not run and what the Task's own steps do not see. */
  kill: SchedulerCallKill | undefined;
  /** The Mesos task is dead: nothing is left to kill. */
  forgetKill: boolean;
  /** A task that is to be killed is in sight again. */
  urgeKill: boolean;
  /** Ask Mesos about the task after so many milliseconds. */
  askInMs: number | undefined;
  lacksNetwork: { agentId: string; cniName: string } | undefined;
  /** About the Task; with `aboutJob` also about its Job. */
  event:
    { type: 'Normal' | 'Warning'; reason: string; message: string; aboutJob: boolean } | undefined;
}

/** A running task without addresses gets them within this time, or its update had none. */
const addressesWithinMs = 5_000;

export function isLiveState(state: string): boolean {
  return !isDeadState(state) && !isUnreachableState(state);
}

export function followUpsOf({ update, before, after }: AppliedUpdate): FollowUps {
  const { state, task_id: taskId, agent_id: agentId } = update;
  const live = isLiveState(state);
  const stray = live && isDead(after) && mayKill(after);
  const returned = phaseOf(before) === 'Unreachable' && phaseOf(after) !== 'Unreachable';
  return {
    kill: stray
      ? { task_id: taskId, ...(agentId === undefined ? {} : { agent_id: agentId }) }
      : undefined,
    forgetKill: isDeadState(state),
    urgeKill: live && returned && isUnwanted(after),
    askInMs: state === 'TASK_RUNNING' && lacksAddresses(after) ? addressesWithinMs : undefined,
    lacksNetwork: lackedNetwork(update),
    event: unhealthyEvent(before, after) ?? deathOf(before, after, update),
  };
}

function lacksAddresses(task: AppliedUpdate['after']): boolean {
  if (phaseOf(task) !== 'Running') return false;
  return (task.status?.networks ?? []).some(({ verdict }) => verdict === 'Pending');
}

function lackedNetwork({
  state,
  message,
  agent_id: agentId,
}: AppliedUpdate['update']): FollowUps['lacksNetwork'] {
  const cniName = state === 'TASK_FAILED' ? unknownCniNetwork(message) : undefined;
  return cniName === undefined || agentId === undefined
    ? undefined
    : { agentId: agentId.value, cniName };
}

function deathOf(
  before: AppliedUpdate['before'],
  after: AppliedUpdate['after'],
  { state, reason, message = '' }: AppliedUpdate['update'],
): FollowUps['event'] {
  if (isDead(before) || phaseOf(after) !== 'Failed' || isUnwanted(after)) return undefined;
  const words = [state, reason, message].filter((word) => word !== undefined && word !== '');
  return { type: 'Warning', reason: 'Failed', message: words.join(': '), aboutJob: false };
}

/** Once, as soon as it is known which container it was. */
function unhealthyEvent(
  before: AppliedUpdate['before'],
  after: AppliedUpdate['after'],
): FollowUps['event'] {
  const known = before.status === undefined ? undefined : killedAsUnhealthy(before, before.status);
  const killed = after.status === undefined ? undefined : killedAsUnhealthy(after, after.status);
  if (killed === undefined || killed === known) return undefined;
  const message = unhealthyText(after, killed);
  return { type: 'Warning', reason: 'Unhealthy', message, aboutJob: true };
}
