import type { ResourceRequestInfo } from './request-info.ts';

/** What a request does, in the words of authorisation. */
export type Verb =
  'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection';

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
