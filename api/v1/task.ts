import { isIPv6 } from 'node:net';
import { z } from 'zod';
import { conditionSchema, isConditionTrue } from '../machinery/conditions.ts';
import { jsonEqual } from '../machinery/json.ts';
import type { FieldError } from '../machinery/errors.ts';
import type { KubeObject } from '../machinery/metadata.ts';
import { group, version } from './group.ts';
import { validateTaskAddresses } from './address-rules.ts';
import { keyedBy } from './list-types.ts';
import { launchFields, type Container } from './template.ts';
import { mendOfProbe } from './probe-rules.ts';
import { validateLaunch } from './template-rules.ts';
import { ageColumn, defineResource } from './zod-resource.ts';

/** Held by a Task until Mesos has said that it is dead. */
export const mesosFinalizer = 'mesocosm.dev/mesos';

/**
 * On a Task, "true": a stopped Task is killed although its members could not be withdrawn from ZooKeeper;
 * they are once it is back. On a Job, a note for people.
 */
export const forceDeleteAnnotation = 'mesocosm.dev/force-delete';

/**
 * "true" on an Unreachable Task: an operator says that it is dead. Everything follows as if Mesos had said
 * so, and what runs all the same is killed once it is in sight again. Taken off a Task that is in sight.
 */
export const confirmDeadAnnotation = 'mesocosm.dev/confirm-dead';

export const taskDefaults = {
  terminationGracePeriodSeconds: 30,
  probe: { initialDelaySeconds: 0, periodSeconds: 10, timeoutSeconds: 5 },
  liveness: { failureThreshold: 3, gracePeriodSeconds: 10 },
  addressDeadlineSeconds: 60,
} as const;

const stopSchema = z.strictObject({
  reason: z
    .enum([
      'ScaleDown',
      'Update',
      'Deleted',
      'Replaced',
      'Unhealthy',
      'Maintenance',
      'Requested',
      'Completed',
      'JobFailed',
    ])
    .describe('Why the task is to stop.'),
  message: z.string().optional().describe('The reason in a sentence.'),
  deadline: z.string().optional().describe('When patience with draining ends (RFC 3339).'),
});

export const taskSpecSchema = z.strictObject({
  job: z.string().min(1).describe('Name of the Job.'),
  instance: z.int().min(0).describe('Instance of the Job that this is a run of; the shard.'),
  revision: z.string().min(1).describe('JobRevision that the template came from.'),
  restarts: z.int().min(0).describe('Runs of this instance that died in a row before this one.'),
  ...launchFields,
  stop: stopSchema.optional().describe('Set once when the task is to stop; never unset.'),
});
export type TaskSpec = z.infer<typeof taskSpecSchema>;

/**
 * Pending: not yet placed. Launching: bound to an agent, Mesos asked. Starting, Running, Stopping: as
 * Mesos says. Unreachable: Mesos lost sight of it, it may return. The last three are dead.
 */
export const taskPhases = [
  'Pending',
  'Launching',
  'Starting',
  'Running',
  'Stopping',
  'Unreachable',
  'Finished',
  'Failed',
  'Killed',
] as const;
export type TaskPhase = (typeof taskPhases)[number];

export const verdicts = ['Pending', 'Assigned', 'Missing', 'Mismatch', 'Rejected'] as const;

const networkStatusSchema = z.strictObject({
  name: z.string().describe('Name of the Network object.'),
  cniName: z.string().describe('Name of the CNI network as the agent knows it.'),
  interface: z.string().describe('Interface in the task: eth0 is the first network asked for.'),
  ips: z.array(z.string()).describe('Addresses without prefix length; IPv4 first.'),
  requestedIps: z
    .array(z.string())
    .optional()
    .describe('Addresses that were asked for; the task holds their AddressClaims.'),
  verdict: z.enum(verdicts).describe('Whether the addresses are what was asked for.'),
  message: z.string().optional().describe('Why the verdict is what it is.'),
  lastTransitionTime: z.string().describe('When verdict or addresses last changed.'),
});
export type NetworkStatus = z.infer<typeof networkStatusSchema>;

const addressFields = {
  ip: z.string().optional().describe('First address of the first network that has one.'),
  ips: z.array(z.string()).optional().describe('All addresses, in the order of the networks.'),
  networks: z
    .array(networkStatusSchema)
    .meta(keyedBy('name'))
    .optional()
    .describe('Addresses by network.'),
};

const agentAddressSchema = z.strictObject({
  hostname: z.string().describe('Host name of the agent.'),
  ip: z.string().optional().describe('Address to connect to, if the master has told it.'),
  port: z.int().describe('Port of its HTTP API.'),
});

