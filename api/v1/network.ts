import { z } from 'zod';
import { conditionSchema } from '../machinery/conditions.ts';
import type { FieldError } from '../machinery/errors.ts';
import type { KubeObject } from '../machinery/metadata.ts';
import { isWithin, parseRange } from './addresses.ts';
import { labelSelectorSchema, matches, requirementsOf } from '../machinery/selectors.ts';
import { group, version } from './group.ts';
import { keyedBy, unordered } from './list-types.ts';
import { unobserved } from './unobserved.ts';
import { ageColumn, defineResource } from './zod-resource.ts';

const labelKeys = z.array(z.string().min(1)).max(64).meta(unordered);

export const networkSpecSchema = z.strictObject({
  cniName: z
    .string()
    .min(1)
    .max(253)
    .optional()
    .describe('Name of the CNI network on the agents; the name of the object if absent.'),
  namespaces: z
    .array(z.string().min(1))
    .meta(unordered)
    .optional()
    .describe('Namespaces that it is offered to, by name; all if namespaceSelector is absent too.'),
  namespaceSelector: labelSelectorSchema
    .optional()
    .describe('Namespaces that it is offered to, by their labels, besides those named.'),
  ipFamilies: z
    .array(z.enum(['IPv4', 'IPv6']))
    .min(1)
    .max(2)
    .meta(unordered)
    .optional()
    .describe('Families that the network assigns; attachments that expect another are refused.'),
  staticRanges: z
    .array(z.string().min(1))
    .min(1)
    .max(256)
    .meta(unordered)
    .optional()
    .describe(
      'Addresses that tasks may ask for: 10.0.0.0/28, 10.0.0.5-10.0.0.9 or one address each. Keep them out of the pool from which the plugin gives others. None may be asked for if absent.',
    ),
  requiredLabels: labelKeys.optional().describe('Label keys that every attachment must have.'),
  allowedLabels: labelKeys
    .optional()
    .describe('Label keys that attachments may have, besides the required ones; any if absent.'),
  forbiddenLabels: labelKeys.optional().describe('Label keys that no attachment may have.'),
  portMappings: z
    .enum(['Allowed', 'Forbidden'])
    .optional()
    .describe('Whether attachments may map host ports; Allowed if absent.'),
  addressScope: z
    .enum(['Cluster', 'Agent'])
    .optional()
    .describe(
      'Where an address is unique: in the whole network, or on each agent, as on a bridge that every agent has for itself. Two live tasks that share one are reported. Cluster if absent.',
    ),
});

export interface Network extends KubeObject {
  apiVersion: 'mesocosm.dev/v1';
  kind: 'Network';
  spec: z.infer<typeof networkSpecSchema>;
  status?: NetworkStatus | undefined;
}

const networkStatusSchema = z.strictObject({
  observedGeneration: z.int().optional().describe('Generation that this status is about.'),
  conditions: z
    .array(conditionSchema)
    .meta(keyedBy('type'))
    .optional()
    .describe(
      'Ready, Reconciling, Stalled; Contradicted: there are Jobs that would not be admitted to it as it is now.',
    ),
});

export type NetworkStatus = z.infer<typeof networkStatusSchema>;

/** The name by which Mesos and the agents know the network. */
export function cniNameOf(network: Network): string {
  return network.spec.cniName ?? network.metadata.name;
}

/** A namespace as far as offers depend on it. */
export interface NamespaceFacts {
  name: string;
  labels: Readonly<Record<string, string>> | undefined;
}

export function isOfferedTo({ spec }: Network, namespace: NamespaceFacts): boolean {
  const { namespaces, namespaceSelector } = spec;
  if (namespaces === undefined && namespaceSelector === undefined) return true;
  if (namespaces?.includes(namespace.name) === true) return true;
  return (
    namespaceSelector !== undefined && matches(requirementsOf(namespaceSelector), namespace.labels)
  );
}

