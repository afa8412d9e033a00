import { z } from 'zod';
import { isAddress } from './addresses.ts';
import {
  environmentSourceSchema,
  variableSourceSchema,
  volumeMountsSchema,
  volumesSchema,
} from './contents.ts';
import { keyedBy, unordered } from './list-types.ts';
import { livenessProbeSchema, readinessProbeSchema } from './probes.ts';
import { mesosRole, unixUser } from './tenancy.ts';

/** Bounds of a template, stated to users in the messages that name them. */
export const limits = {
  templateBytes: 128 * 1024,
  containers: 16,
  networks: 16,
  ports: 64,
  sources: 32,
  cores: 4096,
  bytes: 2 ** 50,
} as const;

const labelMap = z.record(z.string(), z.string());

const quantity = z
  .union([z.string(), z.number()])
  .meta({ 'x-kubernetes-int-or-string': true, description: 'A quantity: 200m, 1, 64Mi.' });

const resourceMap = z.strictObject({
  cpu: quantity.optional(),
  memory: quantity.optional(),
  'ephemeral-storage': quantity.optional(),
});

const ipFamily = z.enum(['IPv4', 'IPv6']);
export type IPFamily = z.infer<typeof ipFamily>;

const portMapping = z.strictObject({
  hostPort: z.int().min(1).max(65535).describe('Port of the agent, taken from its offered ports.'),
  containerPort: z.int().min(1).max(65535).describe('Port inside the container.'),
  protocol: z.enum(['tcp', 'udp']).optional().describe('tcp (the default) or udp.'),
});

const addressList = z
  .array(z.string().refine(isAddress, 'must be an IPv4 or IPv6 address, without prefix length'))
  .min(1)
  .max(2);

export const networkAttachmentSchema = z.strictObject({
  name: z.string().min(1).describe('Name of a Network object that is offered to the namespace.'),
  labels: labelMap.optional().describe('Labels passed to the CNI plugin.'),
  groups: z
    .array(z.string())
    .meta(unordered)
    .optional()
    .describe('Groups passed to the CNI plugin.'),
  portMappings: z
    .array(portMapping)
    .max(limits.ports)
    .optional()
    .describe('Host ports for the plugins that map them.'),
  ipFamilies: z
    .array(ipFamily)
    .min(1)
    .max(2)
    .optional()
    .describe('Families that are expected; Mesos cannot request one, a missing one is a Mismatch.'),
  ips: addressList
    .optional()
    .describe(
      'Addresses to ask for, of the staticRanges of the Network, at most one of each family; for a Job of one replica.',
    ),
  ipsByInstance: z
    .array(addressList)
    .min(1)
    .max(10_000)
    .optional()
    .describe('Addresses to ask for, by instance: the first entry is for instance 0.'),
  sticky: z
    .boolean()
    .optional()
    .describe(
      'The first address that an instance is given is kept for it and asked for in every later run.',
    ),
});
export type NetworkAttachment = z.infer<typeof networkAttachmentSchema>;

