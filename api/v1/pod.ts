import { z } from 'zod';
import { conditionSchema } from '../machinery/conditions.ts';
import type { KubeObject } from '../machinery/metadata.ts';
import {
  environmentSourceSchema,
  variableSourceSchema,
  volumeMountSchema,
  volumesSchema,
} from './contents.ts';
import { keyedBy } from './list-types.ts';
import { ageColumn, defineResource } from './zod-resource.ts';

/** A Task as clients of Kubernetes know it: v1 Pod, as far as a Task has it. */

const containerSchema = z.strictObject({
  name: z.string().describe('Name of the container.'),
  image: z.string().describe('Always empty: tasks run in the file system of their agent.'),
  command: z.array(z.string()).optional().describe('Program and first arguments.'),
  args: z.array(z.string()).optional().describe('Arguments after command.'),
  env: z
    .array(
      z.strictObject({
        name: z.string().describe('Name of the variable.'),
        valueFrom: variableSourceSchema.optional().describe('Where its value comes from.'),
      }),
    )
    .optional()
    .describe('Names of the variables, and what they are taken from; values are in the Task.'),
  envFrom: z
    .array(environmentSourceSchema)
    .optional()
    .describe('Sources of variables named by their keys.'),
  volumeMounts: z
    .array(
      volumeMountSchema.extend({
        readOnly: z.literal(true).describe('Always: tasks change no contents.'),
      }),
    )
    .meta(keyedBy('mountPath'))
    .optional()
    .describe('Volumes that the container sees, and where in its sandbox.'),
  ports: z
    .array(
      z.strictObject({
        name: z.string().describe('Name of the port.'),
        containerPort: z.int().describe('Its number.'),
        hostPort: z.int().optional().describe('Its number on the agent, if it has one there.'),
        protocol: z.enum(['TCP', 'UDP']).describe('TCP or UDP.'),
      }),
    )
    .optional()
    .describe('Ports that it listens on.'),
  resources: z
    .strictObject({
      requests: z.record(z.string(), z.string()).optional().describe('What is reserved.'),
      limits: z.record(z.string(), z.string()).optional().describe('What may be used at most.'),
    })
    .describe('What the container needs.'),
});
export type PodContainer = z.infer<typeof containerSchema>;

const terminatedSchema = z.strictObject({
  exitCode: z
    .int()
    .describe('Its own; 128 if it never started, 137 if nobody knows (see the reason).'),
  reason: z.string().describe('Completed, Error, OOMKilled, StartError, ContainerStatusUnknown.'),
  message: z.string().optional().describe('What Mesos said.'),
  startedAt: z.string().optional().describe('When the task first ran.'),
  finishedAt: z.string().optional().describe('When it died.'),
});

const waitingSchema = z.strictObject({
  reason: z.string().describe('Why it does not run yet.'),
  message: z.string().optional().describe('The same in a sentence.'),
});

const containerStateSchema = z.strictObject({
  waiting: waitingSchema.optional().describe('It has not started.'),
  running: z
    .strictObject({ startedAt: z.string().optional().describe('When the task first ran.') })
    .optional()
    .describe('It runs.'),
  terminated: terminatedSchema.optional().describe('It has ended.'),
});
export type ContainerState = z.infer<typeof containerStateSchema>;

const containerStatusSchema = z.strictObject({
  name: z.string().describe('Name of the container.'),
  state: containerStateSchema.describe('What it is doing.'),
  ready: z.boolean().describe('It runs and its readinessProbe succeeds.'),
  started: z.boolean().describe('It runs.'),
  restartCount: z.int().describe('Runs of the instance that died in a row before this one.'),
  image: z.string().describe('Always empty.'),
  imageID: z.string().describe('Always empty.'),
  containerID: z.string().optional().describe('mesos://<ContainerID>.'),
});

export const podPhases = ['Pending', 'Running', 'Succeeded', 'Failed', 'Unknown'] as const;
export type PodPhase = (typeof podPhases)[number];

const podSpecSchema = z.strictObject({
  containers: z.array(containerSchema).meta(keyedBy('name')).describe('What runs, together.'),
  volumes: volumesSchema.optional().describe('Secrets and ConfigMaps that containers mount.'),
  nodeName: z.string().optional().describe('Host name of the agent.'),
  hostNetwork: z.boolean().optional().describe('The task is on the network of its agent.'),
  readinessGates: z
    .array(z.strictObject({ conditionType: z.string().describe('Type of the condition.') }))
    .optional()
    .describe('Conditions that must be True besides: every network has assigned an address.'),
  securityContext: z.strictObject({}).describe('Always empty: namespaces say as whom tasks run.'),
  restartPolicy: z.enum(['Never']).describe('Another run is another Task.'),
  terminationGracePeriodSeconds: z.int().optional().describe('Time between TERM and KILL.'),
});