/** Rules that no attachment could meet, or that say nothing, are mistakes. */
function validateRules({ spec }: Network): FieldError[] {
  const { requiredLabels = [], forbiddenLabels = [], allowedLabels = [] } = spec;
  const both = [...requiredLabels, ...allowedLabels];
  return [
    ...forbiddenLabels.flatMap((key, index) =>
      both.includes(key)
        ? [
            invalid(
              `spec.forbiddenLabels[${index}]`,
              key,
              'the key is required or allowed as well: take it out of one of the lists',
            ),
          ]
        : [],
    ),
    ...(spec.namespaceSelector?.matchExpressions ?? []).flatMap(({ operator, values }, index) => {
      const field = `spec.namespaceSelector.matchExpressions[${index}].values`;
      const wanted = operator === 'In' || operator === 'NotIn';
      if (wanted === (values ?? []).length > 0) return [];
      return [
        invalid(field, values ?? [], `${operator} needs ${wanted ? 'one value or more' : 'none'}`),
      ];
    }),
  ];
}

function invalid(field: string, value: unknown, why: string): FieldError {
  return {
    field,
    message: `Invalid value: ${JSON.stringify(value)}: ${why}`,
    reason: 'FieldValueInvalid',
  };
}

/** Whom it is offered to, in a few words. */
function audience({ spec: { namespaces, namespaceSelector } }: Network): string {
  if (namespaces === undefined && namespaceSelector === undefined) return '<all>';
  const selected = namespaceSelector === undefined ? [] : ['<by labels>'];
  return [...(namespaces ?? []), ...selected].join(',') || '<none>';
}

/** A claim is named after its network and 32 hexadecimal digits, and names have 253 characters. */
const maxNameLength = 220;

function validate(network: Network): FieldError[] {
  const { metadata, spec } = network;
  const errors = validateRules(network);
  if (metadata.name.length > maxNameLength) {
    errors.push({
      field: 'metadata.name',
      message: `Too long: at most ${maxNameLength} characters, because AddressClaims are named <network>-<address>`,
      reason: 'FieldValueTooLong',
    });
  }
  for (const [index, text] of (spec.staticRanges ?? []).entries()) {
    const range = parseRange(text);
    const field = `spec.staticRanges[${index}]`;
    if (range === undefined) {
      errors.push({
        field,
        message: `Invalid value: "${text}": must be a block (10.0.0.0/28), a range (10.0.0.5-10.0.0.9) or an address`,
        reason: 'FieldValueInvalid',
      });
    } else if (spec.ipFamilies?.includes(range.family) === false) {
      errors.push({
        field,
        message: `Invalid value: "${text}": spec.ipFamilies has no ${range.family}`,
        reason: 'FieldValueInvalid',
      });
    }
  }
  return errors;
}

/** Whether a task may ask for the address. */
export function mayAskFor(network: Network, address: string): boolean {
  return (network.spec.staticRanges ?? []).some((text) => {
    const range = parseRange(text);
    return range !== undefined && isWithin(address, range);
  });
}

export const networkResource = defineResource<Network>({
  group,
  version,
  kind: 'Network',
  plural: 'networks',
  shortNames: ['net'],
  categories: ['mesocosm'],
  namespaced: false,
  description: 'A CNI network that operators offer to namespaces.',
  fields: {
    spec: networkSpecSchema.describe('What is offered, to whom, and under which rules.'),
    status: networkStatusSchema.optional().describe('Who uses it; written by controllers.'),
  },
  subresources: { status: true },
  columns: [
    {
      name: 'CNI',
      type: 'string',
      description: 'Name of the CNI network on the agents.',
      priority: 0,
      cell: cniNameOf,
    },
    {
      name: 'Families',
      type: 'string',
      description: 'Families that it assigns.',
      priority: 0,
      cell: (network) => network.spec.ipFamilies?.join(',') ?? '<any>',
    },
    {
      name: 'Namespaces',
      type: 'string',
      description: 'Namespaces that it is offered to.',
      priority: 0,
      cell: audience,
    },
    ageColumn,
    {
      name: 'Static',
      type: 'string',
      description: 'Addresses that tasks may ask for.',
      priority: 1,
      cell: (network) => network.spec.staticRanges?.join(',') ?? '<none>',
    },
  ],
  defaults: (network) => ({ ...network, status: unobserved(network.status) }),
  validate,
});
