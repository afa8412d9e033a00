import { z } from 'zod';
import { conditionSchema } from '../machinery/conditions.ts';
import type { KubeObject } from '../machinery/metadata.ts';
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
  ],
});
