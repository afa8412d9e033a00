import { ApiError } from '../../machinery/errors.ts';
import type { Resource } from '../../machinery/resource.ts';
import { forbidden, notFound } from '../errors.ts';
import type { Lookup } from './context.ts';
import { isTerminating } from './strategy.ts';

const namespaceNames = {
  gvk: { group: '', version: 'v1', kind: 'Namespace' },
  plural: 'namespaces',
};

/** Refuses to create anything in a namespace that is missing or being deleted. */
export async function checkNamespace(
  resource: Resource,
  name: string,
  namespace: string,
  lookups: { cached: Lookup; live: Lookup },
): Promise<void> {
  const ref = { name: namespace };
  const cached = await lookups.cached.get('namespaces', ref);
  if (cached !== undefined && !isTerminating(cached)) return;
  const found = await lookups.live.get('namespaces', ref);
  if (found === undefined) throw notFound(namespaceNames, namespace);
  if (!isTerminating(found)) return;
  const refusal = forbidden(
    resource,
    name,
    `unable to create new content in namespace ${namespace} because it is being terminated`,
  );
  const cause = {
    reason: 'NamespaceTerminating',
    message: `namespace ${namespace} is being terminated`,
    field: 'metadata.namespace',
  };
  throw new ApiError('Forbidden', refusal.message, {
    details: { ...refusal.details, causes: [cause] },
  });
}
