import type { FieldError } from '../../machinery/errors.ts';
import { jsonEqual } from '../../machinery/json.ts';
import type { OwnerReference } from '../../machinery/metadata.ts';
import { apiVersionOf } from '../../machinery/metadata.ts';
import type { Resource } from '../../machinery/resource.ts';
import type { Authorizer } from '../authorizer.ts';
import type { Admission, AdmissionRequest } from '../registry/context.ts';

export interface OwnerOptions {
  authorizer: Authorizer;
  /** Every kind that is served now. */
  kinds: () => readonly Resource[];
}

/**
 * An owner takes its dependents along, and a dependent can hold its owner back: who sets such a
 * reference must be allowed to delete the one, and to hold the other (Kubernetes'
 * OwnerReferencesPermissionEnforcement).
 */
export function restrictOwners({ authorizer, kinds }: OwnerOptions): Admission {
  return async (request) => {
    const { object, old } = request;
    const references = object.metadata.ownerReferences ?? [];
    const before = old?.metadata.ownerReferences ?? [];
    if (references.length === 0 || jsonEqual(references, before)) return [];
    const field = 'metadata.ownerReferences';
    const { gvk, plural } = request.resource;
    const name = old === undefined ? undefined : object.metadata.name;
    if (!(await may(authorizer, request, 'delete', { ...gvk, resource: plural, name }))) {
      return [refusal(field, "cannot set an ownerRef on a resource you can't delete")];
    }
    const held = new Set(before.filter(isBlocking).map(({ uid }) => uid));
    const errors: FieldError[] = [];
    for (const [index, owner] of references.entries()) {
      if (!isBlocking(owner) || held.has(owner.uid)) continue;
      const kind = kinds().find((one) => isOf(one, owner));
      const place = `${field}[${index}].blockOwnerDeletion`;
      if (kind === undefined) {
        const message = `cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion ${owner.apiVersion} Kind ${owner.kind}`;
        errors.push(refusal(place, message));
        continue;
      }
      const finalizers = { ...kind.gvk, resource: `${kind.plural}/finalizers`, name: owner.name };
      const scope = kind.namespaced ? request.namespace : undefined;
      if (await may(authorizer, { ...request, namespace: scope }, 'update', finalizers)) continue;
      const message =
        "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on";
      errors.push(refusal(place, `${message}: update of ${finalizers.resource} is needed`));
    }
    return errors;
  };
}

function isBlocking({ blockOwnerDeletion }: OwnerReference): boolean {
  return blockOwnerDeletion === true;
}

function isOf({ gvk }: Pick<Resource, 'gvk'>, { apiVersion, kind }: OwnerReference): boolean {
  return gvk.kind === kind && apiVersionOf(gvk) === apiVersion;
}

async function may(
  authorizer: Authorizer,
  { user, namespace }: Pick<AdmissionRequest, 'user' | 'namespace'>,
  verb: string,
  what: { group: string; version: string; resource: string; name: string | undefined },
): Promise<boolean> {
  const { group, version, resource, name } = what;
  const decision = await authorizer.authorize({
    user,
    verb,
    path: '',
    resource: { group, version, resource, namespace, name },
  });
  return decision.allowed;
}

function refusal(field: string, message: string): FieldError {
  return { field, message, reason: 'FieldValueForbidden' };
}
