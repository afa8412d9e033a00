import { describe, expect, it } from 'vitest';
import type { NetworkStatus, Task, TaskStatus } from '../../../../api/v1/task.ts';
import {
  conflictSaid,
  conflictsOf,
  heldAddresses,
  type ScopeOf,
} from '../../../../controllers/network/conflicts.ts';
import { began, waitingTask, withStatus } from './claim-objects.ts';

const cluster: ScopeOf = () => 'Cluster';
const agent: ScopeOf = () => 'Agent';

const networkOf = (ips: string[], cniName = 'dev-net', name = cniName): NetworkStatus => ({
  name,
  cniName,
  interface: 'eth0',
  ips,
  verdict: 'Assigned',
  lastTransitionTime: '2026-01-01T00:00:00Z',
});

function task(name: string, ips: string[], status: Partial<TaskStatus> = {}, at = began): Task {
  const agentId = name;
  return withStatus(waitingTask(name, 'web', {}, at), {
    phase: 'Running',
    mesos: { taskId: `prod.${name}`, agentId, agentHostname: `host-of-${name}` },
    networks: [networkOf(ips)],
    ...status,
  });
}

/** Of these tasks, those that share an address with the first. */
function conflicts(scopeOf: ScopeOf, first: Task, ...rest: Task[]) {
  return conflictsOf(first, scopeOf, (key) =>
    [first, ...rest].filter((one) => heldAddresses(one, scopeOf).some((held) => held.key === key)),
  );
}

const names = (found: ReturnType<typeof conflicts>): string[] =>
  found.map(({ ip, others }) => [ip, ...others.map(({ metadata }) => metadata.name)].join(' '));

describe('an address', () => {
  it('that two live tasks have on one network is a conflict, however it is written', () => {
    const first = task('a', ['10.0.0.5', 'fd00::5']);
    expect(names(conflicts(cluster, first, task('b', ['10.0.0.5'])))).toEqual(['10.0.0.5 b']);
    expect(names(conflicts(cluster, first, task('b', ['fd00:0::0005'])))).toEqual(['fd00::5 b']);
    expect(conflicts(cluster, first, task('b', ['10.0.0.6']))).toEqual([]);
  });

  it('is compared by the CNI network, whatever the Network objects are called', () => {
    const first = task('a', ['10.0.0.5']);
    const same = task('b', [], { networks: [networkOf(['10.0.0.5'], 'dev-net', 'alias')] });
    const other = task('c', [], { networks: [networkOf(['10.0.0.5'], 'data-net', 'dev-net')] });
    expect(names(conflicts(cluster, first, same, other))).toEqual(['10.0.0.5 b']);
  });

  it('belongs to nobody whom Mesos has lost sight of, and to no dead task', () => {
    const first = task('a', ['10.0.0.5']);
    const lastKnown = { networks: [networkOf(['10.0.0.5'])] };
    const lost = task('b', [], { phase: 'Unreachable', lastKnown });
    expect(conflicts(cluster, first, lost)).toEqual([]);
    expect(conflicts(cluster, first, task('c', ['10.0.0.5'], { phase: 'Failed' }))).toEqual([]);
  });

  it('of a network that every agent has for itself is compared on one agent only', () => {
    const onOne = { mesos: { taskId: 'x', agentId: 'S1' } };
    const first = task('a', ['10.0.0.5'], onOne);
    expect(conflicts(agent, first, task('b', ['10.0.0.5']))).toEqual([]);
    expect(names(conflicts(agent, first, task('b', ['10.0.0.5'], onOne)))).toEqual(['10.0.0.5 b']);
  });
});

describe('a Task', () => {
  it('names the oldest of those that share its address, where they run, and on which network', () => {
    const first = task('a', ['10.0.0.5']);
    const one = conflictSaid(first, conflicts(cluster, first, task('b', ['10.0.0.5'])));
    expect(one).toEqual({
      type: 'AddressConflict',
      status: 'True',
      reason: 'AddressShared',
      message: 'prod/b on agent host-of-b has 10.0.0.5 on CNI network "dev-net" too',
    });
    const many = ['f', 'e', 'd', 'c', 'b'].map((name, index) =>
      task(name, ['10.0.0.5'], {}, began + index * 1000),
    );
    expect(conflictSaid(first, conflicts(cluster, first, ...many))?.message).toBe(
      'prod/f on agent host-of-f, prod/e on agent host-of-e, prod/d on agent host-of-d and others have 10.0.0.5 on CNI network "dev-net" too',
    );
  });

  it('that shares nothing says so only if it once did', () => {
    const first = task('a', ['10.0.0.5']);
    expect(conflictSaid(first, [])).toBeUndefined();
    const said = withStatus(first, {
      conditions: [
        {
          type: 'AddressConflict',
          status: 'True',
          reason: 'AddressShared',
          message: '',
          lastTransitionTime: '2026-01-01T00:00:00Z',
        },
      ],
    });
    expect(conflictSaid(said, [])).toMatchObject({ status: 'False', reason: 'AddressUnique' });
  });
});