const podStatusSchema = z.strictObject({
  phase: z.enum(podPhases).describe('Pending, Running, Succeeded, Failed, or Unknown.'),
  reason: z.string().optional().describe('Why, in a word.'),
  message: z.string().optional().describe('What Mesos said last.'),
  hostIP: z.string().optional().describe('Address of the agent.'),
  podIP: z.string().optional().describe('First address of the task.'),
  podIPs: z
    .array(z.strictObject({ ip: z.string().describe('Address.') }))
    .optional()
    .describe('All addresses, in the order of its networks.'),
  startTime: z.string().optional().describe('When the task was bound to an agent.'),
  conditions: z.array(conditionSchema).meta(keyedBy('type')).describe('As of a Pod.'),
  containerStatuses: z
    .array(containerStatusSchema)
    .meta(keyedBy('name'))
    .describe('State of each container.'),
});

export interface Pod extends KubeObject {
  apiVersion: 'v1';
  kind: 'Pod';
  spec: z.infer<typeof podSpecSchema>;
  status: z.infer<typeof podStatusSchema>;
}

/** All of the task's networks have assigned their addresses. */
export const addressesReadyGate = 'mesocosm.dev/AddressesReady';

/** What kubectl prints under STATUS. */
function statusText({ metadata, status }: Pod): string {
  if (status.phase !== 'Succeeded' && status.phase !== 'Failed') {
    if (metadata.deletionTimestamp !== undefined || status.reason === 'Terminating') {
      return 'Terminating';
    }
  }
  if (status.reason !== undefined) return status.reason;
  for (const { state } of status.containerStatuses) {
    const reason = state.waiting?.reason ?? state.terminated?.reason;
    if (reason !== undefined) return reason;
  }
  return status.phase;
}

function gatesText({ spec, status }: Pod): string {
  const gates = spec.readinessGates ?? [];
  if (gates.length === 0) return '<none>';
  const met = gates.filter(({ conditionType }) =>
    status.conditions.some(({ type, status }) => type === conditionType && status === 'True'),
  );
  return `${met.length}/${gates.length}`;
}

export const podResource = defineResource<Pod>({
  group: '',
  version: 'v1',
  kind: 'Pod',
  plural: 'pods',
  shortNames: ['po'],
  namespaced: true,
  description:
    'A Task as clients of Kubernetes know it, made from the Task of the same name: read it, delete it, read its logs, enter it. Everything else is done to the Job.',
  fields: {
    spec: podSpecSchema.describe('What runs.'),
    status: podStatusSchema.describe('What has become of it.'),
  },
  verbs: ['delete', 'get', 'list', 'watch'],
  subresources: {
    status: false,
    connects: [
      { name: 'attach', kind: 'PodAttachOptions', verbs: ['create', 'get'] },
      { name: 'exec', kind: 'PodExecOptions', verbs: ['create', 'get'] },
      { name: 'log', kind: 'Pod', verbs: ['get'] },
      {
        name: 'portforward',
        kind: 'PodPortForwardOptions',
        verbs: ['create', 'get'],
        unserved: true,
      },
    ],
  },
  selectableFields: {
    'status.phase': ({ status }) => status.phase,
    'spec.nodeName': ({ spec }) => spec.nodeName ?? '',
    'status.podIP': ({ status }) => status.podIP ?? '',
  },
  columns: [
    {
      name: 'Ready',
      type: 'string',
      description: 'Containers that are ready, of all.',
      priority: 0,
      cell: ({ spec, status }) => {
        const ready = status.containerStatuses.filter((container) => container.ready);
        return `${ready.length}/${spec.containers.length}`;
      },
    },
    {
      name: 'Status',
      type: 'string',
      description: 'What has become of it, in a word.',
      priority: 0,
      cell: statusText,
    },
    {
      name: 'Restarts',
      type: 'string',
      description: 'Runs of the instance that died in a row before this one.',
      priority: 0,
      cell: ({ status }) =>
        String(Math.max(0, ...status.containerStatuses.map(({ restartCount }) => restartCount))),
    },
    ageColumn,
    {
      name: 'IP',
      type: 'string',
      description: 'First address of the task.',
      priority: 1,
      cell: ({ status }) => status.podIP ?? '<none>',
    },
    {
      name: 'Node',
      type: 'string',
      description: 'Host name of the agent.',
      priority: 1,
      cell: ({ spec }) => spec.nodeName ?? '<none>',
    },
    {
      name: 'Nominated Node',
      type: 'string',
      description: 'Always none: tasks do not displace each other.',
      priority: 1,
      cell: () => '<none>',
    },
    {
      name: 'Readiness Gates',
      type: 'string',
      description: 'Whether every network has assigned an address.',
      priority: 1,
      cell: gatesText,
    },
  ],
});
