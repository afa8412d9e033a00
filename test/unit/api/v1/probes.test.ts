import { describe, expect, it } from 'vitest';
import { jobResource } from '../../../../api/v1/job.ts';

const probePath = 'spec.template.spec.containers[0]';

/** What a Job with these fields in its one container is refused for. */
function refusals(fields: Record<string, unknown>): string[] {
  const container = {
    name: 'web',
    script: 'exec ./web',
    resources: { requests: { cpu: '100m', memory: '32Mi' } },
    ports: [
      { name: 'http', containerPort: 8080 },
      { name: 'dns', containerPort: 53, protocol: 'UDP' },
    ],
    ...fields,
  };
  const result = jobResource.parse({
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Job',
    metadata: { name: 'web', namespace: 'prod' },
    spec: { template: { spec: { containers: [container] } } },
  });
  const errors = result.ok ? jobResource.validate(result.value, {}) : result.errors;
  return errors.map(({ field, message }) => `${field}: ${message}`);
}

describe('a probe', () => {
  it.each([
    { readinessProbe: { httpGet: { port: 'http' }, initialDelaySeconds: 1, timeoutSeconds: 0.5 } },
    { readinessProbe: { grpc: { port: 'http', service: 'web.Web' } } },
    { readinessProbe: { grpc: { port: 8080, probePath: '/bin/grpc_health_probe' } } },
    { livenessProbe: { httpGet: { port: 8443, scheme: 'HTTPS', ipFamily: 'IPv6' } } },
    { livenessProbe: { tcpSocket: { port: 'http', ipFamily: 'IPv6' }, gracePeriodSeconds: 120 } },
  ])('is accepted as %j', (fields) => {
    expect(refusals(fields)).toEqual([]);
  });

  it.each([
    ['startupProbe', { startupProbe: { tcpSocket: { port: 1 } } }, /livenessProbe\.gracePeriodS/],
    [
      'readinessProbe.failureThreshold',
      { readinessProbe: { tcpSocket: { port: 1 }, failureThreshold: 3 } },
      /counts no results/,
    ],
    [
      'livenessProbe.successThreshold',
      { livenessProbe: { tcpSocket: { port: 1 }, successThreshold: 1 } },
      /Remove the field/,
    ],
    [
      'livenessProbe.httpGet.host',
      { livenessProbe: { httpGet: { port: 1, host: '10.0.0.1' } } },
      /loopback inside the task\. Use exec/,
    ],
    [
      'livenessProbe.httpGet.httpHeaders',
      { livenessProbe: { httpGet: { port: 1, httpHeaders: [] } } },
      /sends no headers/,
    ],
    [
      'readinessProbe.httpGet.scheme',
      { readinessProbe: { httpGet: { port: 1, scheme: 'HTTPS' } } },
      /plain HTTP\. Use exec/,
    ],
    [
      'readinessProbe.tcpSocket.ipFamily',
      { readinessProbe: { tcpSocket: { port: 1, ipFamily: 'IPv6' } } },
      /127\.0\.0\.1\. Use exec/,
    ],
    ['readinessProbe.tcpPort', { readinessProbe: { tcpPort: 1 } }, /check its spelling/],
    [
      'livenessProbe.grpc.port',
      { livenessProbe: { grpc: { port: 'dns' } } },
      /"dns": is a UDP port, and grpc connects by TCP/,
    ],
    [
      'livenessProbe',
      { livenessProbe: { grpc: { port: 1 }, tcpSocket: { port: 1 } } },
      /exactly one of httpGet, tcpSocket, exec and grpc/,
    ],
  ])('is refused for %s, with what to write instead', (field, fields, mend) => {
    const found = refusals(fields);
    expect(found).toHaveLength(1);
    expect(found[0]?.startsWith(`${probePath}.${field}: `)).toBe(true);
    expect(found[0]).toMatch(mend);
  });
});
