import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { podOf, podPhase } from '../../../../../api/server/pods/pod.ts';
import { podResource, type Pod } from '../../../../../api/v1/pod.ts';
import {
  taskPhases,
  taskResource,
  type ContainerStatus,
  type Task,
  type TaskPhase,
  type TaskSpec,
  type TaskStatus,
} from '../../../../../api/v1/task.ts';

const resources = { requests: { cpu: '100m', memory: '64Mi' } };

function task(status?: TaskStatus, spec: Partial<TaskSpec> = {}): Task {
  return {
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Task',
    metadata: {
      name: 'web-0-a',
      namespace: 'prod',
      uid: 'u-1',
      resourceVersion: '42',
      generation: 1,
      creationTimestamp: '2026-01-01T00:00:00Z',
      labels: { app: 'web' },
      ownerReferences: [
        { apiVersion: 'mesocosm.dev/v1', kind: 'Job', name: 'web', uid: 'j-1', controller: true },
      ],
      managedFields: [{ manager: 'cosmd', operation: 'Update' }],
    },
    spec: {
      job: 'web',
      instance: 0,
      revision: 'web-1',
      restarts: 3,
      networks: [{ name: 'dev-net' }],
      containers: [{ name: 'main', script: 'exec ./web', resources }],
      ...spec,
    },
    ...(status === undefined ? {} : { status }),
  };
}

const when = '2026-01-01T00:01:00Z';
const condition = (type: string, status: 'True' | 'False') => ({
  type,
  status,
  reason: 'Because',
  message: 'it is so',
  lastTransitionTime: when,
});

const running: TaskStatus = {
  phase: 'Running',
  mesos: {
    taskId: 'prod.web-0-a',
    agentId: 'A-1',
    agentHostname: 'Node-1',
    containerId: 'C-1',
    agentAddress: { hostname: 'node-1', ip: '10.0.0.1', port: 5051 },
    state: 'TASK_RUNNING',
  },
  ip: '172.29.11.12',
  ips: ['172.29.11.12', 'fd29:12::7'],
  scheduledTime: '2026-01-01T00:00:10Z',
  startTime: '2026-01-01T00:00:12Z',
  conditions: [
    condition('Scheduled', 'True'),
    condition('Ready', 'True'),
    condition('AddressesReady', 'True'),
  ],
};

function died(message: string, more: Partial<TaskStatus> = {}, reason?: string): TaskStatus {
  return {
    ...running,
    phase: 'Failed',
    finishTime: '2026-01-01T00:05:00Z',
    ...more,
    mesos: {
      taskId: 'prod.web-0-a',
      state: 'TASK_FAILED',
      message,
      ...(reason === undefined ? {} : { reason }),
    },
  };
}

function status(pod: Pod): string {
  const column = podResource.columns.find(({ name }) => name === 'Status');
  return String(column?.cell(pod, 0));
}

function cells(pod: Pod): unknown[] {
  return podResource.columns.map((column) => column.cell(pod, 0));
}

