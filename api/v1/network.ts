import { z } from 'zod';
import { conditionSchema } from '../machinery/conditions.ts';
import type { FieldError } from '../machinery/errors.ts';
import type { KubeObject } from '../machinery/metadata.ts';
import { isWithin, parseRange } from './addresses.ts';
import { group, version } from './group.ts';
import { ageColumn, defineResource } from './zod-resource.ts';

export const networkSpecSchema = z.strictObject({
  cniName: z
    .string()
    .min(1)
    .max(253)
    .optional()
    .describe('Name of the CNI network on the agents; the name of the object if absent.'),
  namespaces: z
    .array(z.string().min(1))
    .optional()
    .describe('Namespaces that it is offered to; all if absent.'),
  ipFamilies: z
    .array(z.enum(['IPv4', 'IPv6']))
    .min(1)
    .max(2)
    .optional()
    .describe('Families that the network assigns; attachments that expect another are refused.'),
  staticRanges: z
    .array(z.string().min(1))
    .min(1)
    .max(256)
    .optional()
    .describe(
      'Addresses that tasks may ask for: 10.0.0.0/28, 10.0.0.5-10.0.0.9 or one address each. Keep them out of the pool from which the plugin gives others. None may be asked for if absent.',
    ),
});

export interface Network extends KubeObject {
  apiVersion: 'mesocosm.dev/v1';
  kind: 'Network';
  spec: z.infer<typeof networkSpecSchema>;
  status?: z.infer<typeof networkStatusSchema> | undefined;
}

const networkStatusSchema = z.strictObject({
  observedGeneration: z.int().optional(),
  conditions: z.array(conditionSchema).optional(),
});

/** The name by which Mesos and the agents know the network. */
export function cniNameOf(network: Network): string {
  return network.spec.cniName ?? network.metadata.name;
}

export function isOfferedTo(network: Network, namespace: string): boolean {
  return network.spec.namespaces?.includes(namespace) ?? true;
}

/** A claim is named after its network and 32 hexadecimal digits, and names have 253 characters. */
const maxNameLength = 220;

function validate({ metadata, spec }: Network): FieldError[] {
  const errors: FieldError[] = [];
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
  fields: { spec: networkSpecSchema, status: networkStatusSchema.optional() },
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
      cell: (network) => network.spec.namespaces?.join(',') ?? '<all>',
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
  validate,
});
