import { storedVersionErrors } from '../../v1/custom-resource-definition-rules.ts';
import { customResourceDefinitionResource } from '../../v1/custom-resource-definition.ts';
import type { CustomResourceDefinition } from '../../v1/custom-resource-types.ts';
import type { Admission } from '../registry/context.ts';

/** Whoever trims the stored versions of a definition may not leave out one that it has. */
export function admitStoredVersions(): Admission {
  const { gvk } = customResourceDefinitionResource;
  return ({ resource, subresource, object }) => {
    const concerned =
      subresource === 'status' &&
      resource.gvk.kind === gvk.kind &&
      resource.gvk.group === gvk.group;
    const errors = concerned ? storedVersionErrors(object as CustomResourceDefinition) : [];
    return Promise.resolve(errors);
  };
}
