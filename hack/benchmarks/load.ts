import type { Client } from '../../api/client/client.ts';
import { jobResource, type Job } from '../../api/v1/job.ts';
import { networks } from './cluster.ts';

export interface JobShape {
  name: string;
  replicas: number;
}

/** Applies a Job of a usual size: two networks, a port, an environment, labels. */
export async function applyJob(client: Client, shape: JobShape): Promise<Job> {
  const { name, replicas } = shape;
  return client.of(jobResource).create({
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Job',
    metadata: { name, namespace: 'default' },
    spec: {
      type: 'Service',
      replicas,
      template: {
        metadata: { labels: { app: name } },
        spec: {
          networks: networks.map((network) => ({ name: network, labels: { tier: 'web' } })),
          containers: [
            {
              name: 'main',
              script: 'exec ./server --listen 0.0.0.0:8080 --advertise $COSM_IP_DEV_NET',
              env: [{ name: 'LOG_LEVEL', value: 'info' }],
              resources: { requests: { cpu: '10m', memory: '16Mi' } },
              ports: [{ name: 'http', containerPort: 8080 }],
            },
          ],
        },
      },
    },
  });
}

/** `total` as evenly over `parts` as whole numbers allow. */
export function spread(total: number, parts: number): number[] {
  const least = Math.floor(total / parts);
  return Array.from({ length: parts }, (_, index) => least + (index < total % parts ? 1 : 0));
}