const containerPort = z.strictObject({
  name: z
    .string()
    .regex(
      /^[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?$/,
      'must be a lower-case name of at most 15 characters',
    )
    .describe('Name that probes and ServerSets use.'),
  containerPort: z
    .int()
    .min(1)
    .max(65535)
    .optional()
    .describe('Port that the container listens on.'),
  hostPort: z
    .int()
    .min(0)
    .max(65535)
    .optional()
    .describe(
      'For a task on the network of its agent: the port to take from the offer; 0 takes any and tells it in COSM_PORT_<NAME>. The containerPort if absent.',
    ),
  protocol: z.enum(['TCP', 'UDP']).optional().describe('TCP (the default) or UDP.'),
});
export type ContainerPort = z.infer<typeof containerPort>;

export const containerSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'must be a DNS label: lower case, digits and -')
    .describe('Name of the container, unique in the task.'),
  script: z.string().min(1).optional().describe('Text run by /bin/sh -c.'),
  command: z
    .array(z.string())
    .min(1)
    .optional()
    .describe('Program and arguments, without a shell.'),
  args: z.array(z.string()).optional().describe('Arguments after command.'),
  env: z
    .array(
      z.strictObject({
        name: z
          .string()
          .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be a name that a shell accepts')
          .describe('Name of the variable.'),
        value: z.string().optional().describe('Its value, as it is; empty if absent.'),
        valueFrom: variableSourceSchema
          .optional()
          .describe('Where its value comes from, when the task is launched.'),
      }),
    )
    .meta(keyedBy('name'))
    .optional()
    .describe('Environment variables.'),
  envFrom: z
    .array(environmentSourceSchema)
    .max(limits.sources)
    .optional()
    .describe('Sources of variables named by their keys; later ones win, and env over all.'),
  volumeMounts: volumeMountsSchema
    .optional()
    .describe('Volumes that the container sees, and where.'),
  resources: z
    .strictObject({
      requests: resourceMap.optional().describe('What is reserved: cpu and memory are needed.'),
      limits: resourceMap
        .optional()
        .describe('What may be used at most; memory is the request if absent.'),
    })
    .optional()
    .describe('What the container needs.'),
  ports: z
    .array(containerPort)
    .max(limits.ports)
    .meta(keyedBy('name'))
    .optional()
    .describe('Ports that it listens on.'),
  readinessProbe: readinessProbeSchema
    .optional()
    .describe(
      'Tells when the task may get traffic: as soon as it runs, if there is none. HTTP and TCP go to loopback inside the task, see httpGet.',
    ),
  livenessProbe: livenessProbeSchema
    .optional()
    .describe(
      'Tells when the task must be killed and replaced; with several containers all are. HTTP and TCP go to loopback inside the task, see httpGet.',
    ),
});
export type Container = z.infer<typeof containerSchema>;

export const constraintSchema = z.strictObject({
  attribute: z.string().min(1).describe('hostname, agentId, or an attribute of the agent.'),
  operator: z
    .enum(['Equals', 'In', 'Unique', 'MaxPerDomain'])
    .describe(
      'Equals and In compare with values; Unique and MaxPerDomain spread the tasks of the job.',
    ),
  values: z.array(z.string()).optional().describe('One for Equals, one or more for In.'),
  max: z
    .int()
    .min(1)
    .optional()
    .describe('Most tasks of the job with one value, for MaxPerDomain.'),
});
export type Constraint = z.infer<typeof constraintSchema>;

/** The fields that a template and a Task share: what is to be launched. */
export const launchFields = {
  networks: z
    .array(networkAttachmentSchema)
    .max(limits.networks)
    .meta(keyedBy('name'))
    .optional()
    .describe(
      'CNI networks to join, in the order of the interfaces; none: the network of the agent.',
    ),
  onMissingAddress: z
    .enum(['Wait', 'Replace', 'Fail'])
    .optional()
    .describe(
      'What follows when a running task has not got its addresses by the deadline: Wait (the default), Replace it, or Fail: stall the Job.',
    ),
  addressDeadlineSeconds: z
    .number()
    .min(1)
    .max(86_400)
    .optional()
    .describe('Time that a running task has to get its addresses; 60 if absent.'),
  containers: z
    .array(containerSchema)
    .min(1)
    .max(limits.containers)
    .meta(keyedBy('name'))
    .describe('What runs, together.'),
  volumes: volumesSchema
    .optional()
    .describe('Secrets and ConfigMaps of the namespace that containers can mount, read-only.'),
  constraints: z.array(constraintSchema).optional().describe('Which agents may be chosen.'),
  user: z
    .string()
    .regex(unixUser, 'must be a Unix user: lower case, digits, - and _')
    .optional()
    .describe(
      'Unix user that the containers run as, of those that the namespace allows; its first, or that of the framework, if absent.',
    ),
  role: z
    .string()
    .regex(mesosRole, 'must be a Mesos role')
    .optional()
    .describe(
      'Mesos role whose resources are taken: that of the namespace; any of ours if absent.',
    ),
  terminationGracePeriodSeconds: z
    .number()
    .min(0)
    .max(86_400)
    .optional()
    .describe('Time between TERM and KILL; 30 if absent.'),
};

export const templateSpecSchema = z.strictObject(launchFields);
export type TemplateSpec = z.infer<typeof templateSpecSchema>;

export const templateSchema = z.strictObject({
  metadata: z
    .strictObject({
      labels: labelMap
        .optional()
        .describe('Labels of every task; ServerSets and -l select by them.'),
      annotations: labelMap.optional().describe('Annotations of every task.'),
    })
    .optional()
    .describe('Labels and annotations of the tasks.'),
  spec: templateSpecSchema.describe('What a task of the job runs.'),
});
