import type { FieldError } from '../machinery/errors.ts';
import { isObject } from '../machinery/json.ts';
import type { SchemaNode } from '../machinery/resource.ts';
import { forbidden, invalid, required, unsupported } from '../machinery/structural/field-errors.ts';
import { structuralErrors } from '../machinery/structural/schema-rules.ts';
import { columnErrors, scaleErrors, selectableFieldErrors } from './custom-resource-paths.ts';
import {
  isTrue,
  schemaField,
  type CustomResourceDefinition,
  type CustomResourceNames,
} from './custom-resource-types.ts';

/** Kubernetes' rules for definitions, in its words. */
export function customResourceDefinitionErrors(
  definition: CustomResourceDefinition,
  old: CustomResourceDefinition | undefined,
): FieldError[] {
  return [
    ...nameErrors(definition),
    ...approvalErrors(definition),
    ...specErrors(definition),
    ...versionErrors(definition),
    ...storedVersionErrors(definition),
    ...(old === undefined ? [] : immutableErrors(definition, old)),
  ];
}

function nameErrors({ metadata, spec }: CustomResourceDefinition): FieldError[] {
  if (metadata.name === `${spec.names.plural}.${spec.group}`) return [];
  return [invalid('metadata.name', metadata.name, 'must be spec.names.plural+"."+spec.group')];
}

const approval = 'api-approved.kubernetes.io';

/** Groups of Kubernetes itself are not for everybody. */
function approvalErrors({ metadata, spec }: CustomResourceDefinition): FieldError[] {
  if (!/(?:^|\.)(?:k8s|kubernetes)\.io$/.test(spec.group)) return [];
  const given = metadata.annotations?.[approval] ?? '';
  const field = `metadata.annotations[${approval}]`;
  if (given === '') {
    const why = `protected groups must have approval annotation "${approval}", see https://github.com/kubernetes/enhancements/pull/1111`;
    return [required(field, why)];
  }
  if (given.startsWith('unapproved') || /^https?:\/\/\S+$/.test(given)) return [];
  return [
    invalid(
      field,
      given,
      'protected groups must have approval annotation with either a URL or a reason starting with "unapproved"',
    ),
  ];
}

const dnsLabel = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

const labelRule =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const subdomainRule =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

function labelErrors(field: string, value: string, shown = value): FieldError[] {
  if (value.length > 63) return [invalid(field, shown, 'must be no more than 63 characters')];
  return dnsLabel.test(value) ? [] : [invalid(field, shown, labelRule)];
}

function specErrors({ spec }: CustomResourceDefinition): FieldError[] {
  const { group, scope, conversion, preserveUnknownFields } = spec;
  const errors: FieldError[] = [];
  if (group === '') errors.push(required('spec.group', ''));
  else if (!subdomain.test(group) || group.length > 253) {
    errors.push(invalid('spec.group', group, subdomainRule));
  } else if (!group.includes('.')) {
    errors.push(invalid('spec.group', group, 'should be a domain with at least one dot'));
  }
  if (scope === '') errors.push(required('spec.scope', ''));
  else if (scope !== 'Cluster' && scope !== 'Namespaced') {
    errors.push(unsupported('spec.scope', scope, ['Cluster', 'Namespaced']));
  }
  if (preserveUnknownFields === true) {
    const why =
      'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead';
    errors.push(invalid('spec.preserveUnknownFields', true, why));
  }
  if (conversion !== undefined) errors.push(...conversionErrors(conversion));
  return [...errors, ...namesErrors(spec.names, 'spec.names')];
}

function conversionErrors(conversion: { strategy: string; webhook?: unknown }): FieldError[] {
  const field = 'spec.conversion';
  const { strategy, webhook } = conversion;
  if (strategy === 'Webhook') {
    const why =
      'this server calls no conversion webhooks: use None, and give all versions fields that mean the same';
    return [invalid(`${field}.strategy`, strategy, why)];
  }
  if (strategy !== 'None') return [unsupported(`${field}.strategy`, strategy, ['None'])];
  if (webhook === undefined) return [];
  return [forbidden(`${field}.webhook`, 'should not be set when strategy is not set to Webhook')];
}

