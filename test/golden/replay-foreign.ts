import type { ReplayEvent } from './replay-events.ts';

/** The frameworks that a recording subscribed, and so the replay has too. */
export function ownFrameworks(recorded: readonly ReplayEvent[]): ReadonlySet<string> {
  const ids = recorded.flatMap((event) => {
    if (!('subscribed' in event)) return [];
    return 'framework_id' in event.subscribed ? [event.subscribed.framework_id.value] : [];
  });
  return new Set(ids);
}

/**
 * A recorded value without what belongs to other frameworks of the recorded cluster: their tasks,
 * executors and roles. A list that held nothing else becomes `emptied`, or is left out.
 */
export function withoutForeign(
  value: unknown,
  own: ReadonlySet<string>,
  emptied: readonly [] | undefined,
  key = '',
): unknown {
  if (Array.isArray(value)) {
    return value
      .filter((item) => !isForeign(item, own, key))
      .map((item) => withoutForeign(item, own, emptied));
  }
  if (!isRecord(value)) return value;
  const entries = Object.entries(value).flatMap(([key, item]): [string, unknown][] => {
    const kept = withoutForeign(item, own, emptied, key);
    const isEmptied =
      Array.isArray(kept) && kept.length === 0 && Array.isArray(item) && item.length > 0;
    if (!isEmptied) return [[key, kept]];
    return emptied === undefined ? [] : [[key, emptied]];
  });
  return Object.fromEntries(entries);
}

function isForeign(item: unknown, own: ReadonlySet<string>, key: string): boolean {
  const id = isRecord(item) ? frameworkOf(item) : item;
  // Frameworks may have made up their ids.
  const isId = key.endsWith('frameworks') || (typeof id === 'string' && frameworkId.test(id));
  return typeof id === 'string' && isId && !own.has(id);
}

const frameworkId = /^[0-9a-f]{8}-.{27}-\d{4}$/;

/** The framework that a thing is, or belongs to; a role belongs to its only framework. */
function frameworkOf(item: Record<string, unknown>): unknown {
  const { framework_id, framework_info, executor_info, frameworks, id, value } = item;
  const listed: readonly unknown[] = Array.isArray(frameworks) ? frameworks : [];
  const [first, second] = listed;
  return (
    valueOf(framework_id) ??
    framework_id ??
    (isRecord(framework_info) ? valueOf(framework_info['id']) : undefined) ??
    (isRecord(executor_info) ? valueOf(executor_info['framework_id']) : undefined) ??
    (second === undefined ? (valueOf(first) ?? first) : undefined) ??
    id ??
    value
  );
}

function valueOf(id: unknown): unknown {
  return isRecord(id) ? id['value'] : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
