import type { z } from 'zod';
import type { FieldError } from '../machinery/errors.ts';
import { isObject, jsonEqual } from '../machinery/json.ts';
import type { KubeObject } from '../machinery/metadata.ts';
import type { Resource } from '../machinery/resource.ts';
import { eventColumns, eventFields, eventResource, type EventFields } from './core.ts';
import { defineResource } from './zod-resource.ts';

/** events.k8s.io/v1: the Events of the core group by the names that newer recorders use. */

const fields = {
  eventTime: eventFields.eventTime,
  series: eventFields.series,
  reportingController: eventFields.reportingComponent,
  reportingInstance: eventFields.reportingInstance,
  action: eventFields.action,
  reason: eventFields.reason,
  regarding: eventFields.involvedObject,
  related: eventFields.related,
  note: eventFields.message,
  type: eventFields.type,
  deprecatedSource: eventFields.source,
  deprecatedFirstTimestamp: eventFields.firstTimestamp,
  deprecatedLastTimestamp: eventFields.lastTimestamp,
  deprecatedCount: eventFields.count,
};

export interface EventsEvent extends KubeObject, z.infer<z.ZodObject<typeof fields>> {
  apiVersion: 'events.k8s.io/v1';
  kind: 'Event';
}

/** Fields of the core group, and what they are called here. */
const renamed: readonly (readonly [core: string, here: string])[] = [
  ['involvedObject', 'regarding'],
  ['message', 'note'],
  ['reportingComponent', 'reportingController'],
  ['source', 'deprecatedSource'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
];
const fromCore = new Map(renamed);
const toCore = new Map(renamed.map(([core, here]) => [here, core]));

/** An Event of the core group as this group shows it. Who owns a field owns it by either name. */
export function eventOfCore(stored: KubeObject): KubeObject {
  const dated = { eventTime: null, ...stored };
  return inVersion(dated, 'events.k8s.io/v1', fromCore);
}

/** An Event of this group as the core group shows, and stores, it. */
export function coreEventOf(event: KubeObject): KubeObject {
  return inVersion(event, 'v1', toCore);
}

type Names = ReadonlyMap<string, string>;

function inVersion(object: KubeObject, apiVersion: string, names: Names): KubeObject {
  const { kind, metadata } = object;
  const { managedFields } = metadata;
  const owners = managedFields?.map(({ fieldsV1, ...entry }) => ({
    ...entry,
    apiVersion,
    ...(isObject(fieldsV1) ? { fieldsV1: withNames(fieldsV1, names, 'f:') } : {}),
  }));
  return {
    ...withNames(object, names, ''),
    apiVersion,
    kind,
    metadata: owners === undefined ? metadata : { ...metadata, managedFields: owners },
  };
}

function withNames(object: object, names: Names, prefix: string): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(object).map(([key, value]: [string, unknown]) => {
      const name = names.get(key.slice(prefix.length));
      return [name === undefined || !key.startsWith(prefix) ? key : prefix + name, value];
    }),
  );
}

function asCoreFields(event: EventsEvent): EventFields {
  return {
    involvedObject: event.regarding,
    reason: event.reason,
    message: event.note,
    source: event.deprecatedSource,
    firstTimestamp: event.deprecatedFirstTimestamp,
    lastTimestamp: event.deprecatedLastTimestamp,
    count: event.deprecatedCount,
    type: event.type,
    eventTime: event.eventTime,
    series: event.series,
  };
}

export const eventsEventResource: Resource<EventsEvent> = {
  ...defineResource<EventsEvent>({
    group: 'events.k8s.io',
    version: 'v1',
    kind: 'Event',
    plural: 'events',
    shortNames: ['ev'],
    namespaced: true,
    fieldOwners: 'OnceApplied',
    strategicMerge: true,
    unknownFields: 'prune',
    ...(eventResource.ttlSeconds === undefined ? {} : { ttlSeconds: eventResource.ttlSeconds }),
    description: 'A report of something that happened to an object; kept for an hour.',
    fields,
    columns: eventColumns(asCoreFields),
    selectableFields: {
      'regarding.kind': ({ regarding }) => regarding.kind ?? '',
      'regarding.namespace': ({ regarding }) => regarding.namespace ?? '',
      'regarding.name': ({ regarding }) => regarding.name ?? '',
      'regarding.uid': ({ regarding }) => regarding.uid ?? '',
      'regarding.apiVersion': ({ regarding }) => regarding.apiVersion ?? '',
      'regarding.resourceVersion': ({ regarding }) => regarding.resourceVersion ?? '',
      'regarding.fieldPath': ({ regarding }) => regarding.fieldPath ?? '',
      reason: (event) => event.reason ?? '',
      reportingController: (event) => event.reportingController ?? '',
      type: (event) => event.type ?? '',
    },
    validate: (event, { old }) =>
      old === undefined ? newEventErrors(event) : changedEventErrors(event, old),
  }),
  storageGroup: eventResource.gvk.group,
};

