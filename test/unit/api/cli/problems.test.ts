import { describe, expect, it } from 'vitest';
import { jobProblems, taskProblems } from '../../../../api/cli/describe/problems.ts';
import type { Job } from '../../../../api/v1/job.ts';
import type { Task, TaskStatus } from '../../../../api/v1/task.ts';
import { at, pending, running } from './support/statuses.ts';

const now = Date.parse('2026-01-01T00:05:00Z');

describe('the problems of a task', () => {
  const base = (
    status: TaskStatus,
    extra: Partial<Task['spec']> = {},
    finalizers: string[] = [],
  ): Task => ({
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Task',
    metadata: {
      name: 'web-0-a',
      uid: 'u',
      resourceVersion: '1',
      creationTimestamp: at,
      finalizers,
    },
    spec: {
      job: 'web',
      instance: 0,
      revision: 'web-1',
      restarts: 0,
      containers: [{ name: 'web' }],
      ...extra,
    },
    status,
  });

  it.each<[string, Task, string[]]>([
    ['that is well', base(running), []],
    ...(['True', 'False'] as const).map((status): [string, Task, string[]] => [
      `whose AddressConflict is ${status}`,
      base({
        ...running,
        conditions: [
          ...(running.conditions ?? []),
          {
            type: 'AddressConflict',
            status,
            reason: 'AddressShared',
            message: 'prod/db-0-a has 10.0.0.5 on CNI network "dev-net" too',
            lastTransitionTime: at,
          },
        ],
      }),
      status === 'True'
        ? ['shares an address: prod/db-0-a has 10.0.0.5 on CNI network "dev-net" too']
        : [],
    ]),
    ['on no agent', base(pending), ['waits to be placed: no agent offers 64Mi of memory']],
    [
      'that failed',
      base({
        phase: 'Failed',
        mesos: {
          taskId: 't',
          reason: 'REASON_COMMAND_EXECUTOR_FAILED',
          message: 'Command exited with status 1',
        },
      }),
      ['failed: REASON_COMMAND_EXECUTOR_FAILED: Command exited with status 1'],
    ],
    [
      'out of sight',
      base({
        phase: 'Unreachable',
        unreachableTime: '2026-01-01T00:02:00Z',
        mesos: { taskId: 't', agentHostname: 'node-1' },
      }),
      ['Mesos has lost sight of it 3m ago (agent node-1)'],
    ],
    [
      'that cannot be stopped yet',
      base(running, { stop: { reason: 'ScaleDown' } }, ['mesocosm.dev/serverset']),
      ['is to stop (ScaleDown); its ServerSet member is not withdrawn yet'],
    ],
    [
      'with a network that has no address',
      base({
        ...running,
        networks: [
          {
            name: 'dev-net',
            cniName: 'x',
            interface: 'eth0',
            ips: [],
            verdict: 'Missing',
            message: 'the agent reports none',
            lastTransitionTime: at,
          },
        ],
      }),
      ['network dev-net is Missing: the agent reports none'],
    ],
    [
      'that is not ready',
      base({
        phase: 'Running',
        containers: [
          { name: 'a', taskId: 'x', state: 'TASK_RUNNING' },
          { name: 'b', taskId: 'y', state: 'TASK_RUNNING', probe: 'Failed' },
        ],
        conditions: [
          {
            type: 'Ready',
            status: 'False',
            reason: 'ProbeFailed',
            message: '',
            lastTransitionTime: at,
          },
        ],
      }),
      ['runs but is not ready: ProbeFailed', 'container b fails its readinessProbe'],
    ],
  ])('%s', (_what, task, expected) => {
    expect(taskProblems(task, now)).toEqual(expected);
  });

  it('of a job are its own and those of its present tasks, not of runs that were replaced', () => {
    const job = {
      metadata: {},
      status: {
        conditions: [
          {
            type: 'Stalled',
            status: 'True',
            reason: 'WithdrawBlocked',
            message: 'ZooKeeper is away',
            lastTransitionTime: at,
          },
        ],
      },
    } as unknown as Job;
    const failed = base({ phase: 'Failed' });
    const replaced = {
      ...base(running),
      metadata: { ...failed.metadata, name: 'web-0-b', creationTimestamp: '2026-01-01T00:01:00Z' },
    };
    expect(jobProblems(job, [failed, replaced], now)).toEqual([
      'Stalled is True: WithdrawBlocked: ZooKeeper is away',
    ]);
    expect(jobProblems(job, [failed], now)).toHaveLength(2);
  });
});
