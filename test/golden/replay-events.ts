import type {
  AgentProcessIO,
  MasterEvent,
  Offer,
  SchedulerEvent,
  TaskStatus,
} from '../../proto/mesos/generated/messages.ts';
import { normal, stable } from './replay-normal.ts';

export type ReplayEvent = SchedulerEvent | MasterEvent | AgentProcessIO;

export interface TimedEvent {
  /** Milliseconds since the scenario began. */
  readonly t: number;
  readonly event: ReplayEvent;
}

/** False where other frameworks took part in the recording's cluster at the same time. */
export interface Comparison {
  readonly offeredResources: boolean;
}

/** The status in an UPDATE for the framework; subscribers of the operator API repeat it. */
export function statusOf(event: ReplayEvent): TaskStatus | undefined {
  return 'update' in event ? event.update.status : undefined;
}

export function offersOf(event: ReplayEvent): readonly Offer[] {
  return 'offers' in event ? (event.offers.offers ?? []) : [];
}

/** What must be the same in a recording and its replay: everything but ids, times and addresses. */
export function essence(event: ReplayEvent, { offeredResources }: Comparison): unknown {
  if ('update' in event) {
    return { type: event.type, status: essentialStatus(event.update.status, offeredResources) };
  }
  if ('task_updated' in event) {
    const { status, ...updated } = event.task_updated;
    const essential = essentialStatus(status, offeredResources);
    return normal({ type: event.type, ...updated, status: essential });
  }
  if ('offers' in event && !offeredResources) {
    const offers = offersOf(event).map((offer) => ({
      ...offer,
      resources: undefined,
      executor_ids: undefined,
    }));
    return normal({ type: event.type, offers });
  }
  return normal(event);
}

function essentialStatus(status: TaskStatus, offeredResources: boolean): unknown {
  const { healthy, check_status, container_status, message, ...rest } = status;
  const { reason, state } = status;
  // Which addresses a default executor's updates other than RUNNING carry is a race in Mesos: each
  // is filled in from the nested container as it is when the agent looks.
  const racy = container_status?.container_id?.parent !== undefined && state !== 'TASK_RUNNING';
  const { network_infos, executor_pid, ...container } = container_status ?? {};
  return normal({
    ...rest,
    ...(message === undefined
      ? {}
      : { message: offeredResources ? message : message.replace(/(than available ).*/, '$1') }),
    // Each repeats what the other check said last, which is a race between the two.
    ...(reason === 'REASON_TASK_CHECK_STATUS_UPDATED' ? {} : { healthy }),
    ...(reason === 'REASON_TASK_HEALTH_CHECK_STATUS_UPDATED' ? {} : { check_status }),
    ...(container_status === undefined
      ? {}
      : { container_status: racy ? container : { ...container, network_infos, executor_pid } }),
  });
}

function isOfCheck(reason: TaskStatus['reason']): reason is NonNullable<TaskStatus['reason']> {
  return (
    reason === 'REASON_TASK_CHECK_STATUS_UPDATED' ||
    reason === 'REASON_TASK_HEALTH_CHECK_STATUS_UPDATED'
  );
}

/** Events of one lane have an order of their own; those of different lanes are concurrent. */
export function laneOf(event: ReplayEvent): string {
  const status =
    statusOf(event) ?? ('task_updated' in event ? event.task_updated.status : undefined);
  if (status !== undefined) {
    const { task_id, reason } = status;
    // A task's check and health check run side by side.
    return `task ${task_id.value} ${isOfCheck(reason) ? reason : ''}`;
  }
  if ('failure' in event) {
    return `failure ${event.failure.executor_id?.value ?? ''}`;
  }
  return event.type === 'RESCIND' || event.type === 'OFFERS' ? 'offers' : (event.type ?? 'UNKNOWN');
}

/** Two events further apart than this in a recording must come in the same order in its replay. */
const concurrentMs = 600;

/** Pairs of events that the recording had clearly one after the other and the replay has not. */
export function misordered(
  recorded: readonly TimedEvent[],
  replayed: readonly TimedEvent[],
  comparison: Comparison,
): string[] {
  const position = positions(replayed, comparison);
  const at = positions(recorded, comparison);
  const problems: string[] = [];
  const keys = [...at.keys()];
  for (const [index, key] of keys.entries()) {
    for (const later of keys.slice(index + 1)) {
      const gap = (recorded[at.get(later) ?? 0]?.t ?? 0) - (recorded[at.get(key) ?? 0]?.t ?? 0);
      if (gap <= concurrentMs) continue;
      if ((position.get(key) ?? 0) > (position.get(later) ?? Infinity)) {
        problems.push(`${later}\n  came before\n${key}`);
      }
    }
  }
  return problems;
}

function positions(events: readonly TimedEvent[], comparison: Comparison): Map<string, number> {
  const seen = new Map<string, number>();
  const result = new Map<string, number>();
  for (const [index, { event }] of events.entries()) {
    if (event.type === 'HEARTBEAT') continue;
    // When what is offered depends on frameworks that the recording does not show.
    if (event.type === 'OFFERS' && !comparison.offeredResources) continue;
    const name = stable(essence(event, comparison));
    const count = seen.get(name) ?? 0;
    seen.set(name, count + 1);
    result.set(`${name} #${count}`, index);
  }
  return result;
}
