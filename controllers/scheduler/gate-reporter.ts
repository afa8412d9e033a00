import type { Logger } from 'pino';
import { timestamp, type Clock } from '../../api/machinery/clock.ts';
import { findCondition } from '../../api/machinery/conditions.ts';
import type { AddressClaim } from '../../api/v1/address-claim.ts';
import type { Task, TaskStatus } from '../../api/v1/task.ts';
import { instanceKeyOf } from '../network/claims.ts';
import { Controller, type Result } from '../runtime/controller.ts';
import type { EventRecorder } from '../runtime/event-recorder.ts';
import type { Informer } from '../runtime/informer.ts';
import { unscheduledStatus } from './bind.ts';
import { StoppedError, type FencedWriter } from './fenced-writer.ts';
import { isGated, saysClosed, type LaunchGate } from './launch-gate.ts';
import type { LaunchLog } from './launches.ts';
import { isWaiting } from './lifecycle.ts';
import type { TaskView } from './task-view.ts';

export interface GateReporterOptions {
  view: TaskView;
  writer: FencedWriter<TaskStatus, Task>;
  launches: LaunchLog;
  gate: (task: Task) => LaunchGate;
  events: Pick<EventRecorder, 'record'>;
  clock: Clock;
  logger: Logger;
}

/** A claim is usually there within milliseconds: only one that is not is worth a write. */
const pendingPatienceMs = 10_000;
/** What a Task refers to is often applied together with its Job. */
const referencePatienceMs = 1_000;
/** A Task that has got what it needs is usually bound at once, which says so as well. */
const openPatienceMs = 2_000;

/** Says on a waiting Task that, and why, its addresses or references keep it from being launched. */
export function gateReporter(options: GateReporterOptions): Controller {
  const { clock, logger } = options;
  /** Since when (monotonic) a Task is found as it is, by key. */
  const since = new Map<string, { state: string; at: number }>();
  return new Controller({
    name: 'address-gate',
    waitFor: [],
    clock,
    logger,
    concurrency: 8,
    reconcile: async (key) => {
      try {
        return await report(options, since, key);
      } catch (error) {
        if (error instanceof StoppedError) return {};
        throw error;
      }
    },
  });
}

/** The Tasks that a claim lets in or keeps out. `tasks` has claimTaskIndexers. */
export function concernedBy(
  { metadata, spec }: AddressClaim,
  tasks: Pick<Informer<Task>, 'byIndex'>,
): Task[] {
  return [
    ...tasks.byIndex('claim', metadata.name),
    ...tasks.byIndex('claimInstance', instanceKeyOf(spec.holder)),
  ];
}

async function report(
  options: GateReporterOptions,
  since: Map<string, { state: string; at: number }>,
  key: string,
): Promise<Result> {
  const { view, launches, clock, events } = options;
  const task = view.get(key);
  if (task === undefined || !isWaiting(task) || !isGated(task) || launches.isBinding(key)) {
    since.delete(key);
    return {};
  }
  const gate = options.gate(task);
  const said = whatToSay(task, gate);
  if (said === undefined) {
    since.delete(key);
    return {};
  }
  const found = since.get(key);
  const at = found?.state === said.reason ? found.at : clock.monotonic();
  since.set(key, { state: said.reason, at });
  const waitMs = at + said.patienceMs - clock.monotonic();
  if (waitMs > 0) return { requeueAfterMs: waitMs };
  const { reason, message } = said;
  const after = await options.writer.changeStatus(key, (newest) =>
    isWaiting(newest) && newest.metadata.uid === task.metadata.uid && !launches.isBinding(key)
      ? unscheduledStatus(newest, { reason, message }, timestamp(clock))
      : undefined,
  );
  since.delete(key);
  if (after !== undefined && gate.kind === 'Closed') {
    events.record(after, 'Warning', reason, message);
  }
  return {};
}

/** How long it may be as it is before that is said. */
const patienceMs = {
  AddressTaken: 0,
  ClaimPending: pendingPatienceMs,
  ReferenceMissing: referencePatienceMs,
  ReferenceUnusable: referencePatienceMs,
} as const;

function whatToSay(
  task: Task,
  gate: LaunchGate,
): { reason: string; message: string; patienceMs: number } | undefined {
  const scheduled = findCondition(task.status?.conditions, 'Scheduled');
  if (gate.kind === 'Closed') {
    const { reason, message } = gate;
    if (scheduled?.reason === reason && scheduled.message === message) return undefined;
    return { reason, message, patienceMs: patienceMs[reason] };
  }
  if (!saysClosed(task)) return undefined;
  const message = 'it has what it needs and waits for an agent';
  return { reason: 'Unschedulable', message, patienceMs: openPatienceMs };
}
