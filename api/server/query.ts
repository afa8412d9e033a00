import type { FieldError } from '../machinery/errors.ts';
import { isObject } from '../machinery/json.ts';
import {
  parseFieldSelector,
  parseLabelSelector,
  SelectorError,
  type FieldRequirement,
  type Requirements,
} from '../machinery/selectors.ts';
import { badRequest, invalidOptions } from './errors.ts';
import type { FieldValidation } from './registry/context.ts';
import type { DeleteOptions } from './registry/deletion.ts';
import { labelValueErrors, qualifiedNameErrors } from './registry/names.ts';

/** The query of a request; the first value of a parameter counts, except where said. */
export type Query = URLSearchParams;

/** Kubernetes' reading of booleans: absent, 0 and false are false, everything else is true. */
export function flag(query: Query, name: string): boolean {
  const value = query.get(name);
  return value !== null && value !== '0' && value.toLowerCase() !== 'false';
}

export function text(query: Query, name: string): string | undefined {
  const value = query.get(name);
  return value === null || value === '' ? undefined : value;
}

/** A whole number that is no less than `least`; undefined if absent. Throws 400. */
function wholeNumber(query: Query, name: string): number | undefined {
  const value = text(query, name);
  if (value === undefined) return undefined;
  if (/^-?\d{1,15}$/.test(value)) return Number(value);
  throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(value)}: invalid syntax`);
}

/** A resourceVersion: undefined if absent, else a whole number. Throws 400. */
export function parseResourceVersion(value: string | undefined): number | undefined {
  if (value === undefined || value === '') return undefined;
  if (/^\d{1,15}$/.test(value)) return Number(value);
  throw badRequest(
    `resourceVersion: Invalid value: ${JSON.stringify(value)}: strconv.ParseUint: parsing ${JSON.stringify(value)}: invalid syntax`,
  );
}

export type VersionMatch = 'Exact' | 'NotOlderThan';

/** What both lists and watches select by. */
export interface Selection {
  labels: Requirements;
  fields: readonly FieldRequirement[];
}

export interface ListOptions extends Selection {
  resourceVersion: number | undefined;
  match: VersionMatch | undefined;
  /** 0: no limit. */
  limit: number;
  continueToken: string | undefined;
}

export interface WatchOptions extends Selection {
  resourceVersion: number | undefined;
  /**
   * The present state comes first, as ADDED, and then a bookmark that says so: no older than
   * `resourceVersion`, any if that is 0, the newest if absent. Without it the changes after
   * `resourceVersion` come, or from now on if that is 0 or absent.
   */
  initialEvents: boolean;
  allowBookmarks: boolean;
  timeoutSeconds: number | undefined;
}

/** The longest watch that a client may ask for, in seconds. */
const maxTimeoutSeconds = 86_400;

/** Every object of a list is held against each requirement. */
const maxRequirements = 256;

/** Runs of spaces mean no more than one, and cost the parser more. */
function selector(query: Query, name: string): string {
  return (text(query, name) ?? '').replace(/\s+/g, ' ');
}

export function parseSelection(query: Query): Selection {
  try {
    const labels = parseLabelSelector(selector(query, 'labelSelector'));
    const fields = parseFieldSelector(selector(query, 'fieldSelector'));
    if (labels.length + fields.length > maxRequirements) {
      throw badRequest(`a selector may have ${maxRequirements} requirements`);
    }
    for (const requirement of labels) checkLabelRequirement(requirement.key, requirement.values);
    return { labels, fields };
  } catch (error) {
    if (error instanceof SelectorError) throw badRequest(error.message);
    throw error;
  }
}

function checkLabelRequirement(key: string, values: readonly string[]): void {
  const [wrongKey] = qualifiedNameErrors(key);
  if (wrongKey !== undefined) {
    throw badRequest(
      `unable to parse requirement: invalid label key ${JSON.stringify(key)}: ${wrongKey}`,
    );
  }
  for (const value of values) {
    const [wrong] = labelValueErrors(value);
    if (wrong !== undefined) {
      throw badRequest(
        `unable to parse requirement: invalid label value: ${JSON.stringify(value)}: at key: ${JSON.stringify(key)}: ${wrong}`,
      );
    }
  }
}

export function parseListOptions(query: Query): ListOptions {
  const resourceVersion = parseResourceVersion(text(query, 'resourceVersion'));
  const match = parseMatch(query, resourceVersion);
  const continueToken = text(query, 'continue');
  if (query.has('sendInitialEvents')) {
    throw invalidOptions('ListOptions', {
      field: 'sendInitialEvents',
      message: 'Forbidden: sendInitialEvents is forbidden for list',
      reason: 'FieldValueForbidden',
    });
  }
  if (continueToken !== undefined && resourceVersion !== undefined && resourceVersion !== 0) {
    throw badRequest('specifying resource version is not allowed when using continue');
  }
  return {
    ...parseSelection(query),
    resourceVersion,
    match,
    limit: Math.max(0, wholeNumber(query, 'limit') ?? 0),
    continueToken,
  };
}

function parseMatch(query: Query, resourceVersion: number | undefined): VersionMatch | undefined {
  const value = text(query, 'resourceVersionMatch');
  const refuse = (message: string, reason: 'FieldValueForbidden' | 'FieldValueNotSupported') =>
    invalidOptions('ListOptions', { field: 'resourceVersionMatch', message, reason });
  if (value === undefined) return undefined;
  if (resourceVersion === undefined) {
    throw refuse(
      'Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided',
      'FieldValueForbidden',
    );
  }
  if (text(query, 'continue') !== undefined) {
    throw refuse(
      'Forbidden: resourceVersionMatch is forbidden when continue is provided',
      'FieldValueForbidden',
    );
  }
  if (value !== 'Exact' && value !== 'NotOlderThan') {
    throw refuse(
      `Unsupported value: ${JSON.stringify(value)}: supported values: "Exact", "NotOlderThan", ""`,
      'FieldValueNotSupported',
    );
  }
  if (value === 'Exact' && resourceVersion === 0) {
    throw refuse(
      'Forbidden: resourceVersionMatch "Exact" is forbidden for resourceVersion "0"',
      'FieldValueForbidden',
    );
  }
  return value;
}

/** Kubernetes' rules for the options of a watch, WatchList among them. Throws 400, 422. */
export function parseWatchOptions(query: Query): WatchOptions {
  const errors = watchErrors(query);
  if (errors.length > 0) throw invalidOptions('ListOptions', ...errors);
  const timeout = wholeNumber(query, 'timeoutSeconds');
  const resourceVersion = parseResourceVersion(text(query, 'resourceVersion'));
  return {
    ...parseSelection(query),
    resourceVersion,
    initialEvents: query.has('sendInitialEvents')
      ? flag(query, 'sendInitialEvents')
      : resourceVersion === undefined || resourceVersion === 0,
    allowBookmarks: flag(query, 'allowWatchBookmarks'),
    timeoutSeconds:
      timeout === undefined || timeout <= 0 ? undefined : Math.min(timeout, maxTimeoutSeconds),
  };
}

function watchErrors(query: Query): FieldError[] {
  const match = text(query, 'resourceVersionMatch');
  const initial = query.has('sendInitialEvents');
  const errors: FieldError[] = [];
  const forbid = (why: string): void => {
    errors.push({
      field: 'resourceVersionMatch',
      message: `Forbidden: ${why}`,
      reason: 'FieldValueForbidden',
    });
  };
  if (initial && match !== 'NotOlderThan') {
    forbid('sendInitialEvents requires setting resourceVersionMatch to NotOlderThan');
  }
  if (match === undefined) return errors;
  if (!initial) {
    forbid('resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided');
  }
  if (match !== 'NotOlderThan') {
    errors.push({
      field: 'resourceVersionMatch',
      message: `Unsupported value: ${JSON.stringify(match)}: supported values: "NotOlderThan"`,
      reason: 'FieldValueNotSupported',
    });
  }
  if (text(query, 'continue') !== undefined) {
    forbid('resourceVersionMatch is forbidden when continue is provided');
  }
  return errors;
}

/** Whether the request asks for a rehearsal. Any value but All is refused with 422. */
export function parseDryRun(values: readonly string[], optionsKind: string): boolean {
  const given = values.filter((value) => value !== '');
  if (given.every((value) => value === 'All')) return given.length > 0;
  const shown = given.map((value) => JSON.stringify(value)).join(', ');
  throw invalidOptions(optionsKind, {
    field: 'dryRun',
    message: `Unsupported value: []string{${shown}}: supported values: "All"`,
    reason: 'FieldValueNotSupported',
  });
}

export function parseFieldValidation(query: Query, optionsKind: string): FieldValidation {
  const value = text(query, 'fieldValidation') ?? 'Warn';
  if (value === 'Strict' || value === 'Warn' || value === 'Ignore') return value;
  throw invalidOptions(optionsKind, {
    field: 'fieldValidation',
    message: `Unsupported value: ${JSON.stringify(value)}: supported values: "Ignore", "Strict", "Warn"`,
    reason: 'FieldValueNotSupported',
  });
}

const maxManagerLength = 128;

/** The name under which the client wants its fields to be remembered. Throws 422. */
export function parseFieldManager(query: Query, optionsKind: string): string | undefined {
  const value = query.get('fieldManager') ?? '';
  if (value.length > maxManagerLength || !/^[\x20-\x7e]*$/.test(value)) {
    throw invalidOptions(optionsKind, {
      field: 'fieldManager',
      message: `Invalid value: ${JSON.stringify(value.slice(0, maxManagerLength))}: must be at most ${maxManagerLength} printable characters`,
      reason: 'FieldValueInvalid',
    });
  }
  return value === '' ? undefined : value;
}

/** An apply must name its manager. Throws 422. */
export function requireFieldManager(query: Query): void {
  if (parseFieldManager(query, 'PatchOptions') !== undefined) return;
  throw invalidOptions('PatchOptions', {
    field: 'fieldManager',
    message: 'Required value: is required for apply patch',
    reason: 'FieldValueRequired',
  });
}

/** The manager of a client that names none: what it calls itself, up to the slash. */
export function managerOf(userAgent: string | undefined): string {
  const [name = ''] = (userAgent ?? '').split('/', 1);
  const printable = name.replace(/[^\x20-\x7e]/g, '').slice(0, maxManagerLength);
  return printable === '' ? 'unknown' : printable;
}

/** Whether an apply takes fields from their owners; nothing else may say it. Throws 422. */
export function parseForce(query: Query, apply: boolean): boolean {
  if (!apply && query.has('force')) {
    throw invalidOptions('PatchOptions', {
      field: 'force',
      message: 'Forbidden: may not be specified for non-apply patch',
      reason: 'FieldValueForbidden',
    });
  }
  return flag(query, 'force');
}

export type ParsedDeleteOptions = DeleteOptions & { dryRun: boolean };

/** DeleteOptions come in the body, in the query, or both; the body counts where it speaks. */
export function parseDeleteOptions(body: unknown, query: Query): ParsedDeleteOptions {
  if (body !== undefined && body !== null && !isObject(body)) {
    throw badRequest('the body of a delete must be DeleteOptions');
  }
  const given = isObject(body) ? body : {};
  const kind = given['kind'];
  if (kind !== undefined && kind !== 'DeleteOptions' && kind !== '') {
    throw badRequest(`the body of a delete must be DeleteOptions, not ${JSON.stringify(kind)}`);
  }
  const bodyDryRun = Array.isArray(given['dryRun']) ? given['dryRun'].map(String) : [];
  const policy = policyOf(given, query);
  const preconditions = preconditionsOf(given['preconditions']);
  return {
    dryRun: parseDryRun([...bodyDryRun, ...query.getAll('dryRun')], 'DeleteOptions'),
    ...(policy === undefined ? {} : { propagationPolicy: policy }),
    ...(preconditions === undefined ? {} : { preconditions }),
  };
}

function policyOf(
  given: Readonly<Record<string, unknown>>,
  query: Query,
): DeleteOptions['propagationPolicy'] {
  const policy = given['propagationPolicy'] ?? text(query, 'propagationPolicy') ?? '';
  const orphan = given['orphanDependents'] ?? text(query, 'orphanDependents') ?? '';
  if (policy === '') {
    if (orphan === '') return undefined;
    return orphan === true || orphan === 'true' ? 'Orphan' : 'Background';
  }
  if (orphan !== '') {
    throw invalidOptions('DeleteOptions', {
      field: 'propagationPolicy',
      message: `Invalid value: ${JSON.stringify(policy)}: orphanDependents and deletionPropagation cannot be both set`,
      reason: 'FieldValueInvalid',
    });
  }
  if (policy === 'Background' || policy === 'Foreground' || policy === 'Orphan') return policy;
  throw invalidOptions('DeleteOptions', {
    field: 'propagationPolicy',
    message: `Unsupported value: ${JSON.stringify(policy)}: supported values: "Foreground", "Background", "Orphan", "nil"`,
    reason: 'FieldValueNotSupported',
  });
}

function preconditionsOf(given: unknown): DeleteOptions['preconditions'] {
  if (!isObject(given)) return undefined;
  const { uid, resourceVersion } = given;
  return {
    ...(typeof uid === 'string' && uid !== '' ? { uid } : {}),
    ...(typeof resourceVersion === 'string' && resourceVersion !== '' ? { resourceVersion } : {}),
  };
}
