import type { FieldError } from '../../machinery/errors.ts';
import { jsonEqual } from '../../machinery/json.ts';
import type {
  DraftMeta,
  KubeObject,
  ObjectMeta,
  OwnerReference,
} from '../../machinery/metadata.ts';
import type { AnyResource } from '../../machinery/resource.ts';
import { pathSegmentErrors, rbacGroup } from '../../v1/rbac-bindings.ts';
import { isAutoscaler, strategyOf } from './strategy.ts';
import {
  dnsLabelErrors,
  dnsSubdomainErrors,
  labelValueErrors,
  qualifiedNameErrors,
} from './names.ts';

/** Bytes of all keys and values of the annotations together. */
const annotationBytes = 256 * 1024;

function invalidValue(field: string, value: unknown, why: string): FieldError {
  return {
    field,
    message: `Invalid value: ${JSON.stringify(value)}: ${why}`,
    reason: 'FieldValueInvalid',
  };
}

/** Whether names of this kind are DNS labels; most are DNS subdomains otherwise. */
export function namedByLabel(resource: AnyResource): boolean {
  return resource.gvk.group === '' && resource.gvk.kind === 'Namespace';
}

/** The rule of names of this kind. */
function nameRuleOf(resource: AnyResource): (name: string) => string[] {
  // Names such as system:discovery are for roles alone.
  if (resource.gvk.group === rbacGroup) return pathSegmentErrors;
  return namedByLabel(resource) ? dnsLabelErrors : dnsSubdomainErrors;
}

/** Rules of metadata that hold whatever the verb. */
export function validateMetadata(resource: AnyResource, meta: DraftMeta): FieldError[] {
  return [
    ...nameErrors(resource, meta),
    ...labelErrors(meta.labels),
    ...annotationErrors(meta.annotations),
    ...finalizerErrors(meta.finalizers),
    ...ownerErrors(meta.ownerReferences),
  ];
}

function nameErrors(resource: AnyResource, meta: DraftMeta): FieldError[] {
  const name = meta.name ?? '';
  const check = nameRuleOf(resource);
  const errors: FieldError[] = [];
  if (meta.generateName !== undefined && meta.generateName !== '') {
    // The prefix may end in '-' and be cut: what counts is that a name can be made of it.
    const prefix = `${meta.generateName}x`;
    for (const why of check(prefix.length > 253 ? prefix.slice(0, 253) : prefix)) {
      if (!why.startsWith('must be no more')) {
        errors.push(invalidValue('metadata.generateName', meta.generateName, why));
      }
    }
  }
  if (name === '') {
    errors.push({
      field: 'metadata.name',
      message: 'Required value: name or generateName is required',
      reason: 'FieldValueRequired',
    });
  } else errors.push(...check(name).map((why) => invalidValue('metadata.name', name, why)));
  return errors;
}

function labelErrors(labels: Readonly<Record<string, string>> | undefined): FieldError[] {
  const field = 'metadata.labels';
  return Object.entries(labels ?? {}).flatMap(([key, value]) => [
    ...qualifiedNameErrors(key).map((why) => invalidValue(field, key, why)),
    ...labelValueErrors(value).map((why) => invalidValue(field, value, why)),
  ]);
}

function annotationErrors(annotations: Readonly<Record<string, string>> | undefined): FieldError[] {
  const field = 'metadata.annotations';
  const entries = Object.entries(annotations ?? {});
  const errors = entries.flatMap(([key]) =>
    qualifiedNameErrors(key.toLowerCase()).map((why) => invalidValue(field, key, why)),
  );
  const bytes = entries.reduce(
    (sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value),
    0,
  );
  if (bytes > annotationBytes) {
    errors.push({
      field,
      message: `Too long: must have at most ${annotationBytes} bytes`,
      reason: 'FieldValueTooLong',
    });
  }
  return errors;
}

/** Finalizers of Kubernetes itself that carry no domain. */
const standardFinalizers = new Set(['orphan', 'foregroundDeletion', 'kubernetes']);

function finalizerErrors(finalizers: readonly string[] | undefined): FieldError[] {
  const field = 'metadata.finalizers';
  const errors = (finalizers ?? []).flatMap((finalizer) =>
    qualifiedNameErrors(finalizer).map((why) => invalidValue(field, finalizer, why)),
  );
  for (const finalizer of finalizers ?? []) {
    if (!finalizer.includes('/') && !standardFinalizers.has(finalizer) && errors.length === 0) {
      errors.push(
        invalidValue(
          field,
          finalizer,
          'name is neither a standard finalizer name nor is it fully qualified',
        ),
      );
    }
  }
  if (finalizers?.includes('orphan') === true && finalizers.includes('foregroundDeletion')) {
    errors.push(
      invalidValue(field, finalizers, 'finalizer orphan and foregroundDeletion cannot be both set'),
    );
  }
  return errors;
}

function ownerErrors(references: readonly OwnerReference[] | undefined): FieldError[] {
  const field = 'metadata.ownerReferences';
  const errors = (references ?? []).flatMap((reference) =>
    (['apiVersion', 'kind', 'name', 'uid'] as const)
      .filter((key) => reference[key] === '')
      .map((key) =>
        invalidValue(
          `${field}.${key}`,
          '',
          key === 'apiVersion' ? 'version must not be empty' : `${key} must not be empty`,
        ),
      ),
  );
  const controllers = (references ?? []).filter(({ controller }) => controller === true);
  const [first, second] = controllers;
  if (first !== undefined && second !== undefined) {
    errors.push(
      invalidValue(
        field,
        references,
        `Only one reference can have Controller set to true. Found "true" in references for ${first.name} and ${second.name}`,
      ),
    );
  }
  return errors;
}

/** Rules of metadata that compare an update with what is stored. */
export function validateMetadataUpdate(updated: ObjectMeta, stored: ObjectMeta): FieldError[] {
  const errors: FieldError[] = [];
  if (stored.deletionTimestamp !== undefined) {
    const kept = new Set(stored.finalizers);
    const added = (updated.finalizers ?? []).filter((finalizer) => !kept.has(finalizer));
    if (added.length > 0) {
      const shown = added.map((finalizer) => JSON.stringify(finalizer)).join(', ');
      errors.push({
        field: 'metadata.finalizers',
        message: `Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{${shown}}`,
        reason: 'FieldValueForbidden',
      });
    }
  }
  const immutable = [
    'name',
    'namespace',
    'uid',
    'creationTimestamp',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
  ] as const;
  for (const key of immutable) {
    if (updated[key] !== stored[key]) {
      errors.push(invalidValue(`metadata.${key}`, updated[key], 'field is immutable'));
    }
  }
  return errors;
}

/** Whether anything but metadata (and status, where that is a subresource) differs. */
export function desiredStateChanged(
  resource: AnyResource,
  updated: KubeObject,
  stored: KubeObject,
): boolean {
  const ignored = resource.subresources.status ? ['metadata', 'status'] : ['metadata'];
  const strategy = strategyOf(resource);
  const rest = (object: KubeObject): Record<string, unknown> =>
    Object.fromEntries(Object.entries(object).filter(([key]) => !ignored.includes(key)));
  const desired = (object: KubeObject): unknown[] => [rest(object), strategy.noted(object) ?? null];
  return !jsonEqual(desired(updated), desired(stored));
}

/** The core kinds carry no generation, as upstream; ours, users' kinds and autoscalers (1.37) do. */
export function hasGeneration(resource: AnyResource): boolean {
  return !resource.strategicMerge || isAutoscaler(resource);
}
