import { taskDefaults, type Task } from '../../api/v1/task.ts';
import type { LivenessProbe, ReadinessProbe } from '../../api/v1/probes.ts';
import type {
  CheckInfo,
  CommandInfo,
  EnvironmentVariable,
  HealthCheck,
} from '../../proto/mesos/generated/messages.ts';
import { argvWithDiscovery } from '../network/discovery.ts';

/** What Mesos is told to check, and how people are told of it: pure functions. */

type Probe = ReadinessProbe | LivenessProbe;

/** What a probe needs to know of its container. */
export interface Probing {
  ports: ReadonlyMap<string, number>;
  networks: readonly string[];
  variables: readonly EnvironmentVariable[];
}

/** readinessProbe is CheckInfo: its result is reported and decides nothing in Mesos. */
export function checkOf(probe: ReadinessProbe, probing: Probing): CheckInfo {
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
  return { type: 'COMMAND', command: { command: probeCommand(probe, probing) }, ...timing(probe) };
}

/** livenessProbe is HealthCheck: Mesos kills the task after failureThreshold failures in a row. */
export function healthCheckOf(probe: LivenessProbe, probing: Probing): HealthCheck {
  const { ports } = probing;
  const { liveness: defaults } = taskDefaults;
  const common = {
    ...timing(probe),
    consecutive_failures: probe.failureThreshold ?? defaults.failureThreshold,
    grace_period_seconds: probe.gracePeriodSeconds ?? defaults.gracePeriodSeconds,
  };
  if (probe.httpGet !== undefined) {
    const { port, path, scheme, ipFamily } = probe.httpGet;
    return {
      type: 'HTTP',
      http: {
        port: numberOf(port, ports),
        scheme: scheme === 'HTTPS' ? 'https' : 'http',
        path: path ?? '/',
        ...(ipFamily === undefined ? {} : { protocol: ipFamily }),
      },
      ...common,
    };
  }
  if (probe.tcpSocket !== undefined) {
    const { port, ipFamily } = probe.tcpSocket;
    const protocol = ipFamily === undefined ? {} : { protocol: ipFamily };
    return { type: 'TCP', tcp: { port: numberOf(port, ports), ...protocol }, ...common };
  }
  return { type: 'COMMAND', command: probeCommand(probe, probing), ...common };
}

function timing(probe: Probe): {
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

/** A command that finds the addresses of its task in its environment. */
export function execCommand(argv: readonly string[], networks: readonly string[]): CommandInfo {
  const words = argvWithDiscovery(argv, networks);
  return { shell: false, value: words[0] ?? '', arguments: [...words] };
}

/** The command executor runs a probe in its own environment, not the task's: it is told that too. */
function probeCommand(probe: Probe, { ports, networks, variables }: Probing): CommandInfo {
  const environment = { variables: [...variables] };
  // It needs no address, so an image without a shell will do.
  if (probe.grpc !== undefined) {
    return { ...execCommand(healthProbeArguments(probe, ports), []), environment };
  }
  return { ...execCommand(probe.exec?.command ?? [], networks), environment };
}

/** Of grpc_health_probe (grpc-ecosystem): its own limits are a second each, whatever ours is. */
function healthProbeArguments(probe: Probe, ports: ReadonlyMap<string, number>): string[] {
  const { port = 0, service, probePath = 'grpc_health_probe' } = probe.grpc ?? {};
  const timeout = `${probe.timeoutSeconds ?? taskDefaults.probe.timeoutSeconds}s`;
  return [
    probePath,
    `-addr=127.0.0.1:${numberOf(port, ports)}`,
    ...(service === undefined ? [] : [`-service=${service}`]),
    `-connect-timeout=${timeout}`,
    `-rpc-timeout=${timeout}`,
  ];
}

/** What a probe does, for people: `GET http://127.0.0.1:8080/healthz inside the task`. */
export function describeProbe(probe: Probe, ports: ReadonlyMap<string, number>): string {
  const { httpGet, tcpSocket, grpc, exec } = probe;
  if (httpGet !== undefined) {
    const scheme = 'scheme' in httpGet && httpGet.scheme === 'HTTPS' ? 'https' : 'http';
    const address = `${loopbackOf(httpGet)}:${numberOf(httpGet.port, ports)}`;
    return `GET ${scheme}://${address}${httpGet.path ?? '/'} inside the task`;
  }
  if (tcpSocket !== undefined) {
    const address = `${loopbackOf(tcpSocket)}:${numberOf(tcpSocket.port, ports)}`;
    return `a TCP connection to ${address} inside the task`;
  }
  if (grpc !== undefined) {
    const program = grpc.probePath ?? 'grpc_health_probe';
    return `${program} of 127.0.0.1:${numberOf(grpc.port, ports)} inside the container`;
  }
  const text = (exec?.command ?? []).join(' ');
  return `the command "${text.length <= 80 ? text : `${text.slice(0, 77)}...`}"`;
}

function loopbackOf(target: { ipFamily?: 'IPv4' | 'IPv6' | undefined } | object): string {
  return 'ipFamily' in target && target.ipFamily === 'IPv6' ? '[::1]' : '127.0.0.1';
}

/** Said while a server has never answered: the usual reason, which nothing else shows. */
export function loopbackHint({ httpGet, tcpSocket, grpc }: Probe): string {
  if (httpGet !== undefined || tcpSocket !== undefined) {
    return "; Mesos connects to loopback in the task's namespace: a server bound only to its CNI address needs an exec probe";
  }
  if (grpc !== undefined) {
    return '; the program must be in the image (probePath), and the server be bound to loopback too';
  }
  return '';
}
