import { until } from '../../local/wait.ts';
import type { Target } from './target.ts';

const collection = '/apis/mesocosm.dev/v1/namespaces/default/jobs';
export const jobs = collection;
export const jobPath = (index: number): string => `${collection}/${nameOf(index)}`;
/** Every tenth object has this label. */
export const labelled = `${collection}?labelSelector=tenth%3D0`;
export const tableAccept = 'application/json;as=Table;v=v1;g=meta.k8s.io';

function nameOf(index: number): string {
  return `bench-${String(index).padStart(6, '0')}`;
}

/** A Job that nobody runs, about 1.2 KB as it is stored. */
export function jobOf(index: number): object {
  const name = nameOf(index);
  return {
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Job',
    metadata: {
      name,
      namespace: 'default',
      labels: { app: name, tenth: String(index % 10) },
      annotations: { note: 'x'.repeat(100) },
    },
    spec: {
      type: 'Service',
      replicas: 3,
      template: {
        metadata: { labels: { app: name } },
        spec: {
          containers: [
            {
              name: 'main',
              script: 'exec ./server --listen 0.0.0.0:8080',
              resources: { requests: { cpu: '10m', memory: '16Mi' } },
            },
          ],
        },
      },
    },
  };
}

/** The same as a CustomResourceDefinition, for a server that does not know the kind. */
const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'jobs.mesocosm.dev' },
  spec: {
    group: 'mesocosm.dev',
    scope: 'Namespaced',
    names: { plural: 'jobs', singular: 'job', kind: 'Job', listKind: 'JobList' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
              status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
            },
          },
        },
      },
    ],
  },
};

/** Waits until the kind is served there; defines it first where it is not known. */
export async function defineJobs(target: Target): Promise<void> {
  const served = async (): Promise<boolean> => {
    try {
      await target.send({ method: 'GET', path: collection });
      return true;
    } catch {
      return false;
    }
  };
  if (await served()) return;
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  await target.send({ method: 'POST', path, body: definition });
  if (!(await until(served, 60_000))) throw new Error(`${target.name} does not serve Jobs`);
}