/** What newer recorders must say, and what only older ones may. */
function newEventErrors(event: EventsEvent): FieldError[] {
  const errors = [...timeErrors('eventTime', event.eventTime), ...reporterErrors(event)];
  if (event.type !== 'Normal' && event.type !== 'Warning') {
    errors.push(wrong('type', `${JSON.stringify(event.type ?? '')}: must be Normal or Warning`));
  }
  const { component = '', host = '' } = event.deprecatedSource ?? {};
  const old = {
    deprecatedFirstTimestamp: event.deprecatedFirstTimestamp ?? '',
    deprecatedLastTimestamp: event.deprecatedLastTimestamp ?? '',
    deprecatedCount: event.deprecatedCount ?? 0,
    deprecatedSource: component + host,
  };
  for (const [field, value] of Object.entries(old)) {
    if (value !== '' && value !== 0) {
      errors.push(wrong(field, `${JSON.stringify(value)}: needs to be unset`));
    }
  }
  return [...errors, ...seriesErrors(event)];
}

/** An Event is what it was; only its series goes on. What older recorders wrote need not be complete. */
function changedEventErrors(event: EventsEvent, old: KubeObject): FieldError[] {
  const after = new Map<string, unknown>(Object.entries(event));
  const before = new Map<string, unknown>(Object.entries(old));
  const changed = Object.keys(fields).filter((name) => {
    if (name === 'series') return false;
    const [now, then] = [after.get(name), before.get(name)];
    return name === 'eventTime' ? !sameTime(now, then) : !jsonEqual(given(now), given(then));
  });
  return [
    ...((event.eventTime ?? null) === null ? [] : reporterErrors(event)),
    ...changed.map((name) => wrong(name, 'field is immutable')),
    ...(jsonEqual(event.series ?? null, before.get('series') ?? null) ? [] : seriesErrors(event)),
  ];
}

function reporterErrors(event: EventsEvent): FieldError[] {
  const controller = event.reportingController ?? '';
  const note = event.note ?? '';
  return [
    ...(controller === '' ? [missing('reportingController')] : []),
    ...(controller === '' || qualifiedName.test(controller)
      ? []
      : [
          wrong(
            'reportingController',
            `${JSON.stringify(controller)}: must be a qualified name, such as example.com/controller`,
          ),
        ]),
    ...(['reportingInstance', 'action', 'reason'] as const).flatMap((name) => {
      const value = event[name] ?? '';
      if (value === '') return [missing(name)];
      return value.length > 128 ? [wrong(name, 'can have at most 128 characters')] : [];
    }),
    ...(Buffer.byteLength(note) > 1024 ? [wrong('note', 'can have at most 1024 characters')] : []),
  ];
}

function seriesErrors({ series }: EventsEvent): FieldError[] {
  if (series === undefined) return [];
  const { count = 0 } = series;
  return [
    ...(count < 2 ? [wrong('series.count', `${count}: should be at least 2`)] : []),
    ...timeErrors('series.lastObservedTime', series.lastObservedTime),
  ];
}

/** An optional DNS subdomain and a name, as keys of labels are. */
const qualifiedName =
  /^(?=.{1,317}$)([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

function timeErrors(field: string, time: string | null | undefined): FieldError[] {
  if (time === undefined || time === null) return [missing(field)];
  return rfc3339.test(time)
    ? []
    : [wrong(field, `${JSON.stringify(time)}: must be an RFC 3339 time`)];
}

/** Clients send some of what is absent as empty. */
function given(value: unknown): unknown {
  return value === '' || value === 0 || jsonEqual(value, {}) ? null : (value ?? null);
}

/** Clients write the times that they have read with six digits after the point. */
function sameTime(one: unknown, other: unknown): boolean {
  return microseconds(one) === microseconds(other);
}

function microseconds(time: unknown): unknown {
  const parts = typeof time === 'string' ? /^(.{19})(?:\.(\d+))?(.+)$/.exec(time) : null;
  if (parts === null) return time ?? null;
  const [, second = '', fraction = '', zone = ''] = parts;
  return `${second}.${fraction.slice(0, 6).padEnd(6, '0')}${zone}`;
}

function missing(field: string): FieldError {
  return { field, message: 'Required value', reason: 'FieldValueRequired' };
}

function wrong(field: string, why: string): FieldError {
  return { field, message: `Invalid value: ${why}`, reason: 'FieldValueInvalid' };
}
