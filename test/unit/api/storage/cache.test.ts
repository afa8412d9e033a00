import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../../../api/machinery/clock.ts';
import { seededRandom } from '../../../../api/machinery/random.ts';
import { WatchCache } from '../../../../api/storage/cache.ts';
import type { Revision } from '../../../../api/storage/storage.ts';
import { actions, bytes, failure } from '../../../contract/storage/support.ts';
import { faultWhen, type FaultRule } from '../../../support/faults.ts';
import { settle } from '../../../support/virtual-clock.ts';
import { CacheFixture, codeOf, decode, follow, type CacheFixtureOptions } from './cache-fixture.ts';

describe('WatchCache', () => {
  let fixture: CacheFixture;
  const { create, update, remove } = actions(() => fixture.store);

  const start = async (options: CacheFixtureOptions = {}): Promise<void> => {
    fixture = new CacheFixture(options);
    await settle();
  };
  const values = (prefix: string): string[] =>
    [...fixture.cache.snapshot(prefix).entries()].map(
      ({ key, object }) => `${key}=${object.value}@${object.resourceVersion}`,
    );

  beforeEach(() => start());
  afterEach(() => fixture.end());

  it('is unavailable until it has been loaded, then serves what is stored', async () => {
    await fixture.end();
    fixture = new CacheFixture();
    expect(() => fixture.cache.snapshot('/g/jobs/')).toThrow('not loaded');
    expect(() => fixture.cache.subscribe('/g/jobs/', 1, fixture.stop)).toThrow('not loaded');
    await settle();
    expect(values('/g/jobs/')).toEqual([]);
    const first = await create('/g/jobs/a', '1');
    await create('/g/tasks/t', '1');
    await settle();
    expect(values('/g/jobs/')).toEqual([`/g/jobs/a=1@${first}`]);
    expect(fixture.cache.get('/g/jobs/a')?.object.value).toBe('1');
    expect(fixture.cache.get('/g/jobs/none')).toBeUndefined();
    expect(fixture.cache.connected).toBe(true);
  });

  it('leaves a snapshot as it was while it moves on', async () => {
    const first = await create('/g/jobs/ns/a', '1');
    await settle();
    const snapshot = fixture.cache.snapshot('/g/jobs/');
    await remove('/g/jobs/ns/a', first);
    await create('/g/jobs/ns/b', '1');
    await settle();
    expect([...snapshot.entries()].map(({ key }) => key)).toEqual(['/g/jobs/ns/a']);
    expect(snapshot.revision).toBe(first);
    expect(values('/g/jobs/ns/')).toEqual([`/g/jobs/ns/b=1@${first + 2}`]);
    const next = fixture.cache.snapshot('/g/jobs/');
    expect([...next.entries('/g/jobs/ns/b\0')]).toEqual([]);
  });

  it('decodes and hands out each revision of an object once', async () => {
    await create('/g/jobs/a', '1');
    await settle();
    const one = follow(fixture.cache, '/g/jobs/', 1);
    const other = follow(fixture.cache, '/g/jobs/', 1);
    await settle();
    const entry = fixture.cache.get('/g/jobs/a');
    expect(one.batches[0]?.events[0]?.entry).toBe(entry);
    expect(other.batches[0]?.events[0]?.entry).toBe(entry);
    expect([...fixture.cache.snapshot('/g/jobs/').entries()][0]).toBe(entry);
    one.abort.abort();
    other.abort.abort();
  });

  it('follows and lists within one resource only', () => {
    for (const prefix of ['/g/', '/', 'g/jobs/']) {
      expect(() => fixture.cache.snapshot(prefix)).toThrow('one resource');
      expect(() => follow(fixture.cache, prefix, 1)).toThrow('one resource');
    }
  });

  it('tells a subscriber everything after its revision, then what happens', async () => {
    const first = await create('/g/jobs/ns/a', '1');
    const second = await update('/g/jobs/ns/a', '2', first);
    await create('/g/jobs/other/x', '1');
    await settle();
    const received = follow(fixture.cache, '/g/jobs/ns/', first);
    await settle();
    const gone = await remove('/g/jobs/ns/a', second);
    await create('/g/tasks/ns/a', '1');
    await settle();
    expect(received.lines()).toEqual([
      `put /g/jobs/ns/a 2@${second} was 1`,
      `delete /g/jobs/ns/a 2@${gone} was 2`,
    ]);
    received.abort.abort();
    expect(await received.ended).toBeUndefined();
  });

  it('hands out a long replay in pieces that end between revisions', async () => {
    const from = fixture.cache.revision;
    for (let index = 0; index < 700; index += 1) await create(`/g/jobs/${index}`, '1');
    await settle();
    const received = follow(fixture.cache, '/g/jobs/', from);
    await settle();
    expect(received.lines()).toHaveLength(700);
    expect(received.batches.map(({ revision }) => revision - from)).toEqual([256, 512, 700]);
    received.abort.abort();
  });

  it('sends bookmarks when nothing else comes, and they carry the newest revision', async () => {
    const received = follow(fixture.cache, '/g/jobs/', fixture.cache.revision, 10_000);
    await fixture.clock.advance(9_999);
    const elsewhere = await create('/g/tasks/x', '1');
    await fixture.clock.advance(1);
    expect(received.batches).toEqual([{ revision: elsewhere, events: [] }]);
    await fixture.clock.advance(5_000);
    await create('/g/jobs/a', '1');
    await fixture.clock.advance(9_999);
    expect(received.batches).toHaveLength(2);
    await fixture.clock.advance(1);
    expect(received.batches[2]).toEqual({ revision: elsewhere + 1, events: [] });
    received.abort.abort();
  });

  it('ends a subscriber that is slower than the events it keeps, and refuses one too old', async () => {
    await fixture.end();
    await start({ limits: { events: 20 } });
    const from = fixture.cache.revision;
    const slow = fixture.cache.subscribe('/g/jobs/', from, { signal: fixture.stop.signal });
    for (let index = 0; index < 30; index += 1) {
      await create(`/g/jobs/${index}`, '1');
      await settle();
    }
    expect(await failure(slow.next())).toBe('compacted');
    expect(() =>
      fixture.cache.subscribe('/g/jobs/', from + 9, { signal: fixture.stop.signal }),
    ).toThrow('compacted');
    const young = follow(fixture.cache, '/g/jobs/', from + 10);
    const quiet = follow(fixture.cache, '/g/tasks/', from);
    await settle();
    expect(young.lines()).toHaveLength(20);
    await create('/g/tasks/t', '1');
    await settle();
    expect(quiet.lines()).toHaveLength(1);
    young.abort.abort();
    quiet.abort.abort();
  });

  it('lets the resource that takes most memory forget first', async () => {
    await fixture.end();
    await start({ limits: { bytes: 50_000 } });
    const from = fixture.cache.revision;
    await create('/g/jobs/a', '1');
    for (let index = 0; index < 100; index += 1) {
      await create(`/g/events/${index}`, 'x'.repeat(1000));
    }
    await settle();
    const jobs = follow(fixture.cache, '/g/jobs/', from);
    await settle();
    expect(jobs.lines()).toHaveLength(1);
    jobs.abort.abort();
    const events = (after: Revision) =>
      fixture.cache.subscribe('/g/events/', after, { signal: fixture.stop.signal });
    expect(() => events(from)).toThrow('compacted');
    const late = follow(fixture.cache, '/g/events/', from + 70);
    await settle();
    expect(late.lines()).toHaveLength(31);
    late.abort.abort();
  });

  it('keeps whole revisions together when many keys expire at once', async () => {
    for (let index = 0; index < 600; index += 1) {
      await create(`/g/events/${1000 + index}`, '1');
    }
    const written = await fixture.store.head();
    for (let index = 0; index < 600; index += 1) {
      await fixture.store.update(`/g/events/${1000 + index}`, bytes('2'), written - 599 + index, {
        ttlSeconds: 10,
      });
    }
    await settle();
    const received = follow(fixture.cache, '/g/events/', fixture.cache.revision);
    await fixture.clock.advance(20_000);
    expect(received.batches.map(({ events }) => events.length)).toEqual([600]);
    expect(values('/g/events/')).toEqual([]);
    received.abort.abort();
  });

  describe('a single read', () => {
    it('may take the cache once that is no older than the question', async () => {
      const first = await create('/g/jobs/a', '1');
      expect(await fixture.cache.catchUp()).toBe(true);
      expect(fixture.cache.get('/g/jobs/a')?.modRevision).toBe(first);
    });

    it('waits for a late watch a moment, then does not for a while', async () => {
      await fixture.end();
      await start({ rules: [(call) => (call.operation === 'watch' ? stall : undefined)] });
      await create('/g/jobs/a', '1');
      const asked = fixture.cache.catchUp();
      await fixture.clock.advance(20);
      expect(await asked).toBe(false);
      let heads = 0;
      fixture.rules.push((call) => {
        if (call.operation === 'head') heads += 1;
        return undefined;
      });
      expect(await fixture.cache.catchUp()).toBe(false);
      expect(heads).toBe(0);
      await fixture.clock.advance(1_000);
      const again = fixture.cache.catchUp();
      await settle();
      expect(heads).toBe(1);
      await fixture.clock.advance(20);
      expect(await again).toBe(false);
    });

    it('is refused with the head that cannot be read', async () => {
      fixture.rules.push((call) =>
        call.operation === 'head' ? { kind: 'unavailable' } : undefined,
      );
      expect(await failure(fixture.cache.catchUp())).toBe('unavailable');
    });
  });

  describe('a list', () => {
    it('shows a write acknowledged before it, though the watch is late', async () => {
      await fixture.end();
      await start({ rules: [(call) => (call.operation === 'watch' ? stall : undefined)] });
      const first = await create('/g/jobs/a', '1');
      const listing = fixture.cache.list('/g/jobs/');
      await fixture.clock.advance(99);
      await fixture.clock.advance(1);
      const list = await listing;
      expect(list.revision).toBe(first);
      expect([...list.entries()].map(({ object }) => object)).toEqual([
        { value: '1', resourceVersion: first },
      ]);
      expect(values('/g/jobs/')).toEqual([]);
    });

    it('comes from the cache when that is up to date, without reading the store again', async () => {
      await create('/g/jobs/a', '1');
      fixture.rules.push((call) =>
        call.operation === 'list' ? { kind: 'unavailable' } : undefined,
      );
      expect([...(await fixture.cache.list('/g/jobs/')).entries()]).toHaveLength(1);
    });

    it('fails when the head cannot be read: an old answer would look new', async () => {
      await create('/g/jobs/a', '1');
      fixture.rules.push((call) =>
        call.operation === 'head' ? { kind: 'unavailable' } : undefined,
      );
      expect(await failure(fixture.cache.list('/g/jobs/'))).toBe('unavailable');
      fixture.rules.length = 0;
      expect([...(await fixture.cache.list('/g/jobs/')).entries()]).toHaveLength(1);
    });

    it('shares reads of the head, but never one that began before it was asked for', async () => {
      let reads = 0;
      fixture.rules.push((call) => {
        if (call.operation !== 'head') return undefined;
        reads += 1;
        return { kind: 'late', ms: 10 };
      });
      const early = fixture.cache.list('/g/jobs/');
      await settle();
      await create('/g/jobs/a', '1');
      const late = Array.from({ length: 50 }, () => fixture.cache.list('/g/jobs/'));
      await fixture.clock.advance(30);
      await early;
      for (const list of await Promise.all(late)) expect([...list.entries()]).toHaveLength(1);
      expect(reads).toBe(2);
    });
  });

  describe('after a compaction', () => {
    it('loads anew and tells every subscriber that it lost touch', async () => {
      await fixture.end();
      await start({ rules: [compactOnce(1)] });
      const from = fixture.cache.revision;
      const received = follow(fixture.cache, '/g/jobs/', from);
      await create('/g/jobs/a', '1');
      await create('/g/jobs/b', '1');
      await fixture.clock.advance(1_000);
      expect(codeOf(await received.ended)).toBe('compacted');
      expect(fixture.errors.map(({ code }) => code)).toEqual(['compacted']);
      const last = await create('/g/jobs/c', '1');
      await settle();
      expect(values('/g/jobs/')).toHaveLength(3);
      expect(fixture.cache.revision).toBe(last);
      expect(() =>
        fixture.cache.subscribe('/g/jobs/', from, { signal: fixture.stop.signal }),
      ).toThrow('compacted');
      const again = follow(fixture.cache, '/g/jobs/', last - 1);
      await settle();
      expect(again.lines()).toHaveLength(1);
      again.abort.abort();
    });

    it('serves what it knew while the store is away, and catches up after', async () => {
      await fixture.end();
      await start({ rules: [compactOnce(1)] });
      await create('/g/jobs/a', '1');
      fixture.rules.push((call) =>
        call.operation === 'list' ? { kind: 'unavailable' } : undefined,
      );
      await fixture.clock.advance(10_000);
      expect(fixture.cache.connected).toBe(false);
      expect(values('/g/jobs/')).toHaveLength(1);
      fixture.rules.pop();
      await fixture.clock.advance(3_000);
      expect(fixture.cache.connected).toBe(true);
    });
  });

  describe('an object that cannot be decoded', () => {
    it('is never told as absent: its resource refuses until it is mended', async () => {
      const good = await create('/g/jobs/ns/a', '1');
      await create('/g/tasks/t', '1');
      await settle();
      const received = follow(fixture.cache, '/g/jobs/', good);
      const elsewhere = follow(fixture.cache, '/g/jobs/other/', good);
      const bad = await update('/g/jobs/ns/a', 'garbage', good);
      await settle();
      expect(codeOf(await received.ended)).toBe('internal');
      expect(() => fixture.cache.snapshot('/g/jobs/')).toThrow('/g/jobs/ns/a');
      expect(() => fixture.cache.get('/g/jobs/ns/a')).toThrow('cannot be decoded');
      expect(() => follow(fixture.cache, '/g/jobs/ns/', bad)).toThrow('cannot be decoded');
      expect(await failure(fixture.cache.list('/g/jobs/'))).toBe('internal');
      expect(fixture.cache.broken).toHaveLength(1);
      expect(values('/g/tasks/')).toHaveLength(1);
      expect(values('/g/jobs/other/')).toEqual([]);
      await update('/g/jobs/ns/a', 'good again', bad);
      await create('/g/jobs/other/b', '1');
      await settle();
      expect(values('/g/jobs/')).toHaveLength(2);
      expect(fixture.cache.broken).toEqual([]);
      expect(elsewhere.lines()).toHaveLength(1);
      elsewhere.abort.abort();
    });

    it('is found by the first load too', async () => {
      const store = fixture.store;
      await create('/g/jobs/a', 'garbage');
      const cache = new WatchCache({
        storage: store,
        clock: fixture.clock,
        random: seededRandom(1),
        decode,
        onError: () => undefined,
      });
      const running = cache.run(fixture.stop.signal);
      await settle();
      expect(() => cache.snapshot('/g/jobs/')).toThrow('cannot be decoded');
      fixture.stop.abort();
      await running;
    });
  });

  it('waits for a revision as long as it is told to', async () => {
    const next = fixture.cache.revision + 1;
    const inTime = fixture.cache.waitFor(next, 1_000);
    const tooLate = fixture.cache.waitFor(next + 1, 1_000);
    await create('/g/jobs/a', '1');
    expect(await inTime).toBe(true);
    await fixture.clock.advance(1_000);
    expect(await tooLate).toBe(false);
    expect(await fixture.cache.waitFor(next, 0)).toBe(true);
  });

  it('gives others a turn while it decodes much', async () => {
    for (let index = 0; index < 10; index += 1) await create(`/g/jobs/${index}`, String(index));
    let ms = 0;
    let pauses = 0;
    const clock: Clock = {
      now: () => ms,
      monotonic: () => ms,
      after: (_ms, run) => {
        pauses += 1;
        queueMicrotask(run);
        return { cancel: () => undefined };
      },
    };
    const cache = new WatchCache({
      storage: fixture.store,
      clock,
      random: seededRandom(1),
      decode: (...value) => {
        ms += 6;
        return decode(...value);
      },
      onError: (error) => {
        throw error;
      },
    });
    const stop = new AbortController();
    const running = cache.run(stop.signal);
    await expect.poll(() => cache.connected).toBe(true);
    expect([...cache.snapshot('/g/jobs/').entries()]).toHaveLength(10);
    expect(pauses).toBe(5);
    stop.abort();
    await running;
  });
});

const stall = { kind: 'stall', ms: 600_000 } as const;

/** The first watch ends with `compacted` after as many batches. */
function compactOnce(batches: number): FaultRule {
  return faultWhen(({ operation }) => operation === 'watch', { kind: 'compacted', batches }, 1);
}
