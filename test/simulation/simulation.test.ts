import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { faultKinds, userKinds, type Action, type Plan } from './actions.ts';
import { crashPoints } from './crash-points.ts';
import { People } from './people.ts';
import { regressions } from './regressions.ts';
import { simulate, simulateSeed } from './simulate.ts';
import { claimFacts, phaseOf, prefixes } from './views.ts';
import { World } from './world.ts';

function phases(world: World): string[] {
  return world.store.tasks().map(phaseOf);
}

function verdicts(world: World): string[] {
  return world.store
    .tasks()
    .flatMap(({ status }) => (status?.networks ?? []).map((n) => n.verdict));
}

function holders(world: World): string[] {
  return [...world.store.list(prefixes.claims)].map(
    ([, object]) => claimFacts(object).spec.holder.taskUid,
  );
}

describe('a simulated cluster', () => {
  it('tells the same story for the same seed, and another for another', async () => {
    const [first, second, other] = [
      await simulateSeed(1),
      await simulateSeed(1),
      await simulateSeed(2),
    ];
    expect(second.digest).toBe(first.digest);
    expect(other.digest).not.toBe(first.digest);
  });

  it.each(regressions)('no longer breaks a law: $bug', async ({ plan }) => {
    expect((await simulate(plan)).failure).toBeUndefined();
  });

  const job: Action = { at: 500, kind: 'create job', pick: 19, count: 3, ms: 0 };
  const later = (kind: Action['kind'], count: number): Action[] => [
    job,
    { ...job, at: 4_000, kind, pick: 0, count },
  ];
  it.each<[string, number, readonly Action[]]>([
    ['launches and publishes', 500, [job]],
    ['scales down', 4_000, later('scale job', 1)],
    ['updates', 4_000, later('change template', 1)],
    ['moves a ServerSet', 4_000, later('change serverSet', 2)],
    ['deletes', 4_000, later('delete job', 1)],
  ])(
    'may die between any two steps while it %s',
    async (_, at, actions) => {
      let points = 0;
      const story: Plan = { seed: 5, agents: 3, quietAt: 10_000, actions };
      for await (const { failure } of crashPoints(story, at, 3)) {
        expect(failure, `at crossing ${1 + 3 * points}`).toBeUndefined();
        points += 1;
      }
      expect(points).toBeGreaterThan(5);
    },
    120_000,
  );

  it('finds out that a task is gone which its agent came back without', async () => {
    const world = new World({ seed: 11, agents: 2, keepTrace: 0 });
    const people = new People(world);
    await world.start();
    people.act('create job', job);
    await world.clock.advance(5_000);
    expect(phases(world)).toContain('Running');
    for (const agent of [0, 1]) world.mesos.agents.unregister(agent);
    await world.clock.advance(100);
    expect(phases(world)).toEqual(phases(world).map(() => 'Unreachable'));
    for (const agent of [0, 1]) world.mesos.agents.start(agent);
    await world.clock.advance(20 * 60_000);
    expect(phases(world)).not.toContain('Unreachable');
    world.stop();
  });

  it('gives an address on at once after a task that was seen to end and removed', async () => {
    const world = new World({ seed: 1599, agents: 3, keepTrace: 0 });
    const people = new People(world);
    await world.start();
    people.act('create job', { ...job, pick: 556, count: 17 });
    await world.clock.advance(2_000);
    const before = new Set(world.store.tasks().map(({ metadata }) => metadata.uid));
    expect(holders(world).length).toBeGreaterThan(0);
    for (const pick of [0, 1, 2, 3]) people.act('delete task', { ...job, pick });
    await world.clock.advance(15_000);
    expect(world.store.tasks().map(({ metadata }) => before.has(metadata.uid))).not.toContain(true);
    expect(holders(world).filter((uid) => before.has(uid))).toEqual([]);
    world.stop();
  });

  it('does not launch a run while the one before still has its address', async () => {
    const world = new World({ seed: 5, agents: 3, keepTrace: 0 });
    const people = new People(world);
    await world.start();
    people.act('create job', { ...job, pick: 8 });
    await world.clock.advance(3_000);
    people.act('change template', { ...job, pick: 0 });
    await world.clock.advance(8_000);
    expect(verdicts(world).filter((verdict) => verdict === 'Assigned')).toHaveLength(2);
    expect(verdicts(world)).not.toContain('Rejected');
    world.stop();
  });

  it('learns from the agents what every update left out', async () => {
    const world = new World({ seed: 7, agents: 3, keepTrace: 0 });
    const people = new People(world);
    await world.start();
    world.wire.disturb('addresses left out', 12_000);
    world.wire.disturb('container status left out', 12_000);
    world.wire.disturb('agents silent', 12_000);
    people.act('create job', { ...job, pick: 53 });
    await world.clock.advance(11_900);
    expect(verdicts(world)).toContain('Missing');
    // Nothing is reconciled again before half a minute is over.
    await world.clock.advance(13_000);
    expect(new Set(verdicts(world))).toEqual(new Set(['Assigned']));
    world.stop();
  });

  it('keeps every law and converges, whatever goes wrong', async () => {
    const { stdout } = await promisify(execFile)('hack/simulate', ['--seeds', '500']).catch(
      (error: unknown) => {
        throw new Error(error instanceof Error && 'stdout' in error ? String(error.stdout) : '');
      },
    );
    expect(stdout).toMatch(/\n500 seeds, 0 failed/);
    for (const kind of [...faultKinds, ...userKinds]) expect(stdout).toContain(kind);
  }, 600_000);
});
