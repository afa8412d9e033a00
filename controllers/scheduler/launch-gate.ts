import { findCondition } from '../../api/machinery/conditions.ts';
import type { Task } from '../../api/v1/task.ts';
import { wantsAddresses, type Gate } from '../network/claims.ts';
import { usesContents, type TaskContents } from './contents.ts';

/** Whether a waiting Task has what it needs besides an agent: its addresses, and what it refers to. */
export type LaunchGate =
  | (Extract<Gate, { kind: 'Open' }> & { contents: Extract<TaskContents, { kind: 'Found' }> })
  | Extract<Gate, { kind: 'Closed' }>
  | { kind: 'Closed'; reason: LackReason; message: string };

type LackReason = Extract<TaskContents, { kind: 'Lacking' }>['reason'];

/** What keeps a Task, by the reasons of its condition Scheduled. */
const closedReasons: ReadonlySet<string> = new Set([
  'AddressTaken',
  'ClaimPending',
  'ReferenceMissing',
  'ReferenceUnusable',
] satisfies Extract<LaunchGate, { kind: 'Closed' }>['reason'][]);

export function launchGate(addresses: Gate, contents: TaskContents): LaunchGate {
  if (addresses.kind === 'Closed') return addresses;
  if (contents.kind === 'Found') return { ...addresses, contents };
  const { reason, message } = contents;
  return { kind: 'Closed', reason, message };
}

/** Whether anything but agents can keep the Task. */
export function isGated(task: Task): boolean {
  return wantsAddresses(task) || usesContents(task);
}

/** Whether its condition says that the gate is closed. */
export function saysClosed(task: Task): boolean {
  return closedReasons.has(findCondition(task.status?.conditions, 'Scheduled')?.reason ?? '');
}
