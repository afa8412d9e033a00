import type { Client } from '../../api/client/client.ts';
import { jobResource, type Job } from '../../api/v1/job.ts';
import { networks } from './cluster.ts';

export interface JobShape {
  name: string;
  replicas: number;
  /** Where its ready instances are published. */
  zkPath?: string;
  /** Each instance is ready for so many seconds, then is not, and so on. */
  flapSeconds?: number;
}

const port = 8080;

/** Applies a Job of a usual size: two networks, a port, an environment, labels. */
export async function applyJob(client: Client, shape: JobShape): Promise<Job> {
  const { name, replicas, zkPath, flapSeconds } = shape;
  return client.of(jobResource).create({
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Job',
    metadata: { name, namespace: 'default' },
    spec: {
      type: 'Service',
      replicas,
      ...(zkPath === undefined
        ? {}
        : { serverSet: { zkPath, network: networks[0], primaryPort: 'http' } }),
      template: {
        metadata: { labels: { app: name } },
        spec: {
          networks: networks.map((network) => ({ name: network, labels: { tier: 'web' } })),
          containers: [
            {
              name: 'main',
              script: `exec ./server --listen 0.0.0.0:${port} --advertise $COSM_IP_DEV_NET`,
              ...flapping(flapSeconds),
              env: [{ name: 'LOG_LEVEL', value: 'info' }],
              resources: { requests: { cpu: '10m', memory: '16Mi' } },
              ports: [{ name: 'http', containerPort: port }],
            },
          ],
        },
      },
    },
  });
}

/** A simulated server that begins and stops to listen, and a probe that sees each change. */
function flapping(seconds: number | undefined): object {
  if (seconds === undefined) return {};
  return {
    script: `exec ./server flap(${port},${seconds * 1000})`,
    readinessProbe: { tcpSocket: { port: 'http' }, periodSeconds: seconds / 2 },
  };
}

/** `total` as evenly over `parts` as whole numbers allow. */
export function spread(total: number, parts: number): number[] {
  const least = Math.floor(total / parts);
  return Array.from({ length: parts }, (_, index) => least + (index < total % parts ? 1 : 0));
}
