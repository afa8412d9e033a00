import type { FieldError } from '../machinery/errors.ts';
import { canonicalAddress, familyOf } from './addresses.ts';
import type { NetworkAttachment, TemplateSpec } from './template.ts';

/** Rules about the addresses that a template asks for. */

const requestFields = ['ips', 'ipsByInstance', 'sticky'] as const;

/** `path` leads to the attachment. */
export function validateAddresses(network: NetworkAttachment, path: string): FieldError[] {
  const { ips, ipsByInstance, sticky } = network;
  const given = requestFields.filter((name) =>
    name === 'sticky' ? sticky === true : network[name] !== undefined,
  );
  const errors = given.slice(1).map((name) => ({
    field: `${path}.${name}`,
    message: `Forbidden: give one of ips, ipsByInstance and sticky, not ${given.join(' and ')}`,
    reason: 'FieldValueForbidden' as const,
  }));
  const lists = [
    ...(ips === undefined ? [] : [{ ips, field: `${path}.ips` }]),
    ...(ipsByInstance ?? []).map((list, i) => ({
      ips: list,
      field: `${path}.ipsByInstance[${i}]`,
    })),
  ];
  const seen = new Set<string>();
  const duplicates: FieldError[] = [];
  for (const list of lists) {
    for (const [i, ip] of list.ips.entries()) {
      if (seen.has(canonicalAddress(ip))) {
        duplicates.push({
          field: `${list.field}[${i}]`,
          message: `Duplicate value: "${ip}": an address can be given to one instance only`,
          reason: 'FieldValueDuplicate',
        });
      }
      seen.add(canonicalAddress(ip));
    }
  }
  return [
    ...errors,
    ...duplicates,
    ...lists.flatMap((list) => validateFamilies(list.ips, network, list.field)),
  ];
}

/** A network gives a task one address of a family, and what is expected must be what is asked for. */
function validateFamilies(
  ips: readonly string[],
  { ipFamilies }: NetworkAttachment,
  field: string,
): FieldError[] {
  const families = ips.map(familyOf);
  if (families.length === 2 && families[0] === families[1]) {
    return [
      {
        field: `${field}[1]`,
        message: `Invalid value: "${ips[1] ?? ''}": a network gives a task at most one ${families[1] ?? ''} address`,
        reason: 'FieldValueInvalid',
      },
    ];
  }
  return ips.flatMap((ip, i) => {
    const family = familyOf(ip);
    if (ipFamilies?.includes(family) ?? true) return [];
    return [
      {
        field: `${field}[${i}]`,
        message: `Invalid value: "${ip}": ipFamilies does not expect ${family}`,
        reason: 'FieldValueInvalid' as const,
      },
    ];
  });
}

/** Every instance needs addresses of its own. `path` leads to the template's spec. */
export function validateAddressCounts(
  spec: TemplateSpec,
  replicas: number,
  path: string,
): FieldError[] {
  return (spec.networks ?? []).flatMap(({ ips, ipsByInstance }, i): FieldError[] => {
    const field = `${path}.networks[${i}]`;
    if (ips !== undefined && replicas > 1) {
      return [
        {
          field: `${field}.ips`,
          message: `Forbidden: ${replicas} replicas cannot share an address; give each its own in ipsByInstance`,
          reason: 'FieldValueForbidden',
        },
      ];
    }
    if (ipsByInstance !== undefined && ipsByInstance.length < replicas) {
      return [
        {
          field: `${field}.ipsByInstance`,
          message: `Invalid value: ${ipsByInstance.length} entries for ${replicas} replicas: give every instance its own`,
          reason: 'FieldValueInvalid',
        },
      ];
    }
    return [];
  });
}

/** A Task is of one instance and says its addresses plainly. `path` leads to its spec. */
export function validateTaskAddresses(spec: TemplateSpec, path: string): FieldError[] {
  return (spec.networks ?? []).flatMap(({ ipsByInstance }, i) =>
    ipsByInstance === undefined
      ? []
      : [
          {
            field: `${path}.networks[${i}].ipsByInstance`,
            message: 'Forbidden: a Task is of one instance; give its addresses in ips',
            reason: 'FieldValueForbidden' as const,
          },
        ],
  );
}

/** A deadline that nothing follows from would be ignored. */
export function validateDeadline(spec: TemplateSpec, path: string): FieldError[] {
  const { onMissingAddress = 'Wait', addressDeadlineSeconds, networks = [] } = spec;
  const errors: FieldError[] = [];
  if (addressDeadlineSeconds !== undefined && onMissingAddress === 'Wait') {
    errors.push({
      field: `${path}.addressDeadlineSeconds`,
      message: 'Forbidden: onMissingAddress Wait has no deadline; give Replace or Fail with it',
      reason: 'FieldValueForbidden',
    });
  }
  if (onMissingAddress !== 'Wait' && networks.length === 0) {
    errors.push({
      field: `${path}.onMissingAddress`,
      message: 'Forbidden: a task without networks has the address of its agent',
      reason: 'FieldValueForbidden',
    });
  }
  return errors;
}
