import type { Condition } from '../../machinery/conditions.ts';
import type { KubeObject } from '../../machinery/metadata.ts';
import type { Event } from '../../v1/core.ts';
import { lastAppliedAnnotation } from '../apply/last-applied.ts';
import { since } from '../../machinery/age.ts';
import { fields, pairs, tableSection, type Field } from './text.ts';

/** What every object has, at the head of its description. */
export function head(object: KubeObject, now: number, rest: readonly Field[]): string[] {
  const { metadata } = object;
  return fields([
    ['Name', metadata.name],
    ['Namespace', metadata.namespace],
    ['Kind', object.kind],
    ['Labels', pairs(metadata.labels)],
    ['Annotations', pairs(metadata.annotations, [lastAppliedAnnotation])],
    ['Created', `${metadata.creationTimestamp} (${since(metadata.creationTimestamp, now)} ago)`],
    ['Deleted', deletionOf(object, now)],
    ...rest,
  ]);
}

function deletionOf({ metadata }: KubeObject, now: number): string | undefined {
  const { deletionTimestamp, finalizers } = metadata;
  if (deletionTimestamp === undefined) return undefined;
  const held = (finalizers ?? []).join(', ') || 'nobody';
  return `${since(deletionTimestamp, now)} ago, held by ${held}`;
}

export function conditionsTable(
  conditions: readonly Condition[] | undefined,
  now: number,
): string[] {
  return tableSection(
    'Conditions',
    ['TYPE', 'STATUS', 'SINCE', 'REASON', 'MESSAGE'],
    (conditions ?? []).map(({ type, status, lastTransitionTime, reason, message }) => [
      type,
      status,
      since(lastTransitionTime, now),
      reason,
      message,
    ]),
  );
}

/** When an event happened last. */
export function eventTime(event: Event): string {
  return event.lastTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp;
}

/** Events, the oldest first; `withObject` for events of several objects. */
export function eventsTable(events: readonly Event[], now: number, withObject: boolean): string[] {
  const ordered = [...events].sort((left, right) =>
    eventTime(left) < eventTime(right) ? -1 : Number(eventTime(left) > eventTime(right)),
  );
  return tableSection(
    'Events',
    ['LAST SEEN', 'TYPE', 'REASON', ...(withObject ? ['OBJECT'] : []), 'MESSAGE'],
    ordered.map((event) => [
      since(eventTime(event), now) + ((event.count ?? 1) > 1 ? ` (x${event.count ?? 1})` : ''),
      event.type ?? '',
      event.reason ?? '',
      ...(withObject
        ? [`${(event.involvedObject.kind ?? '').toLowerCase()}/${event.involvedObject.name ?? ''}`]
        : []),
      event.message ?? '',
    ]),
  );
}