describe('the Pod of a Task', () => {
  it('is who the Task is', () => {
    const { metadata } = podOf(task(running));
    expect(metadata).toEqual({
      name: 'web-0-a',
      namespace: 'prod',
      uid: 'u-1',
      resourceVersion: '42',
      creationTimestamp: '2026-01-01T00:00:00Z',
      labels: { app: 'web' },
      ownerReferences: [
        { apiVersion: 'mesocosm.dev/v1', kind: 'Job', name: 'web', uid: 'j-1', controller: true },
      ],
    });
  });

  it('has what kubectl prints of a running one', () => {
    const pod = podOf(task(running));
    expect(cells(pod)).toEqual([
      '1/1',
      'Running',
      '3',
      '2026-01-01T00:00:00Z',
      '172.29.11.12',
      'node-1',
      '<none>',
      '1/1',
    ]);
    // kubectl debug ends in a panic without.
    expect(pod.spec.securityContext).toEqual({});
    expect(pod.status).toMatchObject({
      phase: 'Running',
      hostIP: '10.0.0.1',
      podIP: '172.29.11.12',
      podIPs: [{ ip: '172.29.11.12' }, { ip: 'fd29:12::7' }],
      startTime: '2026-01-01T00:00:10Z',
    });
    expect(pod.status.containerStatuses).toEqual([
      {
        name: 'main',
        state: { running: { startedAt: '2026-01-01T00:00:12Z' } },
        ready: true,
        started: true,
        restartCount: 3,
        image: '',
        imageID: '',
        containerID: 'mesos://C-1',
      },
    ]);
    const conditions = pod.status.conditions.map((each) => `${each.type}=${each.status}`);
    expect(conditions).toEqual([
      'PodScheduled=True',
      'Initialized=True',
      'ContainersReady=True',
      'Ready=True',
      'mesocosm.dev/AddressesReady=True',
    ]);
  });

  it('says in its message what keeps it from being placed, or from being ready', () => {
    const waiting = { ...condition('Scheduled', 'False'), message: 'no agent has 64 cores' };
    expect(podOf(task({ phase: 'Pending', conditions: [waiting] })).status.message).toBe(
      'no agent has 64 cores',
    );
    const failing = { ...condition('Ready', 'False'), message: 'the probe gets 503' };
    const pod = podOf(task({ ...running, conditions: [failing] }));
    expect(pod.status).toMatchObject({ phase: 'Running', message: 'the probe gets 503' });
    expect(podOf(task(running)).status).not.toHaveProperty('message');
  });

  it('has whole seconds of grace, also where it is being deleted, as clients of Kubernetes need', () => {
    const deleted = task(running, { terminationGracePeriodSeconds: 1.5 });
    deleted.metadata.deletionTimestamp = when;
    const { metadata, spec } = podOf(deleted);
    expect(spec.terminationGracePeriodSeconds).toBe(2);
    expect(metadata).toMatchObject({ deletionTimestamp: when, deletionGracePeriodSeconds: 2 });
    expect(podOf(task(running)).metadata).not.toHaveProperty('deletionGracePeriodSeconds');
  });

  it('names variables and keeps their values to the Task', () => {
    const env = [{ name: 'PASSWORD', value: 'hunter2' }];
    const pod = podOf(
      task(running, { containers: [{ name: 'main', script: 'x', env, resources }] }),
    );
    expect(pod.spec.containers[0]?.env).toEqual([{ name: 'PASSWORD' }]);
    expect(JSON.stringify(pod)).not.toContain('hunter2');
  });

  it('tells what is taken from which Secrets and ConfigMaps, and where files are seen', () => {
    const valueFrom = { secretKeyRef: { name: 'db', key: 'password', optional: true } };
    const envFrom = [{ prefix: 'WEB_', configMapRef: { name: 'web' } }];
    const items = [{ key: 'tls.key', path: 'key.pem' }];
    const volumes = [
      { name: 'tls', secret: { secretName: 'web-tls', items } },
      { name: 'conf', configMap: { name: 'web', optional: true } },
    ];
    const main = {
      name: 'main',
      script: 'x',
      resources,
      env: [{ name: 'PASSWORD', valueFrom }],
      envFrom,
      volumeMounts: [{ name: 'tls', mountPath: 'tls' }],
    };
    const { spec } = podOf(task(running, { volumes, containers: [main] }));
    expect(spec.volumes).toEqual(volumes);
    expect(spec.containers[0]).toMatchObject({
      env: [{ name: 'PASSWORD', valueFrom }],
      envFrom,
      volumeMounts: [{ name: 'tls', mountPath: 'tls', readOnly: true }],
    });
  });

  it('runs what the Task runs', () => {
    const containers = [
      { name: 'main', script: 'exec ./web', resources },
      {
        name: 'side',
        command: ['/bin/side'],
        args: ['-v'],
        resources,
        ports: [
          { name: 'http', containerPort: 8080 },
          { name: 'any', hostPort: 0 },
          { name: 'taken', hostPort: 0, protocol: 'UDP' as const },
        ],
      },
    ];
    const { spec } = podOf(
      task({ ...running, ports: [{ name: 'taken', hostPort: 31000 }] }, { containers }),
    );
    expect(spec.containers.map(({ command, args, ports }) => ({ command, args, ports }))).toEqual([
      { command: ['/bin/sh', '-c', 'exec ./web'], args: undefined, ports: undefined },
      {
        command: ['/bin/side'],
        args: ['-v'],
        ports: [
          { name: 'http', containerPort: 8080, protocol: 'TCP' },
          { name: 'taken', containerPort: 31000, hostPort: 31000, protocol: 'UDP' },
        ],
      },
    ]);
    expect(podOf(task(running, { networks: [] })).spec).toMatchObject({ hostNetwork: true });
  });

  it.each<[TaskPhase, string, string]>([
    ['Pending', 'Pending', 'Pending'],
    ['Launching', 'Pending', 'ContainerCreating'],
    ['Starting', 'Pending', 'ContainerCreating'],
    ['Running', 'Running', 'Running'],
    ['Stopping', 'Running', 'Terminating'],
    ['Unreachable', 'Unknown', 'NodeLost'],
    ['Finished', 'Succeeded', 'Completed'],
    ['Failed', 'Failed', 'ContainerStatusUnknown'],
    ['Killed', 'Failed', 'Killed'],
  ])('of phase %s is %s and shown as %s', (phase, podPhaseWanted, shown) => {
    const pod = podOf(task({ phase, startTime: when }));
    expect(pod.status.phase).toBe(podPhaseWanted);
    expect(status(pod)).toBe(shown);
  });

  it('is shown as Terminating from the wish on, and as what became of it after', () => {
    const stop = { reason: 'ScaleDown' } as const;
    expect(status(podOf(task(running, { stop })))).toBe('Terminating');
    const deleted = task(running);
    deleted.metadata.deletionTimestamp = when;
    expect(status(podOf(deleted))).toBe('Terminating');
    const killed = died('Command terminated with signal Terminated', { phase: 'Killed' });
    expect(status(podOf(task(killed, { stop })))).toBe('Killed');
  });

  it.each<[string, TaskStatus, number, string]>([
    ['tells its exit code', died('Command exited with status 3'), 3, 'Error'],
    ['tells its signal', died('Command terminated with signal Segmentation fault'), 139, 'Error'],
    [
      'tells its signal though it left a core',
      died('Command terminated with signal Aborted (core dumped)'),
      134,
      'Error',
    ],
    [
      'ran out of memory',
      died('Memory limit exceeded', {}, 'REASON_CONTAINER_LIMITATION_MEMORY'),
      137,
      'OOMKilled',
    ],
    ['ended well', { ...running, phase: 'Finished' }, 0, 'Completed'],
    ['is known by nobody', died('Executor terminated'), 137, 'ContainerStatusUnknown'],
  ])('that %s', (_, ended, exitCode, reason) => {
    const [container] = podOf(task(ended)).status.containerStatuses;
    expect(container?.state.terminated).toMatchObject({ exitCode, reason });
    expect(container?.ready).toBe(false);
  });

  it('that never started says so', () => {
    const failed: TaskStatus = {
      phase: 'Failed',
      mesos: { taskId: 'x', state: 'TASK_FAILED', message: "Unknown CNI network 'x'" },
    };
    const { status } = podOf(task(failed));
    expect(status.containerStatuses[0]?.state.terminated).toEqual({
      exitCode: 128,
      reason: 'StartError',
      message: "Unknown CNI network 'x'",
    });
  });

  it('tells the containers of a group apart', () => {
    const probe = { tcpSocket: { port: 80 } };
    const containers = ['main', 'side', 'done'].map((name) => ({
      name,
      script: 'x',
      resources,
      ...(name === 'side' ? { readinessProbe: probe } : {}),
    }));
    const seen: ContainerStatus[] = [
      { name: 'main', taskId: '1', state: 'TASK_RUNNING', containerId: 'C-2' },
      { name: 'side', taskId: '2', state: 'TASK_RUNNING', probe: 'Failed' },
      { name: 'done', taskId: '3', state: 'TASK_FAILED', message: 'Command exited with status 7' },
    ];
    const pod = podOf(task({ ...running, containers: seen }, { containers }));
    expect(pod.status.containerStatuses.map(({ ready }) => ready)).toEqual([true, false, false]);
    expect(pod.status.containerStatuses[2]?.state.terminated?.exitCode).toBe(7);
    expect(cells(pod)[0]).toBe('1/3');
    expect(pod.status.containerStatuses[0]?.containerID).toBe('mesos://C-2');
  });
});

