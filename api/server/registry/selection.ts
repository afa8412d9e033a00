import type { KubeObject } from '../../machinery/metadata.ts';
import type { Resource } from '../../machinery/resource.ts';
import { matches } from '../../machinery/selectors.ts';
import { badRequest } from '../errors.ts';
import type { Selection } from '../query.ts';

/** Selectors compiled for one kind. */
export interface Matcher {
  matches(object: KubeObject): boolean;
  /** Nothing is filtered out: counts of keys are counts of objects. */
  readonly all: boolean;
  /** The only name that can match, if the fields say so. */
  readonly name: string | undefined;
}

/** Throws 400 for a field that the kind does not select by. */
export function matcherOf(resource: Resource, { labels, fields }: Selection): Matcher {
  const readers = fields.map((requirement) => ({
    ...requirement,
    read: fieldReader(resource, requirement.path),
  }));
  const name = fields.find(({ path, equal }) => equal && path === 'metadata.name')?.value;
  return {
    all: labels.length === 0 && fields.length === 0,
    name,
    matches: (object) =>
      matches(labels, object.metadata.labels) &&
      readers.every(({ read, value, equal }) => (read(object) === value) === equal),
  };
}

function fieldReader(resource: Resource, path: string): (object: KubeObject) => string {
  if (path === 'metadata.name') return ({ metadata }) => metadata.name;
  if (path === 'metadata.namespace') return ({ metadata }) => metadata.namespace ?? '';
  const read = Object.hasOwn(resource.selectableFields, path)
    ? resource.selectableFields[path]
    : undefined;
  if (read === undefined) throw badRequest(`field label not supported: ${path}`);
  return read;
}
