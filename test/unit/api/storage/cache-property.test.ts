import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CacheEvent } from '../../../../api/storage/cache.ts';
import type { Revision } from '../../../../api/storage/storage.ts';
import { bytes } from '../../../contract/storage/support.ts';
import type { FaultRule } from '../../../support/faults.ts';
import { settle } from '../../../support/virtual-clock.ts';
import { CacheFixture, codeOf, follow, type Decoded, type Received } from './cache-fixture.ts';

/** Events that the cache keeps for a resource: few, so that subscribers are too old at times. */
const kept = 15;

const step = fc.record({
  key: fc.constantFrom('jobs/a/1', 'jobs/a/2', 'jobs/b/1', 'tasks/b/2', 'tasks/b/3'),
  remove: fc.boolean(),
  /** Do not let the cache take note before the next step. */
  hurry: fc.boolean(),
  subscribe: fc.option(
    fc.record({ prefix: fc.constantFrom('jobs/', 'jobs/b/', 'tasks/'), back: fc.nat(40) }),
    { freq: 4 },
  ),
});

/** After how many batches each watch of the cache ends with `compacted`. */
const breaks = fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 2 });

interface Past {
  revision: Revision;
  key: string;
  line: string;
}

/** A store written to at random, and what that must look like. */
class World {
  readonly fixture: CacheFixture;
  readonly history: Past[] = [];
  readonly stored = new Map<string, { value: string; revision: Revision }>();

  constructor(rules: FaultRule[], told: boolean) {
    this.fixture = new CacheFixture({ limits: { events: kept }, rules, told });
  }

  async write(key: string, value: string, remove: boolean): Promise<void> {
    const { store } = this.fixture;
    const known = this.stored.get(key);
    const was = known?.value ?? '-';
    if (known !== undefined && remove) {
      const { revision } = await store.delete(key, known.revision);
      this.history.push({ revision, key, line: `delete ${key} ${was}@${revision} was ${was}` });
      this.stored.delete(key);
      return;
    }
    const { revision } =
      known === undefined
        ? await store.create(key, bytes(value))
        : await store.update(key, bytes(value), known.revision);
    this.history.push({ revision, key, line: `put ${key} ${value}@${revision} was ${was}` });
    this.stored.set(key, { value, revision });
  }

  after(revision: Revision, prefix: string): Past[] {
    return this.history.filter((past) => past.revision > revision && past.key.startsWith(prefix));
  }

  under(prefix: string): [string, string][] {
    return [...this.stored]
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, { value }]): [string, string] => [key, value])
      .sort();
  }
}

interface Subscriber {
  received: Received;
  prefix: string;
  after: Revision;
}

function checkStory(world: World, { received, prefix, after }: Subscriber, error: unknown): void {
  const expected = world.after(after, prefix).map((past) => past.line);
  const got = received.lines();
  if (error === undefined) expect(got).toEqual(expected);
  else {
    expect(codeOf(error)).toBe('compacted');
    expect(got).toEqual(expected.slice(0, got.length));
  }
  let complete = after;
  for (const batch of received.batches) {
    const revisions = batch.events.map((event: CacheEvent<Decoded>) => event.modRevision);
    for (const revision of revisions) expect(revision).toBeGreaterThan(complete);
    expect(batch.revision).toBeGreaterThanOrEqual(revisions.at(-1) ?? complete);
    complete = batch.revision;
  }
}

describe('WatchCache, whatever happens', () => {
  it('tells every subscriber all there is from wherever it begins, or that it cannot', async () => {
    let ended = 0;
    let whole = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 90 }),
        breaks,
        fc.boolean(),
        async (steps, breaks, told) => {
          const left = [...breaks];
          const rules: FaultRule[] = [
            ({ operation }) => {
              const batches = operation === 'watch' ? left.shift() : undefined;
              return batches === undefined ? undefined : { kind: 'compacted', batches };
            },
          ];
          const world = new World(rules, told);
          const { cache, clock } = world.fixture;
          await settle();
          const subscribers: Subscriber[] = [];
          for (const [index, { key, remove, hurry, subscribe }] of steps.entries()) {
            await world.write(`/g/${key}`, `${index}`, remove);
            if (!hurry) await clock.advance(100);
            if (subscribe === null) continue;
            const prefix = `/g/${subscribe.prefix}`;
            const after = Math.max(1, cache.revision - subscribe.back);
            try {
              subscribers.push({ received: follow(cache, prefix, after), prefix, after });
            } catch (error) {
              expect(codeOf(error)).toBe('compacted');
              const resource = prefix.split('/').slice(0, 3).join('/');
              if (breaks.length > 0) continue;
              expect(world.after(after, `${resource}/`).length).toBeGreaterThan(kept);
            }
          }
          await clock.advance(10_000);
          for (const prefix of ['/g/jobs/', '/g/tasks/', '/g/jobs/b/']) {
            const entries = [...cache.snapshot(prefix).entries()];
            expect(entries.map(({ key, object }) => [key, object.value])).toEqual(
              world.under(prefix),
            );
            for (const { object, modRevision } of entries) {
              expect(object.resourceVersion).toBe(modRevision);
            }
          }
          for (const subscriber of subscribers) {
            subscriber.received.abort.abort();
            const error = await subscriber.received.ended;
            if (error === undefined) whole += 1;
            else ended += 1;
            checkStory(world, subscriber, error);
          }
          await world.fixture.end();
        },
      ),
      { numRuns: 150 },
    );
    // Both ways out must have been taken, or this shows nothing.
    expect(whole).toBeGreaterThan(100);
    expect(ended).toBeGreaterThan(20);
  });
});
