import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findCondition, isConditionTrue } from '../../../../api/machinery/conditions.ts';
import { isDead, isReady, type Task } from '../../../../api/v1/task.ts';
import { applyUpdate } from '../../../../controllers/scheduler/status.ts';
import type { TaskStatus as MesosTaskStatus } from '../../../../proto/mesos/generated/messages.ts';
import { boundTask, mesosUpdate, now } from '../../../support/tasks.ts';

const later = '2026-11-21T12:05:00Z';
const context = { now: later, trustAbsence: true, reconciled: false };
const bothNetworks = { 'data-net': ['fd29:12::7/64', '172.29.12.7'], 'dev-net': ['172.29.11.12'] };

/** The Task after updates; one that changes nothing leaves it as it is. */
function after(task: Task, ...updates: MesosTaskStatus[]): Task {
  return updates.reduce((current, update) => {
    const status = applyUpdate(current, update, context);
    return status === undefined ? current : { ...current, status };
  }, task);
}

const running = (): Task => after(boundTask(), mesosUpdate('TASK_RUNNING', bothNetworks));

describe('a status update', () => {
  it('gives addresses by network name, in the order of the request, whatever the order of Mesos', () => {
    const { status } = running();
    expect(status?.ip).toBe('172.29.11.12');
    expect(status?.ips).toEqual(['172.29.11.12', '172.29.12.7', 'fd29:12::7']);
    expect(status?.networks).toMatchObject([
      { name: 'dev-net', interface: 'eth0', ips: ['172.29.11.12'], verdict: 'Assigned' },
      {
        name: 'data-net',
        interface: 'eth1',
        ips: ['172.29.12.7', 'fd29:12::7'],
        verdict: 'Assigned',
      },
    ]);
    expect(isConditionTrue(status?.conditions, 'AddressesReady')).toBe(true);
    expect(isReady(running())).toBe(true);
  });

  it('does not take the unnamed entry, which is the agent itself, for an address', () => {
    const task = after(boundTask(), mesosUpdate('TASK_RUNNING', { '': ['172.29.0.1'] }));
    expect(task.status?.ips).toBeUndefined();
    expect(isReady(task)).toBe(false);
  });

  it('does not take an address of a network that was not asked for', () => {
    const task = after(boundTask(), mesosUpdate('TASK_RUNNING', { other: ['10.0.0.1'] }));
    expect(task.status?.networks?.flatMap(({ ips }) => ips)).toEqual([]);
  });

  it('does not count addresses before the task runs', () => {
    const task = after(boundTask(), mesosUpdate('TASK_STARTING', bothNetworks));
    expect(task.status?.phase).toBe('Starting');
    expect(task.status?.ips).toBeUndefined();
  });

  it('without addresses never clears those that are known', () => {
    const before = running();
    const killing = after(before, mesosUpdate('TASK_KILLING'));
    expect(killing.status?.phase).toBe('Stopping');
    expect(killing.status?.ips).toEqual(before.status?.ips);
  });

  it('that repeats what is known changes nothing', () => {
    const again = mesosUpdate('TASK_RUNNING', bothNetworks, {
      reason: 'REASON_RECONCILIATION',
      source: 'SOURCE_MASTER',
      message: 'Reconciliation: Latest task state',
      timestamp: 12345,
    });
    expect(applyUpdate(running(), again, { ...context, reconciled: true })).toBeUndefined();
  });

  it('that was overtaken does not turn the task back', () => {
    expect(applyUpdate(running(), mesosUpdate('TASK_STARTING'), context)).toBeUndefined();
  });

  it('of a running task with no address is Missing only after an explicit reconciliation', () => {
    const silent = after(boundTask(), mesosUpdate('TASK_RUNNING'));
    expect(silent.status?.networks?.[0]?.verdict).toBe('Pending');
    const status = applyUpdate(silent, mesosUpdate('TASK_RUNNING'), {
      ...context,
      reconciled: true,
    });
    expect(status?.networks?.[0]?.verdict).toBe('Missing');
  });

  it('without an expected family is a Mismatch', () => {
    const task = boundTask({
      spec: { networks: [{ name: 'data-net', ipFamilies: ['IPv4', 'IPv6'] }] },
    });
    const { status } = after(task, mesosUpdate('TASK_RUNNING', { 'data-net': ['172.29.12.7'] }));
    expect(status?.networks?.[0]).toMatchObject({ verdict: 'Mismatch' });
    expect(status?.networks?.[0]?.message).toContain('IPv6');
  });
});

