import type { Resource, Verb } from '../machinery/resource.ts';
import type { ResourceRequestInfo } from './request-info.ts';

/** In the order in which discovery lists them. */
export const allVerbs: readonly Verb[] = [
  'create',
  'delete',
  'deletecollection',
  'get',
  'list',
  'patch',
  'update',
  'watch',
];

/** What can be done with a part of an object. */
const partVerbs: readonly Verb[] = ['get', 'patch', 'update'];

/** What a resource, or one of its subresources, allows. */
export function verbsOf(resource: Resource, subresource: string | undefined): readonly Verb[] {
  if (subresource === undefined) return resource.verbs ?? allVerbs;
  const { reports = [], connects = [] } = resource.subresources;
  if (reports.some(({ name }) => name === subresource)) return ['get'];
  return connects.find(({ name }) => name === subresource)?.verbs ?? partVerbs;
}

/** The verb of a method on a path of a resource; undefined: there is none. */
export function verbOf(
  method: string,
  info: ResourceRequestInfo,
  watch: boolean,
): Verb | undefined {
  const named = info.name !== undefined;
  switch (method) {
    case 'GET':
      if (info.legacyWatch) return 'watch';
      if (!named) return watch ? 'watch' : 'list';
      return watch && info.subresource === undefined ? 'watch' : 'get';
    case 'POST':
      return 'create';
    case 'PUT':
      return named ? 'update' : undefined;
    case 'PATCH':
      return named ? 'patch' : undefined;
    case 'DELETE':
      return named ? 'delete' : 'deletecollection';
    default:
      return undefined;
  }
}

/**
 * What somebody must be allowed who sends a request of this verb. A WebSocket is always opened by GET:
 * what may be opened by POST as well, such as exec, is a `create` however it is opened, so that nobody who
 * may only look at pods runs a command in one.
 */
export function verbToAuthorize(
  verb: Verb,
  resource: Resource | undefined,
  subresource: string | undefined,
): Verb {
  const connect = resource?.subresources.connects?.find(({ name }) => name === subresource);
  return connect?.verbs.includes('create') === true ? 'create' : verb;
}
