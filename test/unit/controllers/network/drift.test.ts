import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Task, TaskStatus } from '../../../../api/v1/task.ts';
import { driftOf } from '../../../../controllers/network/drift.ts';
import { applyUpdate } from '../../../../controllers/scheduler/status.ts';
import type { AgentResponseGetContainersContainer } from '../../../../proto/mesos/generated/messages.ts';
import { boundTask, mesosUpdate, now } from '../../../support/tasks.ts';

type Addresses = Record<string, string[]>;

const taskId = 'prod.web-0-bcdfghjklm';
const later = '2026-11-21T13:00:00Z';

function running(addresses: Addresses, status: Partial<TaskStatus['mesos']> = {}): Task {
  const bound = boundTask();
  const mesos = { taskId, agentId: 'S0', frameworkId: 'F1', containerId: 'C1', ...status };
  const launched = { ...bound, status: { ...bound.status, phase: 'Launching' as const, mesos } };
  const context = { now, trustAbsence: true, reconciled: false };
  const after = applyUpdate(launched, mesosUpdate('TASK_RUNNING', addresses), context);
  if (after === undefined) throw new Error('it does not run');
  return { ...launched, status: after };
}

function container(
  addresses: Addresses,
  rest: Partial<AgentResponseGetContainersContainer> = {},
): AgentResponseGetContainersContainer {
  return {
    framework_id: { value: 'F1' },
    executor_id: { value: taskId },
    container_id: { value: 'C1' },
    container_status: {
      network_infos: Object.entries(addresses).map(([name, ips]) => ({
        ...(name === '' ? {} : { name }),
        ip_addresses: ips.map((ip) => ({ ip_address: ip })),
      })),
    },
    ...rest,
  };
}

const stored = { 'dev-net': ['10.0.0.1'], 'data-net': ['10.0.1.1', 'fd00::1/64'] };
const moved = { ...stored, 'dev-net': ['10.0.0.9'] };

describe('an agent that tells another address', () => {
  it('is right: the status gets it, and the sentence says both', () => {
    const drift = driftOf(running(stored), [container(moved)], later);
    expect(drift?.message).toBe('dev-net has 10.0.0.9 on the agent, and 10.0.0.1 was stored');
    expect(drift?.status).toMatchObject({
      ip: '10.0.0.9',
      ips: ['10.0.0.9', '10.0.1.1', 'fd00::1'],
      networks: [
        { name: 'dev-net', ips: ['10.0.0.9'], verdict: 'Assigned', lastTransitionTime: later },
        { name: 'data-net', ips: ['10.0.1.1', 'fd00::1'], lastTransitionTime: now },
      ],
    });
  });

  it('mends a status without an address', () => {
    const drift = driftOf(running({ 'dev-net': ['10.0.0.1'] }), [container(stored)], later);
    expect(drift?.message).toContain('no address was stored');
    expect(drift?.status.conditions?.find(({ type }) => type === 'Ready')?.status).toBe('True');
  });

  it.each<[string, Partial<AgentResponseGetContainersContainer>]>([
    ['another framework', { framework_id: { value: 'F2' } }],
    ['another executor', { executor_id: { value: 'prod.web-1-x' } }],
    ['a container that the task had before', { container_id: { value: 'C0' } }],
    ['a nested container', { container_id: { value: 'C1', parent: { value: 'C0' } } }],
  ])('is not believed about %s', (_what, rest) => {
    expect(driftOf(running(stored), [container(moved, rest)], later)).toBeUndefined();
  });

  it('is not asked about a task that does not run', () => {
    const task = running(stored);
    for (const phase of ['Starting', 'Stopping', 'Unreachable', 'Killed'] as const) {
      const other = { ...task, status: { ...task.status, phase } };
      expect(driftOf(other, [container(moved)], later)).toBeUndefined();
    }
  });
});

describe('silence', () => {
  it.each<[string, AgentResponseGetContainersContainer[]]>([
    ['no container', []],
    ['no status', [{ ...container({}), container_status: {} }]],
    ['no network', [container({})]],
    ['networks without addresses', [container({ 'dev-net': [], 'data-net': [] })]],
    ['the address of the agent', [container({ '': ['192.0.2.1'] })]],
    ['other networks', [container({ elsewhere: ['10.9.9.9'] })]],
  ])('changes nothing: %s', (_what, containers) => {
    expect(driftOf(running(stored), containers, later)).toBeUndefined();
  });
});

const ip = fc.constantFrom('10.0.0.1', '10.0.0.2', 'fd00::1/64', 'fd00::2/64', 'nonsense');
const told = fc.dictionary(
  fc.constantFrom('dev-net', 'data-net', 'other'),
  fc.uniqueArray(ip, { maxLength: 3 }),
);

describe('whatever is stored and told', () => {
  it('equal answers write nothing, in any order of the networks', () => {
    fc.assert(
      fc.property(told, (addresses) => {
        const reversed = Object.fromEntries(Object.entries(addresses).reverse());
        expect(driftOf(running(addresses), [container(reversed)], later)).toBeUndefined();
      }),
    );
  });

  it('no address is cleared, and once mended there is nothing to mend', () => {
    fc.assert(
      fc.property(told, told, (before, after) => {
        const task = running(before);
        const drift = driftOf(task, [container(after)], later);
        if (drift === undefined) return;
        const had = task.status?.networks?.filter(({ ips }) => ips.length > 0) ?? [];
        for (const { name } of had) {
          expect(drift.status.networks?.find((one) => one.name === name)?.ips).not.toEqual([]);
        }
        const mended = { ...task, status: drift.status };
        expect(driftOf(mended, [container(after)], later)).toBeUndefined();
      }),
    );
  });
});
