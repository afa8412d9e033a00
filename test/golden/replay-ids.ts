import type { SchedulerEvent } from '../../proto/mesos/generated/messages.ts';

/** One run's events, of all its streams, as far as they are known. */
export interface Run {
  readonly streams: readonly (readonly SchedulerEvent[])[];
}

/**
 * Names of a recording and what they are called in the replay: the n-th offer of a stream, the
 * n-th update of a task, the framework of a stream and the agent of the first offer correspond.
 */
export function correspondingId(recorded: Run, replayed: Run, id: string): string | undefined {
  for (const [index, events] of recorded.streams.entries()) {
    const other = replayed.streams[index] ?? [];
    if (frameworkOf(events) === id) return frameworkOf(other);
    const offer = offersOf(events).findIndex((candidate) => candidate.id.value === id);
    if (offer >= 0) return offersOf(other)[offer]?.id.value;
  }
  const events = recorded.streams.flat();
  const others = replayed.streams.flat();
  if (agentOf(events) === id) return agentOf(others);
  const status = events.find(({ update }) => update?.status.uuid === id)?.update?.status;
  if (status === undefined) return undefined;
  const task = status.task_id.value;
  return uuidsOf(others, task)[uuidsOf(events, task).indexOf(id)];
}

/** True for what a recording calls something: what is not is passed on as it is. */
export function isRecordedId(recorded: Run, text: string): boolean {
  return correspondingId(recorded, recorded, text) !== undefined;
}

function frameworkOf(events: readonly SchedulerEvent[]): string | undefined {
  return events.find(({ subscribed }) => subscribed !== undefined)?.subscribed?.framework_id.value;
}

function offersOf(events: readonly SchedulerEvent[]) {
  return events.flatMap(({ offers }) => offers?.offers ?? []);
}

function agentOf(events: readonly SchedulerEvent[]): string | undefined {
  return offersOf(events)[0]?.agent_id.value;
}

function uuidsOf(events: readonly SchedulerEvent[], task: string): string[] {
  const uuids = events.flatMap(({ update }) =>
    update?.status.task_id.value === task ? (update.status.uuid ?? []) : [],
  );
  return [...new Set(uuids)];
}
