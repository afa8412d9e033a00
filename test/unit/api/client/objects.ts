/** A Job as a server answers with it. */
export function storedJob(name: string, resourceVersion = '7'): Record<string, unknown> {
  return {
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Job',
    metadata: {
      name,
      namespace: 'prod',
      uid: `uid-of-${name}`,
      resourceVersion,
      generation: 1,
      creationTimestamp: '2026-01-01T00:00:00Z',
    },
    spec: {
      replicas: 2,
      template: {
        spec: {
          containers: [
            {
              name: 'web',
              script: 'exec sleep 60',
              resources: { requests: { cpu: '100m', memory: '64Mi' } },
            },
          ],
        },
      },
    },
  };
}

export function status(code: number, reason: string, message: string): Record<string, unknown> {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    code,
    reason,
    message,
  };
}