describe('every Task', () => {
  const states = ['TASK_STAGING', 'TASK_RUNNING', 'TASK_FINISHED', 'TASK_FAILED', 'TASK_UNKNOWN'];
  const anyTask = fc
    .record({
      phase: fc.constantFrom(...taskPhases),
      state: fc.option(fc.constantFrom(...states), { nil: undefined }),
      message: fc.option(fc.string(), { nil: undefined }),
      started: fc.boolean(),
      conditions: fc.subarray([
        condition('Scheduled', 'True'),
        condition('Ready', 'False'),
        condition('AddressesReady', 'False'),
      ]),
      stop: fc.boolean(),
      networks: fc.boolean(),
    })
    .map(({ phase, state, message, started, conditions, stop, networks }) =>
      task(
        {
          phase,
          conditions,
          mesos: {
            taskId: 'prod.web-0-a',
            ...(state === undefined ? {} : { state }),
            ...(message === undefined ? {} : { message }),
          },
          ...(started ? { scheduledTime: when, startTime: when } : {}),
          containers: [{ name: 'main', taskId: 'x', ...(state === undefined ? {} : { state }) }],
        },
        {
          ...(stop ? { stop: { reason: 'Update' as const } } : {}),
          ...(networks ? {} : { networks: [] }),
        },
      ),
    );

  it('is a valid Task that gives a valid Pod, with one state a container', () => {
    fc.assert(
      fc.property(anyTask, (one) => {
        expect(taskResource.parse(one)).toMatchObject({ ok: true });
        const pod = podOf(one);
        expect(podResource.parse(pod)).toMatchObject({ ok: true });
        expect(pod.status.phase).toBe(podPhase(one));
        for (const { state } of pod.status.containerStatuses) {
          expect(Object.keys(state)).toHaveLength(1);
        }
        expect(cells(pod)).not.toContain(undefined);
      }),
    );
  });

  it('is ready as a Pod only if it runs', () => {
    fc.assert(
      fc.property(anyTask, (one) => {
        const { phase, containerStatuses } = podOf(one).status;
        return phase === 'Running' || containerStatuses.every(({ ready }) => !ready);
      }),
    );
  });
});
