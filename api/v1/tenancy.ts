import type { FieldError } from '../machinery/errors.ts';
import { jsonEqual, valueAt, without, withValueAt } from '../machinery/json.ts';
import type { KubeObject } from '../machinery/metadata.ts';

/** On a Namespace: Unix users that its tasks may run as, with commas between; the first is the default. */
export const allowedUsersAnnotation = 'mesocosm.dev/allowed-users';

/** On a Namespace: the Mesos role whose resources its tasks take. */
export const roleAnnotation = 'mesocosm.dev/role';

/**
 * On a Job: which of `user` and `role` it was given by its namespace. They stand in its template as if
 * they had been submitted, so that a later change of the Namespace rolls nothing.
 */
export const givenTenancyAnnotation = 'mesocosm.dev/given-tenancy';

export const unixUser = /^[a-z_][a-z0-9_-]{0,31}$/;
/** As Mesos has it, but for characters that nobody uses: parts with slashes between. */
export const mesosRole = /^[A-Za-z0-9_][A-Za-z0-9_.-]*(\/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$/;

const fields = ['user', 'role'] as const;
export type TenancyField = (typeof fields)[number];

const annotationOf = { user: allowedUsersAnnotation, role: roleAnnotation } as const;
const specPath = ['spec', 'template', 'spec'];

/** What a namespace allows, the default first; undefined if it does not say. */
export function allowedIn(
  namespace: KubeObject | undefined,
  field: TenancyField,
): string[] | undefined {
  const text = namespace?.metadata.annotations?.[annotationOf[field]];
  const values = text?.split(',').map((value) => value.trim());
  const known = values?.filter((value) => value !== '') ?? [];
  return known.length === 0 ? undefined : known;
}

/** What is wrong with what an operator wrote on a Namespace. */
export function tenancyProblems({ metadata }: KubeObject): FieldError[] {
  const refuse = (name: string, why: string): FieldError => ({
    field: `metadata.annotations[${name}]`,
    message: `Invalid value: ${JSON.stringify(metadata.annotations?.[name])}: ${why}`,
    reason: 'FieldValueInvalid',
  });
  const { [allowedUsersAnnotation]: users, [roleAnnotation]: role } = metadata.annotations ?? {};
  const errors: FieldError[] = [];
  const names = users?.split(',').map((name) => name.trim()) ?? [];
  if (names.some((name) => !unixUser.test(name))) {
    errors.push(refuse(allowedUsersAnnotation, 'must be Unix users with commas between'));
  }
  if (role !== undefined && !mesosRole.test(role)) {
    errors.push(refuse(roleAnnotation, 'must be one Mesos role'));
  }
  return errors;
}

/**
 * The Job with what its namespace gives where it leaves user or role open. An update keeps what was
 * given; only a template that changes, and so rolls anyway, is given what it never had.
 */
export function withTenancy(
  job: KubeObject,
  stored: KubeObject | undefined,
  namespace: KubeObject | undefined,
): KubeObject {
  const before = stored?.metadata.annotations?.[givenTenancyAnnotation]?.split(',') ?? [];
  const rolls = stored === undefined || !jsonEqual(templateOf(job), templateOf(stored));
  const given: string[] = [];
  let next = job;
  for (const field of fields) {
    const path = [...specPath, field];
    const value = valueAt(job, path);
    const last = stored === undefined ? undefined : valueAt(stored, path);
    const wasGiven = before.includes(field) && last !== undefined;
    if (value !== undefined) {
      if (wasGiven && value === last) given.push(field);
      continue;
    }
    const gift = wasGiven ? last : rolls ? allowedIn(namespace, field)?.[0] : undefined;
    if (gift === undefined) continue;
    next = { ...next, ...withValueAt({ ...next }, path, gift) };
    given.push(field);
  }
  return marked(next, given);
}

/** What a Job or Task names that its namespace does not allow; `admitted` is not questioned again. */
export function tenancyRefusals(
  spec: { path: readonly string[]; object: KubeObject },
  admitted: readonly KubeObject[],
  namespace: { name: string; object: KubeObject | undefined },
): FieldError[] {
  return fields.flatMap((field): FieldError[] => {
    const value = valueAt(spec.object, [...spec.path, field]);
    if (typeof value !== 'string') return [];
    if (admitted.some((one) => pathsTo(field).some((path) => valueAt(one, path) === value))) {
      return [];
    }
    const allowed = allowedIn(namespace.object, field);
    if (allowed?.includes(value) === true) return [];
    const noun = field === 'user' ? 'tasks run as' : 'tasks take resources of the role';
    const which =
      allowed === undefined
        ? `names none: leave ${field} out, or ask an operator for the annotation ${annotationOf[field]}`
        : `allows ${allowed.join(', ')}`;
    return [
      {
        field: [...spec.path, field].join('.'),
        message: `${noun} ${JSON.stringify(value)}, but the namespace ${JSON.stringify(namespace.name)} ${which}`,
        reason: 'FieldValueForbidden',
      },
    ];
  });
}

/**
 * What a Task or JobRevision leaves open although its namespace does not: it would run as whom Mesos takes.
 * What the Job or revision that it was made from leaves open, too, was so before the namespace said it.
 */
export function tenancyOmissions(
  spec: { path: readonly string[]; object: KubeObject },
  admitted: readonly KubeObject[],
  namespace: { name: string; object: KubeObject | undefined },
): FieldError[] {
  return fields.flatMap((field): FieldError[] => {
    const allowed = allowedIn(namespace.object, field);
    if (allowed === undefined || valueAt(spec.object, [...spec.path, field]) !== undefined)
      return [];
    if (admitted.some((one) => pathsTo(field).every((path) => valueAt(one, path) === undefined))) {
      return [];
    }
    return [
      {
        field: [...spec.path, field].join('.'),
        message: `the namespace ${JSON.stringify(namespace.name)} allows ${allowed.join(', ')}: name one, or let a Job make the task`,
        reason: 'FieldValueForbidden',
      },
    ];
  });
}

/** Where a Job, a JobRevision or a Task has a field. */
function pathsTo(field: TenancyField): string[][] {
  return [
    [...specPath, field],
    ['spec', field],
  ];
}

function templateOf(job: KubeObject): unknown {
  return valueAt(job, ['spec', 'template']);
}

/** The annotation is the server's: what a client writes there counts for nothing. */
function marked(job: KubeObject, given: readonly string[]): KubeObject {
  const text = given.length === 0 ? undefined : given.join(',');
  const { annotations = {}, ...metadata } = job.metadata;
  if (annotations[givenTenancyAnnotation] === text) return job;
  const others = without(annotations, givenTenancyAnnotation);
  const next = text === undefined ? others : { ...others, [givenTenancyAnnotation]: text };
  const isEmpty = Object.keys(next).length === 0;
  return { ...job, metadata: isEmpty ? metadata : { ...metadata, annotations: next } };
}
