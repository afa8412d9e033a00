import { isObject, own, type JsonObject } from '../../machinery/json.ts';
import { CommandError } from '../errors.ts';

/** What becomes of the labels or annotations of an object: null takes one away. */
export type Changes = ReadonlyMap<string, string | null>;

/** Operands as kubectl takes them: objects first, then `KEY=VALUE` and `KEY-`. */
export function parsePairs(args: readonly string[]): { objects: string[]; changes: Changes } {
  const isChange = (arg: string): boolean => arg.includes('=') || /[^/]-$/.test(arg);
  const first = args.findIndex(isChange);
  const at = first < 0 ? args.length : first;
  const changes = new Map<string, string | null>();
  for (const arg of args.slice(at)) {
    if (!isChange(arg)) {
      throw new CommandError('usage', `"${arg}": name the objects before what is to be changed`);
    }
    const equals = arg.indexOf('=');
    const key = equals < 0 ? arg.slice(0, -1) : arg.slice(0, equals);
    if (key === '') throw new CommandError('usage', `"${arg}" has no key; write KEY=VALUE or KEY-`);
    if (changes.has(key)) throw new CommandError('usage', `"${key}" is given twice; remove one`);
    changes.set(key, equals < 0 ? null : arg.slice(equals + 1));
  }
  return { objects: args.slice(0, at), changes };
}

/** Labels or annotations of an object. */
export function mapOf(object: JsonObject, field: 'labels' | 'annotations'): JsonObject {
  const metadata = own(object, 'metadata');
  const map = isObject(metadata) ? own(metadata, field) : undefined;
  return isObject(map) ? map : {};
}

/** Keys that are to be given another value than they have. */
export function overwritten(present: JsonObject, changes: Changes): string[] {
  return [...changes].flatMap(([key, value]) => {
    const now = own(present, key);
    return value === null || now === undefined || now === value ? [] : [key];
  });
}

/** Keys that are to be taken away and are not there. */
export function absentees(present: JsonObject, changes: Changes): string[] {
  return [...changes].flatMap(([key, value]) =>
    value === null && own(present, key) === undefined ? [key] : [],
  );
}

/** What a label command has done, in kubectl's words. */
export function labelOutcome(present: JsonObject, changes: Changes): string {
  const effective = [...changes].filter(([key, value]) => (own(present, key) ?? null) !== value);
  if (effective.length === 0) return 'not labeled';
  return effective.every(([, value]) => value === null) ? 'unlabeled' : 'labeled';
}
