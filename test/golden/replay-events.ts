import type {
  ContainerStatus,
  Resource,
  SchedulerEvent,
  TaskStatus,
} from '../../proto/mesos/generated/messages.ts';

export interface TimedEvent {
  /** Milliseconds since the scenario began. */
  readonly t: number;
  readonly event: SchedulerEvent;
}

export interface Comparison {
  /**
   * Which addresses a default executor's updates other than RUNNING carry is a race in Mesos: each
   * is filled in from the nested container as it is when the agent looks.
   */
  readonly racyNetworks: (status: TaskStatus) => boolean;
  /** False where other frameworks took part in the recording's cluster at the same time. */
  readonly offeredResources: boolean;
}

/** What must be the same in a recording and its replay: everything but ids, times and addresses. */
export function essence(event: SchedulerEvent, comparison: Comparison): string {
  const { update, offers, failure, subscribed, error } = event;
  if (update !== undefined) return `UPDATE ${stable(statusOf(update.status, comparison))}`;
  if (offers !== undefined) {
    const list = (offers.offers ?? []).map((offer) => ({
      hostname: offer.hostname,
      url: offer.url,
      attributes: offer.attributes,
      role: offer.allocation_info,
      executors: comparison.offeredResources ? offer.executor_ids : undefined,
      resources: comparison.offeredResources ? resourcesOf(offer.resources) : undefined,
    }));
    return `OFFERS ${stable(list)}`;
  }
  if (failure !== undefined) {
    const { agent_id, executor_id, status } = failure;
    return `FAILURE ${stable({ agent: agent_id !== undefined, executor_id, status })}`;
  }
  if (subscribed !== undefined) {
    const { master_info } = subscribed;
    return `SUBSCRIBED ${stable({ ...subscribed, framework_id: undefined, master_info: { ...master_info, id: undefined } })}`;
  }
  return error === undefined ? String(event.type) : `ERROR ${error.message}`;
}

function statusOf(status: TaskStatus, comparison: Comparison): unknown {
  return {
    task: status.task_id.value,
    state: status.state,
    source: status.source,
    reason: status.reason,
    message: status.message === undefined ? undefined : messageFor(status.message, comparison),
    uuid: status.uuid !== undefined,
    agent: status.agent_id !== undefined,
    executor: status.executor_id?.value,
    // Each repeats what the other check said last, which is a race between the two.
    healthy: status.reason === 'REASON_TASK_CHECK_STATUS_UPDATED' ? undefined : status.healthy,
    check:
      status.reason === 'REASON_TASK_HEALTH_CHECK_STATUS_UPDATED' ? undefined : status.check_status,
    unreachable: status.unreachable_time !== undefined,
    limitation: status.limitation,
    timestamp: status.timestamp !== undefined,
    container:
      status.container_status === undefined
        ? undefined
        : containerOf(status.container_status, comparison.racyNetworks(status)),
  };
}

function messageFor(message: string, { offeredResources }: Comparison): string {
  const text = messageOf(message);
  return offeredResources ? text : text.replace(/(than available ).*/, '$1');
}

function containerOf(container: ContainerStatus, racy: boolean): unknown {
  const { container_id, network_infos, executor_pid } = container;
  return {
    id: container_id !== undefined,
    parent: container_id?.parent !== undefined,
    ...(racy
      ? {}
      : {
          pid: executor_pid !== undefined,
          // Mesos' order is that of a hash table, and another one after a restart.
          networks: (network_infos ?? [])
            .map(({ ip_addresses, ...network }) => ({
              ...network,
              addresses: (ip_addresses ?? []).map(({ protocol, ip_address }) => [
                protocol,
                ip_address?.includes('/'),
              ]),
            }))
            .sort((a, b) => ((a.name ?? '') < (b.name ?? '') ? -1 : 1)),
        }),
  };
}

/** JSON with keys in order. */
function stable(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}

const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** Ids are ids, and the kernel's memory statistics are the machine's. */
export function messageOf(message: string): string {
  return message
    .replace(uuid, 'ID')
    .replace(/ID-[OS]\d+/g, 'ID')
    .replace(/ID-\d{4}/g, 'ID')
    .replace(/(MEMORY STATISTICS: \n)[^]*/, '$1');
}

function resourcesOf(resources: readonly Resource[] | undefined): string[] {
  return (resources ?? []).map(({ name, scalar, ranges, allocation_info }) =>
    stable([name, scalar, ranges, allocation_info]),
  );
}

function isOfCheck(reason: TaskStatus['reason']): reason is NonNullable<TaskStatus['reason']> {
  return (
    reason === 'REASON_TASK_CHECK_STATUS_UPDATED' ||
    reason === 'REASON_TASK_HEALTH_CHECK_STATUS_UPDATED'
  );
}

/** Events of one lane have an order of their own; those of different lanes are concurrent. */
export function laneOf({ update, failure, type }: SchedulerEvent): string {
  if (update !== undefined) {
    const { task_id, reason } = update.status;
    // A task's check and health check run side by side.
    return `task ${task_id.value} ${isOfCheck(reason) ? reason : ''}`;
  }
  if (failure !== undefined) return `failure ${failure.executor_id?.value ?? ''}`;
  return type === 'RESCIND' || type === 'OFFERS' ? 'offers' : (type ?? 'UNKNOWN');
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
    const name = essence(event, comparison);
    const count = seen.get(name) ?? 0;
    seen.set(name, count + 1);
    result.set(`${name} #${count}`, index);
  }
  return result;
}