const mesosStatusSchema = z.strictObject({
  taskId: z.string().describe('TaskID: <namespace>.<task>.'),
  frameworkId: z.string().optional().describe('FrameworkID that it was launched under.'),
  executorId: z
    .string()
    .optional()
    .describe('ExecutorID; the TaskID for a task with the command executor.'),
  containerId: z.string().optional().describe('Mesos container of the executor.'),
  agentId: z.string().optional().describe('Agent that the task is bound to.'),
  agentHostname: z.string().optional().describe('Host name of that agent.'),
  agentAddress: agentAddressSchema.optional().describe('HTTP endpoint of the agent, for logs.'),
  state: z.string().optional().describe('Last TaskState that Mesos reported.'),
  source: z.string().optional().describe('Who made the state: master, agent or executor.'),
  reason: z.string().optional().describe('Reason of the state, as Mesos names it.'),
  message: z.string().optional().describe('What Mesos said about the state.'),
  timestamp: z.number().optional().describe('When the state was made, in seconds since the epoch.'),
});

const containerStatusSchema = z.strictObject({
  name: z.string().describe('Name of the container in the spec.'),
  taskId: z.string().describe('Mesos TaskID of this container.'),
  state: z.string().optional().describe('Last TaskState of this container.'),
  reason: z.string().optional().describe('Reason of that state, as Mesos names it.'),
  message: z.string().optional().describe('What Mesos said about that state.'),
  healthy: z.boolean().optional().describe('Last result of the livenessProbe while it ran.'),
  probe: z.enum(['Succeeded', 'Failed']).optional().describe('Last result of the readinessProbe.'),
  probeMessage: z.string().optional().describe('How the readinessProbe failed.'),
  endingTimestamp: z
    .number()
    .optional()
    .describe('When its end began, in seconds since the epoch: that of a group begins with one.'),
  containerId: z.string().optional().describe('Mesos container of this container.'),
});
export type ContainerStatus = z.infer<typeof containerStatusSchema>;

export const taskStatusSchema = z.strictObject({
  phase: z
    .enum(taskPhases)
    .describe(
      'Pending: waits for an agent. Launching: Mesos was asked. Unreachable: out of sight, may return. Finished, Failed and Killed are final.',
    ),
  mesos: mesosStatusSchema.optional().describe('What Mesos said last.'),
  containers: z
    .array(containerStatusSchema)
    .meta(keyedBy('name'))
    .optional()
    .describe('State of each container.'),
  ...addressFields,
  lastKnown: z
    .strictObject(addressFields)
    .optional()
    .describe('Addresses before the task became unreachable; not for discovery.'),
  ports: z
    .array(
      z.strictObject({
        name: z.string().describe('Name of the port in the spec.'),
        hostPort: z.int().describe('Its number on the agent.'),
      }),
    )
    .optional()
    .describe('Ports taken from the offer, for tasks on the network of their agent.'),
  scheduledTime: z.string().optional().describe('When the task was bound to an agent.'),
  startTime: z.string().optional().describe('When it first ran.'),
  unreachableTime: z.string().optional().describe('Since when it is unreachable.'),
  finishTime: z.string().optional().describe('When it died.'),
  conditions: z
    .array(conditionSchema)
    .meta(keyedBy('type'))
    .optional()
    .describe(
      'Scheduled, Ready, AddressesReady; AddressConflict once another live task has had an address of it.',
    ),
});
export type TaskStatus = z.infer<typeof taskStatusSchema>;

export interface Task extends KubeObject {
  apiVersion: 'mesocosm.dev/v1';
  kind: 'Task';
  spec: TaskSpec;
  status?: TaskStatus | undefined;
}

/** Another live task has an address of it on the same CNI network. False once that is over. */
export const addressConflictCondition = 'AddressConflict';

export function phaseOf(task: Task): TaskPhase {
  return task.status?.phase ?? 'Pending';
}

/** Nothing, from any source, brings a task back from these. */
export const deadPhases: readonly string[] = ['Finished', 'Failed', 'Killed'];

export function isDead(task: Task): boolean {
  return deadPhases.includes(phaseOf(task));
}

export function isReady(task: Task): boolean {
  return isConditionTrue(task.status?.conditions, 'Ready');
}

/** Whether its end does not wait until its members are withdrawn. */
export function isForced(task: Task): boolean {
  return task.metadata.annotations?.[forceDeleteAnnotation] === 'true';
}

/** TaskID of a Task with one container; each container of a group appends its name. */
export function mesosTaskId(task: {
  metadata: { namespace?: string | undefined; name: string };
}): string {
  return `${task.metadata.namespace ?? ''}.${task.metadata.name}`;
}

/** The Mesos TaskIDs that launching a Task uses, by container. */
export function mesosTaskIds(task: Task): { container: string; taskId: string }[] {
  const base = mesosTaskId(task);
  const { containers } = task.spec;
  return containers.map(({ name }) => ({
    container: name,
    taskId: containers.length === 1 ? base : `${base}.${name}`,
  }));
}

/** The inverse of mesosTaskIds; undefined for an id that we cannot have made. */
export function parseMesosTaskId(
  taskId: string,
): { namespace: string; name: string; container?: string } | undefined {
  const [namespace, name, container, ...rest] = taskId.split('.');
  if (namespace === undefined || namespace === '' || name === undefined || name === '')
    return undefined;
  if (rest.length > 0 || container === '') return undefined;
  return { namespace, name, ...(container === undefined ? {} : { container }) };
}

