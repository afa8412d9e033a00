import type { Task, TaskSpec, TaskStatus } from '../../api/v1/task.ts';
import type { TaskStatus as MesosTaskStatus } from '../../proto/mesos/generated/messages.ts';

export const now = '2026-11-21T12:00:00Z';

/** A Task of Job `web` in namespace `prod` on dev-net and data-net, bound to an agent unless told otherwise. */
export function boundTask(
  overrides: { spec?: Partial<TaskSpec>; status?: Partial<TaskStatus> } = {},
): Task {
  const spec: TaskSpec = {
    job: 'web',
    instance: 0,
    revision: 'web-1',
    restarts: 0,
    networks: [{ name: 'dev-net' }, { name: 'data-net' }],
    containers: [{ name: 'web', script: 'exec sleep 1000' }],
    ...overrides.spec,
  };
  const taskId = 'prod.web-0-bcdfghjklm';
  return {
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Task',
    metadata: {
      name: 'web-0-bcdfghjklm',
      namespace: 'prod',
      uid: 'uid-web-0',
      resourceVersion: '7',
      creationTimestamp: now,
    },
    spec,
    status: {
      phase: 'Launching',
      mesos: { taskId, agentId: 'S0', agentHostname: 'agent1' },
      networks: (spec.networks ?? []).map(({ name }, index) => ({
        name,
        cniName: name,
        interface: `eth${index}`,
        ips: [],
        verdict: 'Pending',
        lastTransitionTime: now,
      })),
      ...overrides.status,
    },
  };
}

/** A status update of Mesos about `boundTask`, with an address for each network named. */
export function mesosUpdate(
  state: MesosTaskStatus['state'],
  addresses?: Record<string, string[]>,
  rest: Partial<MesosTaskStatus> = {},
): MesosTaskStatus {
  return {
    task_id: { value: 'prod.web-0-bcdfghjklm' },
    state,
    agent_id: { value: 'S0' },
    ...(addresses === undefined
      ? {}
      : {
          container_status: {
            network_infos: Object.entries(addresses).map(([name, ips]) => ({
              ...(name === '' ? {} : { name }),
              ip_addresses: ips.map((ip) => ({ ip_address: ip })),
            })),
          },
        }),
    ...rest,
  };
}
