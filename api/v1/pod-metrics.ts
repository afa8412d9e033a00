import { z } from 'zod';
import type { KubeObject } from '../machinery/metadata.ts';
import { parseQuantity } from '../machinery/quantity.ts';
import { defineResource } from './zod-resource.ts';

/** metrics.k8s.io/v1beta1 PodMetrics: what tasks use, as their agents tell it; computed when asked for. */

const usageSchema = z.strictObject({
  cpu: z.string().describe('Cores, over the window.'),
  memory: z.string().describe('Memory that is not a cache of files.'),
});

const containerSchema = z.strictObject({
  name: z.string().describe('Name of the container; * where only all together are measured.'),
  usage: usageSchema.describe('What it uses.'),
});
export type ContainerMetrics = z.infer<typeof containerSchema>;

/** Stands for all containers of a task: those of a group are not measured apart. */
export const allContainers = '*';

export interface PodMetrics extends KubeObject {
  apiVersion: 'metrics.k8s.io/v1beta1';
  kind: 'PodMetrics';
  timestamp: string;
  window: string;
  containers: ContainerMetrics[];
}

function total({ containers }: PodMetrics, name: 'cpu' | 'memory'): number {
  return containers.reduce((sum, { usage }) => sum + (parseQuantity(usage[name]) ?? 0), 0);
}

export const podMetricsResource = {
  ...defineResource<PodMetrics>({
    group: 'metrics.k8s.io',
    version: 'v1beta1',
    kind: 'PodMetrics',
    plural: 'pods',
    namespaced: true,
    verbs: ['get', 'list'],
    unknownFields: 'prune',
    description: 'What the containers of a task use, as its agent tells it.',
    fields: {
      timestamp: z.string().describe('When the agent was asked.'),
      window: z.string().describe('Time over which cpu was measured.'),
      containers: z.array(containerSchema).describe('What each container uses.'),
    },
    columns: [
      {
        name: 'CPU',
        type: 'string',
        description: 'Thousandths of a core.',
        priority: 0,
        cell: (metrics) => `${Math.ceil(total(metrics, 'cpu') * 1000)}m`,
      },
      {
        name: 'Memory',
        type: 'string',
        description: 'Memory in mebibytes.',
        priority: 0,
        cell: (metrics) => `${Math.floor(total(metrics, 'memory') / 2 ** 20)}Mi`,
      },
      {
        name: 'Window',
        type: 'string',
        description: 'Time over which cpu was measured.',
        priority: 0,
        cell: ({ window }) => window,
      },
    ],
  }),
  singular: 'pod',
};
