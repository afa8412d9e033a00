import { z } from 'zod';
import { conditionSchema } from '../../machinery/conditions.ts';
import { isObject, type JsonObject } from '../../machinery/json.ts';
import type { KubeObject } from '../../machinery/metadata.ts';
import type { Event } from '../../v1/core.ts';
import { visible } from '../output/columns.ts';
import { yamlText } from '../output/objects.ts';
import { conditionsTable, eventsTable, head } from './common.ts';
import { section } from './text.ts';

const shownElsewhere = new Set(['apiVersion', 'kind', 'metadata', 'status']);
const conditionsSchema = z.array(conditionSchema);

/** An object of any kind: its head, its fields as YAML, its conditions and events. */
export function describeObject(
  object: KubeObject,
  document: JsonObject,
  events: readonly Event[],
  now: number,
): string[] {
  const status = isObject(document['status']) ? document['status'] : {};
  const known = conditionsSchema.safeParse(status['conditions']);
  const parts: [string, unknown][] = [
    ...Object.entries(presentable(document)).filter(([name]) => !shownElsewhere.has(name)),
    [
      'status',
      Object.fromEntries(Object.entries(status).filter(([name]) => name !== 'conditions')),
    ],
  ];
  return [
    ...head(object, now, []),
    ...parts.flatMap(([name, value]) => section(titleOf(name), yamlLines(value))),
    ...(known.success ? conditionsTable(known.data, now) : []),
    ...eventsTable(events, now, false),
  ];
}

/** A Secret tells how long its values are, and nothing of what they are. */
function presentable(document: JsonObject): JsonObject {
  const { apiVersion, kind, data } = document;
  if (apiVersion !== 'v1' || kind !== 'Secret' || !isObject(data)) return document;
  const sizes = Object.entries(data).map(([key, value]) => {
    const bytes = typeof value === 'string' ? Buffer.byteLength(value, 'base64') : 0;
    return [key, `${bytes} bytes`] as const;
  });
  return { ...document, data: Object.fromEntries(sizes) };
}

function yamlLines(value: unknown): string[] {
  const empty = value === undefined || (isObject(value) && Object.keys(value).length === 0);
  return empty ? [] : visible(yamlText(value)).trimEnd().split('\n');
}

function titleOf(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}
