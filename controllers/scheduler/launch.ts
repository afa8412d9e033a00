import { parseQuantity } from '../../api/machinery/quantity.ts';
import { familyOf } from '../../api/v1/addresses.ts';
import { mesosTaskId, mesosTaskIds, taskDefaults, type Task } from '../../api/v1/task.ts';
import type { Container, NetworkAttachment } from '../../api/v1/template.ts';
import type {
  CommandInfo,
  ContainerInfo,
  DiscoveryInfo,
  EnvironmentVariable,
  KillPolicy,
  Labels,
  NetworkInfo,
  OfferOperation,
  TaskInfo,
} from '../../proto/mesos/generated/messages.ts';
import { variableName, withDiscovery } from '../network/discovery.ts';
import { checkOf, execCommand, healthCheckOf, portNumbers, type Probing } from './checks.ts';
import type { TaskContents } from './contents.ts';
import type { Placement } from './placement.ts';

/** What Mesos is told to launch for a placed Task: a pure function. */

export interface LaunchContext {
  frameworkId: string;
  cniNameOf: (network: string) => string;
  /** What the task takes from Secrets and ConfigMaps. */
  contents: Extract<TaskContents, { kind: 'Found' }>;
}

/** LAUNCH for one container (command executor), LAUNCH_GROUP for several (default executor). */
export function launchOperation(placement: Placement, context: LaunchContext): OfferOperation {
  const { task } = placement;
  const infos = mesosTaskIds(task).map(({ container, taskId }) =>
    taskInfo(placement, container, taskId, context),
  );
  const container = containerInfo(task, context);
  const [only] = infos;
  if (infos.length === 1 && only !== undefined) {
    const whole = { ...only.container, ...container };
    const info =
      container === undefined ? only : { ...only, container: { ...whole, type: 'MESOS' } as const };
    return { type: 'LAUNCH', launch: { task_infos: [info] } };
  }
  return {
    type: 'LAUNCH_GROUP',
    launch_group: {
      executor: {
        type: 'DEFAULT',
        executor_id: { value: mesosTaskId(task) },
        framework_id: { value: context.frameworkId },
        name: task.spec.job,
        resources: placement.executor,
        ...(container === undefined ? {} : { container }),
      },
      task_group: { tasks: withOwnCgroups(infos) },
    },
  };
}

/**
 * Containers of a group share the cgroups of their executor, where a limit of one means nothing and the
 * master refuses it; with one of their own all of them get theirs.
 */
function withOwnCgroups(infos: readonly TaskInfo[]): TaskInfo[] {
  if (infos.every(({ limits }) => limits === undefined)) return [...infos];
  const own: ContainerInfo = { type: 'MESOS', linux_info: { share_cgroups: false } };
  return infos.map((info) => ({ ...info, container: { ...info.container, ...own } }));
}

function taskInfo(
  placement: Placement,
  name: string,
  taskId: string,
  { cniNameOf, contents }: LaunchContext,
): TaskInfo {
  const { task, offer } = placement;
  const container = task.spec.containers.find((candidate) => candidate.name === name);
  if (container === undefined)
    throw new Error(`task ${task.metadata.name} has no container ${name}`);
  const { readinessProbe, livenessProbe } = container;
  const ports = portNumbers(task, placement.ports);
  const networks = (task.spec.networks ?? []).map((network) => network.name);
  const limits = limitsOf(container);
  const discovery = discoveryOf(task, container, ports, cniNameOf);
  const { variables: given, volumes } = contents.ofContainer(name);
  const variables = environment(placement, given, ports);
  // Mesos' checker looks at plain values only: a Secret would become an empty one.
  const plain = variables.filter(({ type }) => type !== 'SECRET');
  const probing: Probing = { ports, networks, variables: plain };
  return {
    name: `${task.spec.job}-${task.spec.instance}`,
    task_id: { value: taskId },
    agent_id: { value: offer.agentId },
    resources: placement.containers.get(name) ?? [],
    command: {
      ...commandOf(container, networks),
      ...(task.spec.user === undefined ? {} : { user: task.spec.user }),
      environment: { variables },
    },
    kill_policy: killPolicy(task),
    labels: labelsOf({
      ...task.metadata.labels,
      'mesocosm.dev/namespace': task.metadata.namespace ?? '',
      'mesocosm.dev/task': task.metadata.name,
      'mesocosm.dev/uid': task.metadata.uid,
    }),
    discovery,
    ...(volumes.length === 0 ? {} : { container: { type: 'MESOS', volumes: [...volumes] } }),
    ...(readinessProbe === undefined ? {} : { check: checkOf(readinessProbe, probing) }),
    ...(livenessProbe === undefined ? {} : { health_check: healthCheckOf(livenessProbe, probing) }),
    ...(limits === undefined ? {} : { limits }),
  };
}

