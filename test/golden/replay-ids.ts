import type { OfferID, TaskStatus } from '../../proto/mesos/generated/messages.ts';
import { offersOf, statusOf, type ReplayEvent } from './replay-events.ts';

/** One run's events, of all its streams, as far as they are known. */
export type Run = readonly (readonly ReplayEvent[])[];

const named = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:-(?:[SO]\d+|\d{4}))?/g;

/** The ids of the recorded run that a text names: a whole text, or in the parts of a path. */
export function idsIn(recorded: Run, text: string): string[] {
  const parts = [text, ...(text.match(named) ?? [])];
  return [...new Set(parts)].filter((id) => correspondingId(recorded, recorded, id) !== undefined);
}

/**
 * Names of a recording and what they are called in the replay: the n-th offer of a stream, the
 * n-th update of a task and the containers in it, the framework of a stream and the n-th agent that
 * is offered correspond.
 */
export function correspondingId(recorded: Run, replayed: Run, id: string): string | undefined {
  for (const [index, events] of recorded.entries()) {
    const other = replayed[index] ?? [];
    if (frameworkOf(events) === id) return frameworkOf(other);
    for (const ids of [offerIds, inverseOfferIds]) {
      const at = ids(events).indexOf(id);
      if (at >= 0) return ids(other)[at];
    }
  }
  const events = recorded.flat();
  const others = replayed.flat();
  const agent = agentIds(events).indexOf(id);
  if (agent >= 0) return agentIds(others)[agent];
  for (const nameIn of [uuidIn, containerIn, parentIn]) {
    const status = statuses(events).find((candidate) => nameIn(candidate) === id);
    if (status === undefined) continue;
    const task = status.task_id.value;
    const at = namesOf(events, task, nameIn).indexOf(id);
    return namesOf(others, task, nameIn)[at];
  }
  return undefined;
}

function frameworkOf(events: readonly ReplayEvent[]): string | undefined {
  for (const event of events) {
    if (event.type !== 'SUBSCRIBED' || !('subscribed' in event)) continue;
    const { subscribed } = event;
    if ('framework_id' in subscribed) return subscribed.framework_id.value;
  }
  return undefined;
}

function offerIds(events: readonly ReplayEvent[]): string[] {
  return events.flatMap(offersOf).map(({ id }) => id.value);
}

function inverseOfferIds(events: readonly ReplayEvent[]): string[] {
  return events
    .flatMap((event) =>
      'inverse_offers' in event ? (event.inverse_offers.inverse_offers ?? []) : [],
    )
    .map(({ id }: { id: OfferID }) => id.value);
}

function agentIds(events: readonly ReplayEvent[]): string[] {
  return [...new Set(events.flatMap(offersOf).map(({ agent_id }) => agent_id.value))];
}

function statuses(events: readonly ReplayEvent[]): TaskStatus[] {
  return events.flatMap((event) => statusOf(event) ?? []);
}

const uuidIn = ({ uuid }: TaskStatus): string | undefined => uuid;
const containerIn = ({ container_status }: TaskStatus): string | undefined =>
  container_status?.container_id?.value;
const parentIn = ({ container_status }: TaskStatus): string | undefined =>
  container_status?.container_id?.parent?.value;

function namesOf(
  events: readonly ReplayEvent[],
  task: string,
  nameIn: (status: TaskStatus) => string | undefined,
): string[] {
  const names = statuses(events).flatMap((status) =>
    status.task_id.value === task ? (nameIn(status) ?? []) : [],
  );
  return [...new Set(names)];
}
