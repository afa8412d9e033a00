import { describe, expect, it } from 'vitest';
import { findCondition, type Condition } from '../../../../api/machinery/conditions.ts';
import type { ServerSetStatus } from '../../../../api/v1/serverset.ts';
import { desiredMembers } from '../../../../controllers/serverset/desired.ts';
import type { Findings } from '../../../../controllers/serverset/status.ts';
import { serverSetStatus } from '../../../../controllers/serverset/status.ts';
import { serverSet, stamp, task } from './objects.ts';

const later = '2026-01-01T00:05:00Z';

const quiet: Findings = {
  desired: desiredMembers(serverSet(), [task()]),
  members: 1,
  held: [],
  draining: [],
  former: [],
  publishedPaths: ['/aurora/prod/web'],
  leaving: [],
  problem: undefined,
  lastWriteTime: stamp,
  drift: undefined,
};

function condition(status: ServerSetStatus, type: string): Pick<Condition, 'status' | 'reason'> {
  const { status: value, reason } = findCondition(status.conditions, type)!;
  return { status: value, reason };
}

describe('the status of a set', () => {
  it('is Ready and neither Reconciling nor Stalled when all is published', () => {
    const status = serverSetStatus(serverSet(), quiet, stamp);
    expect(status).toMatchObject({ observedGeneration: 1, members: 1, readyTasks: 1, held: 0 });
    expect(condition(status, 'Ready')).toEqual({ status: 'True', reason: 'Published' });
    expect(condition(status, 'Reconciling').status).toBe('False');
    expect(condition(status, 'Stalled').status).toBe('False');
  });

  it('does not change while nothing does, whatever the time', () => {
    const first = serverSetStatus(serverSet(), quiet, stamp);
    const set = serverSet({ status: first });
    expect(serverSetStatus(set, { ...quiet, lastWriteTime: undefined }, later)).toEqual(first);
  });

  it('keeps the last known members and holds while ZooKeeper is away', () => {
    const held = serverSetStatus(serverSet(), { ...quiet, held: ['web-3'] }, stamp);
    const away = { reason: 'ZooKeeperAway', message: 'ZooKeeper is away' };
    const status = serverSetStatus(
      serverSet({ status: held }),
      { ...quiet, members: undefined, held: undefined, problem: away },
      later,
    );
    expect(status).toMatchObject({ members: 1, held: 1, lastWriteTime: stamp });
    expect(condition(status, 'Held').status).toBe('True');
    expect(condition(status, 'Ready')).toEqual({ status: 'Unknown', reason: 'ZooKeeperAway' });
    expect(condition(status, 'Stalled').status).toBe('True');
    expect(condition(status, 'Reconciling').status).toBe('False');
  });

  it('names the ready tasks that cannot be published', () => {
    const set = serverSet({ spec: { network: 'x-net' } });
    const desired = desiredMembers(set, [task()]);
    const status = serverSetStatus(set, { ...quiet, desired, members: 0 }, stamp);
    expect(findCondition(status.conditions, 'Ready')?.message).toBe(
      '0 of 1 ready tasks are published; not web-0-uid-web-0: web-0-uid-web-0 does not join network x-net',
    );
  });

  it('says whose former addresses stay published', () => {
    const set = serverSet({ spec: { network: 'x-net' } });
    const desired = desiredMembers(set, [task()]);
    const former = ['web-0-uid-web-0'];
    const status = serverSetStatus(set, { ...quiet, desired, former }, stamp);
    const ready = findCondition(status.conditions, 'Ready');
    expect(ready).toMatchObject({ status: 'False', reason: 'NotPublishable' });
    expect(ready?.message).toContain('web-0-uid-web-0 stay published with their former addresses');
  });

  it('is Reconciling while members drain or a path is left', () => {
    const draining = serverSetStatus(serverSet(), { ...quiet, draining: ['web-1'] }, stamp);
    expect(condition(draining, 'Reconciling')).toEqual({ status: 'True', reason: 'Draining' });
    const moving = serverSetStatus(serverSet(), { ...quiet, leaving: ['/old'] }, stamp);
    expect(condition(moving, 'Reconciling')).toEqual({ status: 'True', reason: 'Moving' });
  });
});
