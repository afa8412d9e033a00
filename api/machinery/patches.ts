import jsonPatch from 'fast-json-patch';
import { z } from 'zod';
import { isObject, jsonClone, own, type JsonObject } from './json.ts';

/**
 * `malformed`: the patch is not a patch. `rejected`: it does not apply to this document.
 * `too-large`: a bound was passed.
 */
export class PatchError extends Error {
  override readonly name = 'PatchError';
  readonly code: 'malformed' | 'rejected' | 'too-large';

  constructor(code: PatchError['code'], message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** Bounds of one JSON patch; bytes are of JSON text. */
export interface JsonPatchLimits {
  operations: number;
  bytes: number;
  /** Sum over all `copy` operations, so that doubling an array ten times ends early. */
  copiedBytes: number;
  /** Levels of the document that comes of it, whose managedFields are a few deeper than the rest. */
  depth: number;
}

export const defaultJsonPatchLimits: JsonPatchLimits = {
  operations: 1_000,
  bytes: 1 << 20,
  copiedBytes: 3 << 20,
  depth: 128,
};

const pointer = z.string().regex(/^(?:\/|$)/, 'must be empty or start with "/"');
const operationSchema = z.discriminatedUnion('op', [
  z.object({ op: z.literal('add'), path: pointer, value: z.unknown() }),
  z.object({ op: z.literal('replace'), path: pointer, value: z.unknown() }),
  z.object({ op: z.literal('test'), path: pointer, value: z.unknown() }),
  z.object({ op: z.literal('remove'), path: pointer }),
  z.object({ op: z.literal('move'), path: pointer, from: pointer }),
  z.object({ op: z.literal('copy'), path: pointer, from: pointer }),
]);
type Operation = z.infer<typeof operationSchema>;

/**
 * `document` after an RFC 6902 patch, all of it or none: the argument is not touched. Throws PatchError.
 * fast-json-patch alone would pass missing targets, walk prototypes and leave a half-changed document.
 */
export function applyJsonPatch(
  document: JsonObject,
  patch: unknown,
  limits: JsonPatchLimits = defaultJsonPatchLimits,
): JsonObject {
  const operations = parseOperations(patch, limits);
  let result = jsonClone(document);
  let copied = 0;
  for (const [index, operation] of operations.entries()) {
    rejecting(operation, index, () => {
      checkPointers(result, operation);
    });
    if (operation.op === 'copy') {
      copied += JSON.stringify(jsonPatch.getValueByPointer(result, operation.from)).length;
      if (copied > limits.copiedBytes) {
        throw new PatchError(
          'too-large',
          `the patch copies more than ${limits.copiedBytes} bytes in all`,
        );
      }
    }
    result = rejecting(operation, index, () => applyOne(result, operation));
  }
  if (isDeeper(result, limits.depth)) {
    throw new PatchError('too-large', `the patch nests deeper than ${limits.depth} levels`);
  }
  if (!isObject(result) || typeof result['kind'] !== 'string') {
    throw new PatchError('rejected', 'the patch leaves no object with apiVersion and kind');
  }
  if (typeof result['apiVersion'] !== 'string') {
    throw new PatchError('rejected', 'the patch leaves no object with apiVersion and kind');
  }
  return result;
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((child) => isDeeper(child, levels - 1));
}

function parseOperations(patch: unknown, limits: JsonPatchLimits): Operation[] {
  if (!Array.isArray(patch)) {
    throw new PatchError('malformed', 'a JSON patch must be a list of operations');
  }
  if (patch.length > limits.operations) {
    throw new PatchError('too-large', `a JSON patch may have ${limits.operations} operations`);
  }
  if (JSON.stringify(patch).length > limits.bytes) {
    throw new PatchError('too-large', `a JSON patch may have ${limits.bytes} bytes`);
  }
  return patch.map((operation: unknown, index) => {
    const parsed = operationSchema.safeParse(operation);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    const where = issue === undefined ? '' : `${issue.path.join('.')}: ${issue.message}`;
    throw new PatchError('rejected', `operation ${index} is not one of RFC 6902: ${where}`);
  });
}

/** A refusal says which operation it is about, counted from 0 as RFC 6901 counts. */
function rejecting<T>({ op }: Operation, index: number, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof PatchError) || error.code !== 'rejected') throw error;
    throw new PatchError('rejected', `operation ${index} (${op}): ${error.message}`, error);
  }
}

function applyOne(document: unknown, operation: Operation): unknown {
  try {
    const value: unknown = 'value' in operation ? jsonClone(operation.value) : undefined;
    const given: jsonPatch.Operation =
      'value' in operation ? { ...operation, value } : { ...operation };
    return jsonPatch.applyOperation<unknown>(document, given, true, true).newDocument;
  } catch (error) {
    const text = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    const path = quoted(operation.path);
    const why =
      operation.op === 'test'
        ? `${path} does not have the value that is tested for`
        : `does not apply at ${path}: ${text}`;
    throw new PatchError('rejected', why, error);
  }
}

/** A path as it is named in refusals, cut where it says no more. */
function quoted(path: string): string {
  return path.length <= 200 ? `"${path}"` : `"${path.slice(0, 200)}…"`;
}

const dangerous = new Set(['__proto__', 'constructor', 'prototype']);

/** Every step but the last must be an own property; so must the last where something is read. */
function checkPointers(document: unknown, operation: Operation): void {
  checkPointer(document, operation.path, operation.op !== 'add' && !('from' in operation));
  if ('from' in operation) {
    checkPointer(document, operation.from, true);
    if (operation.op === 'move' && `${operation.path}/`.startsWith(`${operation.from}/`)) {
      if (operation.path !== operation.from) {
        throw new PatchError('rejected', `cannot move ${quoted(operation.from)} into itself`);
      }
    }
  }
}

function checkPointer(document: unknown, text: string, mustExist: boolean): void {
  const steps = text.split('/').slice(1);
  const segments = steps.map(jsonPatch.unescapePathComponent);
  let value = document;
  for (const [index, segment] of segments.entries()) {
    const within = index === 0 ? 'the object' : quoted(`/${steps.slice(0, index).join('/')}`);
    const reject = (why: string): PatchError =>
      new PatchError('rejected', `path ${quoted(text)} ${why}`);
    if (dangerous.has(segment)) throw reject(`names the forbidden key "${segment}"`);
    const last = index === segments.length - 1;
    if (Array.isArray(value)) {
      const at = arrayIndex(value, segment, last);
      if (at === undefined) {
        throw reject(`has no list index ${quoted(segment)}: ${within} has ${value.length} items`);
      }
      value = (value as unknown[])[at];
    } else if (isObject(value)) value = own(value, segment);
    else throw reject(`does not exist: ${within} has no fields`);
    if (value === undefined && (!last || mustExist)) {
      throw reject(`does not exist: ${within} has no ${quoted(segment)}`);
    }
  }
}

/** Undefined for what is no index, or lies beyond the place after the last item. */
function arrayIndex(array: unknown[], segment: string, last: boolean): number | undefined {
  if (segment === '-' && last) return array.length;
  if (!/^(?:0|[1-9]\d{0,8})$/.test(segment) || Number(segment) > array.length) return undefined;
  return Number(segment);
}

/** RFC 7386. Returns new objects where something changes; shares the rest with its arguments. */
export function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result: JsonObject = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (key === '__proto__' || value === undefined) continue;
    if (value === null) Reflect.deleteProperty(result, key);
    else result[key] = applyMergePatch(own(result, key), value);
  }
  return result;
}
