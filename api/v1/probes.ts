import { z } from 'zod';

/**
 * Probes of a container. Mesos makes them: readinessProbe is CheckInfo, livenessProbe HealthCheck
 * (mesos.proto). What Kubernetes has and these messages cannot say is refused, see probe-rules.ts.
 */

const portReference = z
  .union([z.int().min(1).max(65535), z.string().min(1)])
  .meta({ 'x-kubernetes-int-or-string': true, description: 'Number or name of a container port.' });

const httpPath = z
  .string()
  .startsWith('/', 'must start with /')
  .optional()
  .describe('Path of the request; / if absent.');

/** Mesos' checkers enter the network namespace and connect there; nothing else can be configured. */
const loopback = (families: string): string =>
  `Mesos connects to ${families} inside the network namespace of the task, whatever addresses its networks gave it. A server must listen there too, as one does that is bound to 0.0.0.0 or ::. One that is bound only to its CNI address is never reached: give it exec instead, with a command that uses $COSM_IP, which probes have as the task has.`;
const checked = loopback('127.0.0.1, and never to ::1,');
const healthChecked = loopback('127.0.0.1, or to ::1 with ipFamily: IPv6,');
const httpHelp = 'HTTP GET, answered with 200 to 399.';
const tcpHelp = 'TCP connection, made and closed again.';

const commands = {
  exec: z
    .strictObject({
      command: z
        .array(z.string())
        .min(1)
        .describe('Program and arguments, without a shell: [sh, -c, "curl -fs http://$COSM_IP/"].'),
    })
    .optional()
    .describe(
      'Command run inside the container; exit status 0 is success. The one probe that reaches a server that listens on its CNI address only. For gRPC there is grpc, or a command of your own.',
    ),
  grpc: z
    .strictObject({
      port: portReference,
      service: z
        .string()
        .optional()
        .describe('Service whose health is asked for; that of the whole server if absent.'),
      probePath: z
        .string()
        .min(1)
        .optional()
        .describe('Path of that program in the container; grpc_health_probe, in PATH, if absent.'),
    })
    .optional()
    .describe(
      'gRPC health checking protocol. Mesos has no such check: the program grpc_health_probe is run inside the container, which must have it, against 127.0.0.1, without TLS. A server bound only to its CNI address needs exec with that program and $COSM_IP.',
    ),
};

const timing = {
  initialDelaySeconds: z
    .number()
    .min(0)
    .max(86_400)
    .optional()
    .describe('Wait before the first; 0 if absent.'),
  periodSeconds: z
    .number()
    .positive()
    .max(86_400)
    .optional()
    .describe('Time between the end of one and the next; 10 if absent.'),
  timeoutSeconds: z
    .number()
    .positive()
    .max(86_400)
    .optional()
    .describe('Time for one; 5 if absent.'),
};

export const readinessProbeSchema = z.strictObject({
  httpGet: z
    .strictObject({ port: portReference, path: httpPath })
    .optional()
    .describe(`${httpHelp} ${checked}`),
  tcpSocket: z.strictObject({ port: portReference }).optional().describe(`${tcpHelp} ${checked}`),
  ...commands,
  ...timing,
});
export type ReadinessProbe = z.infer<typeof readinessProbeSchema>;

const ipFamily = z
  .enum(['IPv4', 'IPv6'])
  .optional()
  .describe('IPv4 (the default) connects to 127.0.0.1, IPv6 to ::1.');

export const livenessProbeSchema = z.strictObject({
  httpGet: z
    .strictObject({
      port: portReference,
      path: httpPath,
      scheme: z
        .enum(['HTTP', 'HTTPS'])
        .optional()
        .describe('HTTP (the default) or HTTPS, where any certificate is believed.'),
      ipFamily,
    })
    .optional()
    .describe(`${httpHelp} ${healthChecked}`),
  tcpSocket: z
    .strictObject({ port: portReference, ipFamily })
    .optional()
    .describe(`${tcpHelp} ${healthChecked}`),
  ...commands,
  ...timing,
  failureThreshold: z
    .int()
    .min(1)
    .optional()
    .describe('Failures in a row after which the task is killed, as a whole; 3 if absent.'),
  gracePeriodSeconds: z
    .number()
    .min(0)
    .max(86_400)
    .optional()
    .describe(
      'Time after the start in which failures do not count, until the first success: what a startupProbe is for; 10 if absent.',
    ),
});
export type LivenessProbe = z.infer<typeof livenessProbeSchema>;