/** A Task shows what it is launched with: the defaults of its time are written down in it. */
function withDefaults(task: Task): Task {
  const { spec } = task;
  return {
    ...task,
    spec: {
      ...spec,
      terminationGracePeriodSeconds:
        spec.terminationGracePeriodSeconds ?? taskDefaults.terminationGracePeriodSeconds,
      containers: spec.containers.map(containerWithDefaults),
    },
  };
}

function containerWithDefaults(container: Container): Container {
  const { resources, readinessProbe, livenessProbe, ports } = container;
  const memory = resources?.limits?.memory ?? resources?.requests?.memory;
  return {
    ...container,
    resources: {
      ...resources,
      ...(memory === undefined ? {} : { limits: { ...resources?.limits, memory } }),
    },
    ...(ports === undefined
      ? {}
      : { ports: ports.map((port) => ({ ...port, protocol: port.protocol ?? ('TCP' as const) })) }),
    ...(readinessProbe === undefined
      ? {}
      : { readinessProbe: { ...taskDefaults.probe, ...readinessProbe } }),
    ...(livenessProbe === undefined
      ? {}
      : { livenessProbe: { ...taskDefaults.probe, ...taskDefaults.liveness, ...livenessProbe } }),
  };
}

/** A Task is one run: only `stop` may be added to it. */
function validate(task: Task, context: { old?: KubeObject }): FieldError[] {
  const old = context.old === undefined ? undefined : taskResource.parse(context.old);
  if (old === undefined) {
    return [...validateLaunch(task.spec, 'spec'), ...validateTaskAddresses(task.spec, 'spec')];
  }
  if (!old.ok) return [];
  const { stop: oldStop, ...before } = old.value.spec;
  const { stop, ...after } = task.spec;
  const errors: FieldError[] = [];
  if (!jsonEqual(before, after)) {
    errors.push({
      field: 'spec',
      message:
        'Forbidden: a Task is one run and does not change; only stop may be set. Change the Job',
      reason: 'FieldValueForbidden',
    });
  }
  if (oldStop !== undefined && !jsonEqual(oldStop, stop)) {
    errors.push({
      field: 'spec.stop',
      message: 'Forbidden: stop is set once and never changed or unset',
      reason: 'FieldValueForbidden',
    });
  }
  return errors;
}

function addressesByNetwork(task: Task): string {
  const networks = task.status?.networks ?? [];
  if (networks.length === 0) return task.status?.mesos?.agentHostname ?? '<none>';
  return networks
    .map(
      ({ name, ips }) =>
        `${name}=${ips.map((ip) => (isIPv6(ip) ? `[${ip}]` : ip)).join('+') || '<none>'}`,
    )
    .join(',');
}

export const taskResource = defineResource<Task>({
  group,
  version,
  kind: 'Task',
  plural: 'tasks',
  shortNames: ['mt'],
  categories: ['all', 'mesocosm'],
  namespaced: true,
  fieldOwners: 'OnceApplied',
  description:
    'One run of one instance of a Job: what is launched, and what Mesos said. Made by controllers.',
  fields: {
    spec: taskSpecSchema.describe(
      'What is launched, with the defaults of its time; only stop may be added.',
    ),
    status: taskStatusSchema.optional().describe('What Mesos has said of it.'),
  },
  subresources: { status: true },
  mendOf: mendOfProbe,
  columns: [
    {
      name: 'Phase',
      type: 'string',
      description: 'Where the task is in its life.',
      priority: 0,
      cell: (task) => (task.spec.stop !== undefined && !isDead(task) ? 'Stopping' : phaseOf(task)),
    },
    {
      name: 'Ready',
      type: 'string',
      description: 'Whether the task may get traffic.',
      priority: 0,
      cell: (task) => (isReady(task) ? 'True' : 'False'),
    },
    {
      name: 'Restarts',
      type: 'integer',
      description: 'Runs of the instance that died in a row before.',
      priority: 0,
      cell: (task) => task.spec.restarts,
    },
    {
      name: 'IP',
      type: 'string',
      description: 'First address of the task.',
      priority: 0,
      cell: (task) => task.status?.ip ?? '<none>',
    },
    {
      name: 'Agent',
      type: 'string',
      description: 'Host name of the agent.',
      priority: 0,
      cell: (task) => task.status?.mesos?.agentHostname ?? '<none>',
    },
    ageColumn,
    {
      name: 'Addresses',
      type: 'string',
      description: 'Addresses on each network.',
      priority: 1,
      cell: addressesByNetwork,
    },
    {
      name: 'Message',
      type: 'string',
      description: 'What Mesos said last.',
      priority: 1,
      cell: (task) => task.status?.mesos?.message ?? '',
    },
  ],
  defaults: withDefaults,
  validate,
});