function namesErrors(names: CustomResourceNames, field: string): FieldError[] {
  const { plural, singular = '', kind, listKind = '', shortNames = [], categories = [] } = names;
  const errors: FieldError[] = [];
  if (plural === '') errors.push(required(`${field}.plural`, ''));
  else errors.push(...labelErrors(`${field}.plural`, plural));
  if (singular === '') errors.push(required(`${field}.singular`, ''));
  else errors.push(...labelErrors(`${field}.singular`, singular));
  for (const [name, value] of [
    ['kind', kind],
    ['listKind', listKind],
  ] as const) {
    if (value === '') errors.push(required(`${field}.${name}`, ''));
    else errors.push(...labelErrors(`${field}.${name}`, value.toLowerCase(), value));
  }
  if (kind !== '' && kind === listKind) {
    errors.push(invalid(`${field}.listKind`, listKind, 'kind and listKind may not be the same'));
  }
  for (const [name, values] of [
    ['shortNames', shortNames],
    ['categories', categories],
  ] as const) {
    for (const [index, value] of values.entries()) {
      errors.push(...labelErrors(`${field}.${name}[${index}]`, value));
    }
  }
  return errors;
}

function versionErrors({ spec }: CustomResourceDefinition): FieldError[] {
  const { versions } = spec;
  const names = versions.map(({ name }) => name);
  const errors: FieldError[] = [];
  if (new Set(names).size < names.length) {
    errors.push(invalid('spec.versions', names, 'must contain unique version names'));
  }
  if (versions.filter(({ storage }) => storage).length !== 1) {
    const why = 'must have exactly one version marked as storage version';
    errors.push(invalid('spec.versions', names, why));
  }
  for (const [index, version] of versions.entries()) {
    const field = `spec.versions[${index}]`;
    errors.push(...labelErrors(`${field}.name`, version.name));
    if (version.deprecationWarning !== undefined && version.deprecated !== true) {
      const why = 'can only be set for deprecated versions';
      errors.push(invalid(`${field}.deprecationWarning`, version.deprecationWarning, why));
    }
    const schema = version.schema?.openAPIV3Schema;
    if (!isObject(schema)) {
      errors.push(required(schemaField(index), 'schemas are required'));
      continue;
    }
    const node: SchemaNode = schema;
    const found = structuralErrors(node, schemaField(index));
    errors.push(
      ...found,
      ...columnErrors(version.additionalPrinterColumns ?? [], field),
      ...scaleErrors(version.subresources?.scale, `${field}.subresources.scale`),
      ...selectableFieldErrors(version.selectableFields ?? [], node, `${field}.selectableFields`),
    );
  }
  return errors;
}

/** Objects may still be stored in each of these versions. */
export function storedVersionErrors({ spec, status }: CustomResourceDefinition): FieldError[] {
  const stored = status?.storedVersions;
  if (stored === undefined) return [];
  const names = spec.versions.map(({ name }) => name);
  const storage = spec.versions.find((version) => version.storage)?.name;
  const field = 'status.storedVersions';
  const errors = stored.flatMap((version, index) =>
    names.includes(version)
      ? []
      : [invalid(`${field}[${index}]`, version, 'must appear in spec.versions')],
  );
  if (storage !== undefined && !stored.includes(storage)) {
    errors.push(invalid(field, stored, `must have the storage version ${storage}`));
  }
  return errors;
}

function immutableErrors(
  next: CustomResourceDefinition,
  old: CustomResourceDefinition,
): FieldError[] {
  const fields: [field: string, now: string, before: string][] = [
    ['spec.group', next.spec.group, old.spec.group],
    ['spec.names.plural', next.spec.names.plural, old.spec.names.plural],
    // What objects are stored as, once there may be some.
    ...(isTrue(old, 'Established')
      ? ([
          ['spec.scope', next.spec.scope, old.spec.scope],
          ['spec.names.kind', next.spec.names.kind, old.spec.names.kind],
        ] as [string, string, string][])
      : []),
  ];
  return fields
    .filter(([, now, before]) => now !== before)
    .map(([field, now]) => invalid(field, now, 'field is immutable'));
}