describe('an unreachable task', () => {
  const lost = (): Task => after(running(), mesosUpdate('TASK_UNREACHABLE'));

  it('keeps its addresses as lastKnown, out of discovery', () => {
    const { status } = lost();
    expect(status?.phase).toBe('Unreachable');
    expect(status?.ip).toBeUndefined();
    expect(status?.networks?.flatMap(({ ips }) => ips)).toEqual([]);
    expect(status?.lastKnown?.ips).toEqual(['172.29.11.12', '172.29.12.7', 'fd29:12::7']);
    expect(status?.unreachableTime).toBe(later);
  });

  it('keeps lastKnown when it is reported unreachable again', () => {
    expect(after(lost(), mesosUpdate('TASK_LOST')).status?.lastKnown?.ip).toBe('172.29.11.12');
  });

  it('that returns with another address has that one', () => {
    const returned = after(
      lost(),
      mesosUpdate('TASK_RUNNING', { ...bothNetworks, 'dev-net': ['172.29.11.99'] }),
    );
    expect(returned.status?.phase).toBe('Running');
    expect(returned.status?.ip).toBe('172.29.11.99');
    expect(returned.status?.lastKnown).toBeUndefined();
    expect(returned.status?.unreachableTime).toBeUndefined();
  });
});

describe('a dead task', () => {
  it('drops its addresses', () => {
    const { status } = after(running(), mesosUpdate('TASK_KILLED', bothNetworks));
    expect(status?.phase).toBe('Killed');
    expect(status?.ip).toBeUndefined();
    expect(status?.networks?.flatMap(({ ips }) => ips)).toEqual([]);
    expect(status?.finishTime).toBe(later);
  });

  it('stays dead, from any source', () => {
    const dead = after(running(), mesosUpdate('TASK_FINISHED'));
    for (const state of ['TASK_RUNNING', 'TASK_LOST', 'TASK_GONE', 'TASK_UNREACHABLE'] as const) {
      expect(applyUpdate(dead, mesosUpdate(state), context)).toBeUndefined();
    }
  });

  it('is Rejected on the network that its launch failed over, and only there', () => {
    const { status } = after(
      boundTask(),
      mesosUpdate('TASK_FAILED', undefined, {
        reason: 'REASON_CONTAINER_LAUNCH_FAILED',
        message: "Failed to launch container: Unknown CNI network 'data-net'",
      }),
    );
    expect(status?.networks?.map(({ verdict }) => verdict)).toEqual(['Pending', 'Rejected']);
  });
});

describe('a launch in flight', () => {
  const unknown = mesosUpdate('TASK_GONE', undefined, { reason: 'REASON_RECONCILIATION' });

  it('is not given up because a master on an older subscription does not know it', () => {
    expect(applyUpdate(boundTask(), unknown, { ...context, trustAbsence: false })).toBeUndefined();
  });

  it('is given up when a later subscription does not know it', () => {
    expect(after(boundTask(), unknown).status?.phase).toBe('Failed');
  });
});

