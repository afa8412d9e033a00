import type { FieldError } from '../machinery/errors.ts';
import type { LivenessProbe, ReadinessProbe } from './probes.ts';
import type { TemplateSpec } from './template.ts';

const handlers = ['httpGet', 'tcpSocket', 'exec', 'grpc'] as const;

/** Rules of a probe that go beyond its shape. */
export function validateProbe(
  probe: ReadinessProbe | LivenessProbe,
  { containers }: TemplateSpec,
  path: string,
): FieldError[] {
  const given = handlers.filter((handler) => probe[handler] !== undefined);
  const [handler] = given;
  if (handler === undefined || given.length > 1) {
    return [
      {
        field: path,
        message: `Invalid value: exactly one of ${handlers.slice(0, -1).join(', ')} and grpc must be given`,
        reason: 'FieldValueInvalid',
      },
    ];
  }
  const port = (probe.httpGet ?? probe.tcpSocket ?? probe.grpc)?.port;
  if (typeof port !== 'string') return [];
  const ports = containers.flatMap((container) => container.ports ?? []);
  const named = ports.find(({ name }) => name === port);
  const field = `${path}.${handler}.port`;
  if (named === undefined) {
    const names = ports.length === 0 ? 'none' : ports.map(({ name }) => name).join(', ');
    return [
      {
        field,
        message: `Invalid value: "${port}": no port has this name; the ports are ${names}`,
        reason: 'FieldValueInvalid',
      },
    ];
  }
  if (named.protocol === 'UDP') {
    return [
      {
        field,
        message: `Invalid value: "${port}": is a UDP port, and ${handler} connects by TCP; use exec`,
        reason: 'FieldValueInvalid',
      },
    ];
  }
  return [];
}

const oneResult =
  'a Mesos check counts no results: readiness follows each of them. Remove the field';

/** By the end of the path of a field that Kubernetes has: why it is not here, and what to do. */
const mends: Readonly<Record<string, string>> = {
  startupProbe:
    'Mesos has no startup probe. Give livenessProbe.gracePeriodSeconds the time that the start may take: until its first success failures within it do not count',
  'readinessProbe.failureThreshold': oneResult,
  'readinessProbe.successThreshold': oneResult,
  'readinessProbe.gracePeriodSeconds':
    'a task that is not ready is not killed, so there is nothing to be patient with; use initialDelaySeconds to begin later',
  'livenessProbe.successThreshold': 'one success ends a row of failures in Mesos. Remove the field',
  'readinessProbe.terminationGracePeriodSeconds': 'set it on the spec of the template',
  'livenessProbe.terminationGracePeriodSeconds': 'set it on the spec of the template',
  'httpGet.host':
    'Mesos connects to loopback inside the task. Use exec with a client to reach another address',
  'tcpSocket.host':
    'Mesos connects to loopback inside the task. Use exec with a client to reach another address',
  'httpGet.httpHeaders': 'Mesos sends no headers of ours. Use exec with a client that does',
  'readinessProbe.httpGet.scheme':
    'a Mesos check speaks plain HTTP. Use exec with a client that speaks TLS, or livenessProbe',
  'readinessProbe.httpGet.ipFamily':
    'a Mesos check connects to 127.0.0.1. Use exec with a client, or livenessProbe',
  'readinessProbe.tcpSocket.ipFamily':
    'a Mesos check connects to 127.0.0.1. Use exec with a client, or livenessProbe',
};

/** What to write instead of a field of a probe that Kubernetes has and Mesos has not. */
export function mendOfProbe(path: readonly PropertyKey[]): string | undefined {
  const names = path.map(String);
  for (const length of [3, 2, 1]) {
    const mend = mends[names.slice(-length).join('.')];
    if (mend !== undefined) return mend;
  }
  return undefined;
}
