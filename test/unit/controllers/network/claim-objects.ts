import { rfc3339 } from '../../../../api/machinery/clock.ts';
import type { AddressClaim, ClaimHolder } from '../../../../api/v1/address-claim.ts';
import { claimName, wireKey } from '../../../../api/v1/address-claim.ts';
import type { Task, TaskStatus } from '../../../../api/v1/task.ts';
import type { NetworkAttachment } from '../../../../api/v1/template.ts';
import type { ClaimLookup } from '../../../../controllers/network/claims.ts';
import { instanceKeyOf } from '../../../../controllers/network/claims.ts';

export const began = Date.UTC(2026, 0, 1);

/** A Task of Job `job`, which controls it, that waits to be launched. */
export function waitingTask(
  name: string,
  job: string,
  network: Partial<NetworkAttachment>,
  createdAt = began,
): Task {
  return {
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Task',
    metadata: {
      name,
      namespace: 'prod',
      uid: `uid-of-${name}`,
      resourceVersion: '1',
      creationTimestamp: rfc3339(createdAt),
      ownerReferences: [
        {
          apiVersion: 'mesocosm.dev/v1',
          kind: 'Job',
          name: job,
          uid: `uid-of-${job}`,
          controller: true,
        },
      ],
    },
    spec: {
      job,
      instance: 0,
      revision: `${job}-1`,
      restarts: 0,
      networks: [{ name: 'dev-net', ...network }],
      containers: [{ name: 'main', script: 'sleep 1' }],
    },
  };
}

export function withStatus(task: Task, status: Partial<TaskStatus>): Task {
  const phase = status.phase ?? task.status?.phase ?? 'Running';
  const mesos = { taskId: `prod.${task.metadata.name}` };
  return { ...task, status: { mesos, ...task.status, ...status, phase } };
}

export function holder(task: string, job: string): ClaimHolder {
  const uids = { jobUid: `uid-of-${job}`, taskUid: `uid-of-${task}` };
  return { namespace: 'prod', job, instance: 0, task, ...uids };
}

export function claimOf(
  ip: string,
  task: string,
  job: string,
  rest: Partial<AddressClaim> = {},
): AddressClaim {
  const name = claimName('dev-net', ip);
  return {
    apiVersion: 'mesocosm.dev/v1',
    kind: 'AddressClaim',
    metadata: {
      name,
      uid: `uid-of-${name}`,
      resourceVersion: '1',
      creationTimestamp: rfc3339(began),
      finalizers: ['mesocosm.dev/claim'],
    },
    spec: { network: 'dev-net', cniName: 'dev-net', ip, holder: holder(task, job) },
    ...rest,
  };
}

export function lookup(...claims: AddressClaim[]): ClaimLookup {
  return {
    get: (name) => claims.find(({ metadata }) => metadata.name === name),
    ofWire: (key) => claims.filter(({ spec }) => wireKey(spec) === key),
    ofInstance: (key) => claims.filter(({ spec }) => instanceKeyOf(spec.holder) === key),
  };
}