describe('readiness', () => {
  const probed = (): Task =>
    boundTask({
      spec: {
        networks: [],
        containers: [{ name: 'web', script: 'x', readinessProbe: { exec: { command: ['true'] } } }],
      },
      status: { networks: [] },
    });
  const check = (exit?: number): Partial<MesosTaskStatus> => ({
    check_status: { type: 'COMMAND', command: exit === undefined ? {} : { exit_code: exit } },
  });

  it('waits for the first success of the probe and follows it', () => {
    const started = after(probed(), mesosUpdate('TASK_RUNNING', undefined, check()));
    expect(findCondition(started.status?.conditions, 'Ready')).toMatchObject({
      status: 'False',
      reason: 'ProbePending',
    });
    const succeeded = after(started, mesosUpdate('TASK_RUNNING', undefined, check(0)));
    expect(isReady(succeeded)).toBe(true);
    expect(isReady(after(succeeded, mesosUpdate('TASK_RUNNING', undefined, check(1))))).toBe(false);
    expect(isReady(after(succeeded, mesosUpdate('TASK_RUNNING', undefined, check())))).toBe(false);
  });

  it('is not lost by an update that says nothing of the probe', () => {
    const ready = after(probed(), mesosUpdate('TASK_RUNNING', undefined, check(0)));
    const returned = after(ready, mesosUpdate('TASK_UNREACHABLE'), mesosUpdate('TASK_RUNNING'));
    expect(isReady(returned)).toBe(true);
  });

  it('ends when the livenessProbe fails', () => {
    const task = after(running(), mesosUpdate('TASK_RUNNING', bothNetworks, { healthy: false }));
    expect(isReady(task)).toBe(false);
  });
});

describe('a group', () => {
  const group = (): Task =>
    boundTask({
      spec: {
        containers: [
          { name: 'web', script: 'x' },
          { name: 'side', script: 'y' },
        ],
      },
    });
  const of = (container: string, update: MesosTaskStatus): MesosTaskStatus => ({
    ...update,
    task_id: { value: `prod.web-0-bcdfghjklm.${container}` },
  });

  it('runs when all of its containers run, and is dead when all are dead', () => {
    const half = after(group(), of('web', mesosUpdate('TASK_RUNNING', bothNetworks)));
    expect(half.status?.phase).toBe('Starting');
    const whole = after(half, of('side', mesosUpdate('TASK_RUNNING', bothNetworks)));
    expect(whole.status?.phase).toBe('Running');
    expect(isReady(whole)).toBe(true);
    const dying = after(whole, of('web', mesosUpdate('TASK_FAILED')));
    expect(isDead(dying)).toBe(false);
    expect(isReady(dying)).toBe(false);
    expect(after(dying, of('side', mesosUpdate('TASK_KILLED'))).status?.phase).toBe('Failed');
  });
});

describe('any sequence of updates', () => {
  const states = [
    'TASK_STAGING',
    'TASK_STARTING',
    'TASK_RUNNING',
    'TASK_KILLING',
    'TASK_UNREACHABLE',
    'TASK_LOST',
    'TASK_UNKNOWN',
    'TASK_FINISHED',
    'TASK_FAILED',
    'TASK_KILLED',
    'TASK_GONE',
  ] as const;
  const update = fc
    .record({ state: fc.constantFrom(...states), with: fc.boolean(), shuffled: fc.boolean() })
    .map(({ state, with: addresses, shuffled }) => {
      const entries = Object.entries(bothNetworks);
      const map = Object.fromEntries(shuffled ? entries.reverse() : entries);
      return mesosUpdate(state, addresses ? map : undefined);
    });

  it('keeps the laws: dead is final, addresses only while it runs, a second time changes nothing', () => {
    fc.assert(
      fc.property(fc.array(update, { maxLength: 12 }), (updates) => {
        let task = boundTask();
        for (const one of updates) {
          const before = task;
          task = after(task, one);
          if (isDead(before)) expect(task).toBe(before);
          if (isDead(task) || task.status?.phase === 'Unreachable')
            expect(task.status?.ips).toBeUndefined();
          if (before.status?.phase === 'Running' && task.status?.phase === 'Running') {
            expect(task.status.ips ?? []).toEqual(expect.arrayContaining(before.status.ips ?? []));
          }
          expect(after(task, one)).toBe(task);
          if (isReady(task)) expect(task.status?.phase).toBe('Running');
        }
      }),
    );
  });
});

it('stamps nothing with a time that it was not given', () => {
  expect(JSON.stringify(running().status)).not.toMatch(/20\d\d-(?!11-21T12:0[05]:00Z)/);
  expect(now).toBe('2026-11-21T12:00:00Z');
});