export function killPolicy(task: Task): KillPolicy {
  const seconds =
    task.spec.terminationGracePeriodSeconds ?? taskDefaults.terminationGracePeriodSeconds;
  return { grace_period: { nanoseconds: Math.round(seconds * 1e9) } };
}

/** The command, which finds the addresses of the task in its environment. */
function commandOf(container: Container, networks: readonly string[]): CommandInfo {
  if (container.script !== undefined) {
    return { shell: true, value: withDiscovery(container.script, networks) };
  }
  return execCommand([...(container.command ?? []), ...(container.args ?? [])], networks);
}

function environment(
  { task, offer }: Placement,
  given: readonly EnvironmentVariable[],
  ports: ReadonlyMap<string, number>,
): EnvironmentVariable[] {
  const facts: Record<string, string> = {
    COSM_TASK: task.metadata.name,
    COSM_NAMESPACE: task.metadata.namespace ?? '',
    COSM_JOB: task.spec.job,
    COSM_INSTANCE: String(task.spec.instance),
    COSM_HOST: offer.hostname,
  };
  for (const [name, port] of ports) facts[`COSM_PORT_${variableName(name)}`] = String(port);
  const names = new Set(given.map(({ name }) => name));
  const ours = Object.entries(facts).map(
    ([name, value]) => ({ name, value, type: 'VALUE' }) as const,
  );
  return [...ours.filter(({ name }) => !names.has(name)), ...given];
}

function containerInfo(task: Task, { cniNameOf }: LaunchContext): ContainerInfo | undefined {
  const networks = task.spec.networks ?? [];
  if (networks.length === 0) return undefined;
  return {
    type: 'MESOS',
    network_infos: networks.map((network) =>
      networkInfo(network, requestedIps(task, network.name), cniNameOf),
    ),
  };
}

/** What was written down when the task was bound: its claims are held. */
function requestedIps(task: Task, network: string): readonly string[] {
  return task.status?.networks?.find(({ name }) => name === network)?.requestedIps ?? [];
}

/** Mesos hands ip_addresses on to the plugin, as args."org.apache.mesos".network_info, and no more. */
function networkInfo(
  network: NetworkAttachment,
  ips: readonly string[],
  cniNameOf: (name: string) => string,
): NetworkInfo {
  const { labels, groups, portMappings } = network;
  return {
    name: cniNameOf(network.name),
    ...(ips.length === 0
      ? {}
      : { ip_addresses: ips.map((ip) => ({ protocol: familyOf(ip), ip_address: ip })) }),
    ...(labels === undefined ? {} : { labels: labelsOf(labels) }),
    ...(groups === undefined ? {} : { groups }),
    ...(portMappings === undefined
      ? {}
      : {
          port_mappings: portMappings.map(({ hostPort, containerPort, protocol }) => ({
            host_port: hostPort,
            container_port: containerPort,
            protocol: protocol ?? 'tcp',
          })),
        }),
  };
}

function labelsOf(labels: Readonly<Record<string, string>>): Labels {
  return { labels: Object.entries(labels).map(([key, value]) => ({ key, value })) };
}

/**
 * DiscoveryInfo with the labels that Marathon set, which other tools of the cluster read. Each container
 * tells its own ports: each is a Mesos task, and a port of a group would be told once for each of them.
 */
function discoveryOf(
  task: Task,
  container: Container,
  ports: ReadonlyMap<string, number>,
  cniNameOf: (network: string) => string,
): DiscoveryInfo {
  const networks = task.spec.networks ?? [];
  const scopes =
    networks.length === 0
      ? [{ 'network-scope': 'host' }]
      : networks.map(({ name }) => ({
          'network-scope': 'container',
          'network-name': cniNameOf(name),
        }));
  return {
    visibility: 'CLUSTER',
    name: `${task.spec.job}.${task.metadata.namespace ?? ''}`,
    ports: {
      ports: (container.ports ?? []).flatMap((port) =>
        scopes.map((scope) => ({
          number: ports.get(port.name) ?? 0,
          name: port.name,
          protocol: (port.protocol ?? 'TCP').toLowerCase(),
          labels: labelsOf(scope),
        })),
      ),
    },
  };
}

/** TaskInfo.limits, only where a limit is above its request: the request is the limit otherwise. */
function limitsOf(container: Container): Record<string, { value: number }> | undefined {
  const { requests, limits } = container.resources ?? {};
  const entries: [string, { value: number }][] = [];
  const above = (name: 'cpu' | 'memory'): number | undefined => {
    const limit = parseQuantity(limits?.[name] ?? '');
    return limit !== undefined && limit > (parseQuantity(requests?.[name] ?? 0) ?? 0)
      ? limit
      : undefined;
  };
  const [cpu, memory] = [above('cpu'), above('memory')];
  if (cpu !== undefined) entries.push(['cpus', { value: cpu }]);
  if (memory !== undefined) entries.push(['mem', { value: Math.ceil(memory / 2 ** 20) }]);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}
