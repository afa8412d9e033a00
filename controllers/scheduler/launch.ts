import { parseQuantity } from '../../api/machinery/quantity.ts';
import { familyOf } from '../../api/v1/addresses.ts';
import { mesosTaskId, mesosTaskIds, taskDefaults, type Task } from '../../api/v1/task.ts';
import type {
  Container,
  LivenessProbe,
  NetworkAttachment,
  ReadinessProbe,
} from '../../api/v1/template.ts';
import type {
  CheckInfo,
  CommandInfo,
  ContainerInfo,
  DiscoveryInfo,
  EnvironmentVariable,
  HealthCheck,
  KillPolicy,
  Labels,
  NetworkInfo,
  OfferOperation,
  TaskInfo,
} from '../../proto/mesos/generated/messages.ts';
import { argvWithDiscovery, variableName, withDiscovery } from '../network/discovery.ts';
import type { Placement } from './placement.ts';

/** What Mesos is told to launch for a placed Task: a pure function. */

export interface LaunchContext {
  frameworkId: string;
  cniNameOf: (network: string) => string;
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
    return {
      type: 'LAUNCH',
      launch: { task_infos: [{ ...only, ...(container === undefined ? {} : { container }) }] },
    };
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
  const container: ContainerInfo = { type: 'MESOS', linux_info: { share_cgroups: false } };
  return infos.map((info) => ({ ...info, container }));
}

function taskInfo(
  placement: Placement,
  name: string,
  taskId: string,
  { cniNameOf }: LaunchContext,
): TaskInfo {
  const { task, offer } = placement;
  const container = task.spec.containers.find((candidate) => candidate.name === name);
  if (container === undefined)
    throw new Error(`task ${task.metadata.name} has no container ${name}`);
  const { readinessProbe, livenessProbe } = container;
  const ports = portNumbers(task, placement.ports);
  const networks = (task.spec.networks ?? []).map((network) => network.name);
  const limits = limitsOf(container);
  const discovery = discoveryOf(task, ports, cniNameOf);
  const variables = environment(placement, container, ports);
  const probing: Probing = { ports, networks, variables };
  return {
    name: `${task.spec.job}-${task.spec.instance}`,
    task_id: { value: taskId },
    agent_id: { value: offer.agentId },
    resources: placement.containers.get(name) ?? [],
    command: {
      ...commandOf(container, networks),
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

/** Numbers of the named ports of a task, as its processes see them. */
export function portNumbers(
  task: Task,
  hostPorts: readonly { name: string; hostPort: number }[],
): ReadonlyMap<string, number> {
  const all = task.spec.containers.flatMap(({ ports = [] }) => ports);
  return new Map(
    all.map((port) => {
      const host = hostPorts.find(({ name }) => name === port.name)?.hostPort;
      return [port.name, host ?? port.containerPort ?? 0];
    }),
  );
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
  container: Container,
  ports: ReadonlyMap<string, number>,
): EnvironmentVariable[] {
  const given = (container.env ?? []).map(({ name, value }) => ({ name, value: value ?? '' }));
  const facts: Record<string, string> = {
    COSM_TASK: task.metadata.name,
    COSM_NAMESPACE: task.metadata.namespace ?? '',
    COSM_JOB: task.spec.job,
    COSM_INSTANCE: String(task.spec.instance),
    COSM_HOST: offer.hostname,
  };
  for (const [name, port] of ports) facts[`COSM_PORT_${variableName(name)}`] = String(port);
  const ours = Object.entries(facts).map(([name, value]) => ({ name, value }));
  return [...ours.filter(({ name }) => !given.some((one) => one.name === name)), ...given].map(
    (variable): EnvironmentVariable => ({ ...variable, type: 'VALUE' }),
  );
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

/** DiscoveryInfo with the labels that Marathon set, which other tools of the cluster read. */
function discoveryOf(
  task: Task,
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
  const all = task.spec.containers.flatMap((container) => container.ports ?? []);
  return {
    visibility: 'CLUSTER',
    name: `${task.spec.job}.${task.metadata.namespace ?? ''}`,
    ports: {
      ports: all.flatMap((port) =>
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

function timing(probe: ReadinessProbe): {
  delay_seconds: number;
  interval_seconds: number;
  timeout_seconds: number;
} {
  const { probe: defaults } = taskDefaults;
  return {
    delay_seconds: probe.initialDelaySeconds ?? defaults.initialDelaySeconds,
    interval_seconds: probe.periodSeconds ?? defaults.periodSeconds,
    timeout_seconds: probe.timeoutSeconds ?? defaults.timeoutSeconds,
  };
}

function numberOf(port: number | string, ports: ReadonlyMap<string, number>): number {
  return typeof port === 'number' ? port : (ports.get(port) ?? 0);
}

function execCommand(argv: readonly string[], networks: readonly string[]): CommandInfo {
  const words = argvWithDiscovery(argv, networks);
  return { shell: false, value: words[0] ?? '', arguments: [...words] };
}

/** What a probe needs to know of its container. */
interface Probing {
  ports: ReadonlyMap<string, number>;
  networks: readonly string[];
  variables: readonly EnvironmentVariable[];
}

/** The command executor runs a probe in its own environment, not the task's: it is told that too. */
function probeCommand(argv: readonly string[] = [], { networks, variables }: Probing): CommandInfo {
  return { ...execCommand(argv, networks), environment: { variables: [...variables] } };
}

/** readinessProbe is CheckInfo: its result is reported and decides nothing in Mesos. */
function checkOf(probe: ReadinessProbe, probing: Probing): CheckInfo {
  const { ports } = probing;
  if (probe.httpGet !== undefined) {
    const { port, path } = probe.httpGet;
    return {
      type: 'HTTP',
      http: { port: numberOf(port, ports), path: path ?? '/' },
      ...timing(probe),
    };
  }
  if (probe.tcpSocket !== undefined) {
    return { type: 'TCP', tcp: { port: numberOf(probe.tcpSocket.port, ports) }, ...timing(probe) };
  }
  return {
    type: 'COMMAND',
    command: { command: probeCommand(probe.exec?.command, probing) },
    ...timing(probe),
  };
}

/** livenessProbe is HealthCheck: Mesos kills the task after failureThreshold failures in a row. */
function healthCheckOf(probe: LivenessProbe, probing: Probing): HealthCheck {
  const { ports } = probing;
  const { liveness: defaults } = taskDefaults;
  const common = {
    ...timing(probe),
    consecutive_failures: probe.failureThreshold ?? defaults.failureThreshold,
    grace_period_seconds: probe.gracePeriodSeconds ?? defaults.gracePeriodSeconds,
  };
  if (probe.httpGet !== undefined) {
    const { port, path } = probe.httpGet;
    return {
      type: 'HTTP',
      http: { port: numberOf(port, ports), scheme: 'http', path: path ?? '/' },
      ...common,
    };
  }
  if (probe.tcpSocket !== undefined) {
    return { type: 'TCP', tcp: { port: numberOf(probe.tcpSocket.port, ports) }, ...common };
  }
  return { type: 'COMMAND', command: probeCommand(probe.exec?.command, probing), ...common };
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
