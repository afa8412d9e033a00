import { z } from 'zod';
import { conditionSchema } from '../machinery/conditions.ts';
import type { KubeObject } from '../machinery/metadata.ts';
import { formatBytes } from '../machinery/quantity.ts';
import { group, version } from './group.ts';
import { keyedBy } from './list-types.ts';
import { ageColumn, defineResource } from './zod-resource.ts';

const agentSpecSchema = z.strictObject({
  unschedulable: z.boolean().optional().describe('No new task is placed on it.'),
});

const agentStatusSchema = z.strictObject({
  id: z.string().optional().describe('AgentID that Mesos gave it.'),
  hostname: z.string().optional().describe('Host name, as Mesos writes it.'),
  address: z
    .strictObject({
      ip: z.string().optional().describe('Address; the host name is used if it is absent.'),
      port: z.int().describe('Port of its HTTP API.'),
    })
    .optional()
    .describe('Where it can be asked.'),
  version: z.string().optional().describe('Version of Mesos.'),
  active: z.boolean().optional().describe('Registered and connected when last seen.'),
  attributes: z.record(z.string(), z.string()).optional().describe('Attributes in text form.'),
  resources: z
    .strictObject({
      cpus: z.number().optional().describe('Cores.'),
      memMiB: z.number().optional().describe('Memory in MiB.'),
      diskMiB: z.number().optional().describe('Disk in MiB.'),
      ports: z.string().optional().describe('Ranges: 31000-32000,33000-33010.'),
    })
    .optional()
    .describe('Total resources.'),
  unavailability: z
    .strictObject({
      start: z.string().describe('When it begins.'),
      durationSeconds: z.number().optional().describe('For how long; for good if absent.'),
    })
    .optional()
    .describe(
      'Maintenance that Mesos has announced: tasks leave it, within the budget of updates.',
    ),
  networks: z
    .array(
      z.strictObject({
        cniName: z.string().describe('Name of the CNI network.'),
        source: z
          .enum(['Attribute', 'Launch'])
          .describe('Its attribute cni_networks lists it, or a task got an address on it there.'),
      }),
    )
    .meta(keyedBy('cniName'))
    .optional()
    .describe('CNI networks that it is known to have. Of others it is not known, see README.'),
  unknownNetworks: z
    .array(
      z.strictObject({
        cniName: z.string().describe('Name of the CNI network.'),
        until: z.string().describe('Until when no task is placed here that joins it.'),
      }),
    )
    .meta(keyedBy('cniName'))
    .optional()
    .describe('CNI networks that a launch found missing; tried again after the time given.'),
  conditions: z.array(conditionSchema).meta(keyedBy('type')).optional().describe('Ready.'),
});
export type AgentStatus = z.infer<typeof agentStatusSchema>;

export interface Agent extends KubeObject {
  apiVersion: 'mesocosm.dev/v1';
  kind: 'Agent';
  spec: z.infer<typeof agentSpecSchema>;
  status?: AgentStatus | undefined;
}

/** How long before announced maintenance tasks begin to leave, and none comes any more: half an hour. */
const maintenanceLeadMs = 30 * 60_000;

/** When tasks begin to leave for announced maintenance, in milliseconds since the epoch. */
export function leavingFrom({ start }: { start: string }): number {
  return Date.parse(start) - maintenanceLeadMs;
}

/** Whether announced maintenance is so near that nothing should stay. */
export function isNear(maintenance: { start: string }, now: number): boolean {
  return leavingFrom(maintenance) <= now;
}

export const agentResource = defineResource<Agent>({
  group,
  version,
  kind: 'Agent',
  plural: 'agents',
  shortNames: ['ag'],
  categories: ['mesocosm'],
  namespaced: false,
  fieldOwners: 'OnceApplied',
  description: 'A Mesos agent as observed.',
  fields: {
    spec: agentSpecSchema.describe('What operators want of it.'),
    status: agentStatusSchema.optional().describe('What Mesos says of it.'),
  },
  subresources: { status: true },
  columns: [
    {
      name: 'Status',
      type: 'string',
      description: 'Whether the agent is registered and takes tasks.',
      priority: 0,
      cell: (agent) =>
        [
          agent.status?.active === true ? 'Active' : 'Inactive',
          ...(agent.spec.unschedulable === true ? ['Unschedulable'] : []),
          ...(agent.status?.unavailability === undefined ? [] : ['Maintenance']),
        ].join(','),
    },
    {
      name: 'CPUs',
      type: 'number',
      description: 'Cores in all.',
      priority: 0,
      cell: (agent) => agent.status?.resources?.cpus ?? 0,
    },
    {
      name: 'Memory',
      type: 'string',
      description: 'Memory in all.',
      priority: 0,
      cell: (agent) => formatBytes((agent.status?.resources?.memMiB ?? 0) * 2 ** 20),
    },
    ageColumn,
    {
      name: 'Attributes',
      type: 'string',
      description: 'Attributes of the agent.',
      priority: 1,
      cell: (agent) =>
        Object.entries(agent.status?.attributes ?? {})
          .map(([name, value]) => `${name}:${value}`)
          .join(';'),
    },
    {
      name: 'ID',
      type: 'string',
      description: 'AgentID that Mesos gave it.',
      priority: 1,
      cell: (agent) => agent.status?.id ?? '<none>',
    },
  ],
});
