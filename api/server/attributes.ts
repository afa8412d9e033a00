import { parseFieldSelector, SelectorError } from '../machinery/selectors.ts';
import type { Attributes } from './authorizer.ts';
import { text } from './query.ts';
import type { ResourceRequestInfo } from './request-info.ts';
import type { AuthenticatedRequest } from './request.ts';

/** What the authorizer is asked about a request for a resource. */
export function attributesOf(
  verb: string,
  info: ResourceRequestInfo,
  { user, path, query }: AuthenticatedRequest,
): Required<Attributes> {
  const { group, version, plural, subresource } = info;
  const name = info.name ?? (isSelective(verb) ? selectedName(query) : undefined);
  const itself = group === '' && plural === 'namespaces' ? info.name : undefined;
  return {
    user,
    verb,
    path,
    resource: {
      group,
      version,
      resource: subresource === undefined ? plural : `${plural}/${subresource}`,
      namespace: info.namespace ?? itself,
      name,
    },
  };
}

function isSelective(verb: string): boolean {
  return verb === 'list' || verb === 'watch' || verb === 'deletecollection';
}

/** The one object that a field selector leaves; a selector that makes no sense is refused later. */
function selectedName(query: URLSearchParams): string | undefined {
  try {
    return parseFieldSelector(text(query, 'fieldSelector') ?? '').find(
      ({ path, equal, value }) => path === 'metadata.name' && equal && value !== '',
    )?.value;
  } catch (error) {
    if (error instanceof SelectorError) return undefined;
    throw error;
  }
}
