import { describe, expect, it } from 'vitest';
import type { Revision } from '../../../api/storage/storage.ts';
import {
  actions,
  brief,
  checkWatchLaws,
  collect,
  collectEvents,
  failure,
  text,
  type StorageUnderTest,
} from './support.ts';

export function watchContract(under: () => StorageUnderTest): void {
  const { create, update, remove, value } = actions(() => under().storage);

  describe('watch', () => {
    it('replays from a revision on, then goes on live, with what was there before', async () => {
      const first = await create('/a/x', '1');
      const second = await update('/a/x', '2', first);
      const events = collectEvents(under().storage, '/a/', first, 4);
      const third = await remove('/a/x', second);
      const fourth = await create('/a/x', '3');
      expect((await events).map(brief)).toEqual([
        'put /a/x 1 was -',
        'put /a/x 2 was 1',
        'delete /a/x - was 2',
        'put /a/x 3 was -',
      ]);
      expect((await events).map((event) => [event.modRevision, event.createRevision])).toEqual([
        [first, first],
        [second, first],
        [third, first],
        [fourth, fourth],
      ]);
      expect((await events)[2]?.previous).toEqual({
        key: '/a/x',
        value: expect.anything() as unknown,
        modRevision: second,
        createRevision: first,
      });
    });

    it('tells the same to those who need not hear what was there before', async () => {
      const first = await create('/a/x', '1');
      const second = await update('/a/x', '2', first);
      const third = await remove('/a/x', second);
      const { storage } = under();
      const all = (events: readonly unknown[]): boolean => events.length >= 3;
      const batches = await collect(storage, '/a/', first, all, { previous: false });
      const events = batches.flatMap((batch) => batch.events);
      expect(events.map(brief)).toEqual([
        'put /a/x 1 was -',
        'put /a/x 2 was -',
        'delete /a/x - was -',
      ]);
      expect(events.map((event) => [event.modRevision, event.createRevision])).toEqual([
        [first, first],
        [second, first],
        [third, 0],
      ]);
    });

    it('shows only keys under its prefix', async () => {
      const from = (await under().storage.head()) + 1;
      for (const key of ['/a/1', '/ab', '/b/1', '/a', '/a/2']) await create(key, key);
      const events = await collectEvents(under().storage, '/a/', from, 2);
      expect(events.map((event) => event.key)).toEqual(['/a/1', '/a/2']);
    });

    it('waits at the next revision, which has not been reached', async () => {
      const from = (await under().storage.head()) + 1;
      const events = collectEvents(under().storage, '/a/', from, 1);
      await create('/a/x', '1');
      expect((await events).map(brief)).toEqual(['put /a/x 1 was -']);
    });

    it('keeps its laws over thousands of events, for readers that begin anywhere', async () => {
      const from = (await under().storage.head()) + 1;
      const live = collect(under().storage, '/a/', from, (events) => events.length >= 2400);
      const modified = new Map<string, Revision>();
      const history: string[] = [];
      for (let round = 0; round < 60; round += 1) {
        await Promise.all(
          Array.from({ length: 40 }, async (_, slot) => {
            const key = `/a/${slot}`;
            const expected = modified.get(key);
            const revision =
              expected === undefined
                ? await create(key, `${round}`)
                : round % 7 === 3
                  ? await remove(key, expected)
                  : await update(key, `${round}`, expected);
            if (round % 7 === 3) modified.delete(key);
            else modified.set(key, revision);
            history[revision - from] = key;
          }),
        );
      }
      const batches = await live;
      checkWatchLaws(batches, from);
      expect(batches.flatMap((batch) => batch.events).map((event) => event.key)).toEqual(history);
      for (const offset of [1, 777, 1500, 2399]) {
        const later = await collect(
          under().storage,
          '/a/',
          from + offset,
          (events) => events.length >= 2400 - offset,
        );
        checkWatchLaws(later, from + offset);
        const keys = later.flatMap((batch) => batch.events).map((event) => event.key);
        expect(keys).toEqual(history.slice(offset));
      }
    });

    it('resumes after any batch without loss or repetition', async () => {
      const from = (await under().storage.head()) + 1;
      for (let index = 0; index < 30; index += 1) await create(`/a/${index}`, '1');
      const seen: Revision[] = [];
      for (let next = from; seen.length < 30;) {
        const [batch] = await collect(under().storage, '/a/', next, (events) => events.length >= 1);
        seen.push(...(batch?.events ?? []).map((event) => event.modRevision));
        next = (batch?.revision ?? next) + 1;
        if (seen.length < 30) await create(`/b/${seen.length}`, '1');
      }
      expect(seen).toEqual(Array.from({ length: 30 }, (_, index) => from + index));
    });

    it('ends without error when its signal aborts or the storage closes', async () => {
      const from = (await under().storage.head()) + 1;
      const stop = new AbortController();
      const read = async (signal: AbortSignal): Promise<number> => {
        let batches = 0;
        for await (const batch of under().storage.watch('/', from, signal))
          batches += batch.events.length;
        return batches;
      };
      const aborted = read(stop.signal);
      const closed = read(new AbortController().signal);
      await create('/a/x', '1');
      await collectEvents(under().storage, '/', from, 1);
      stop.abort();
      expect(await aborted).toBeLessThanOrEqual(1);
      await under().storage.close();
      expect(await closed).toBeLessThanOrEqual(1);
      expect(await failure(under().storage.get('/a/x'))).toBe('unavailable');
    });
  });

  describe('time to live', () => {
    it('deletes expired keys, those of one lease in one revision, and watchers see it', async () => {
      const from = (await under().storage.head()) + 1;
      const keys = Array.from({ length: 30 }, (_, index) => `/events/${100 + index}`);
      await Promise.all(keys.map((key) => create(key, 'soon gone', { ttlSeconds: 1 })));
      await create('/events/stays', 'for ever');
      const watched = collect(under().storage, '/events/', from, (events) => events.length >= 61);
      await under().pass(5);
      const batches = await watched;
      checkWatchLaws(batches, from);
      const deletes = batches
        .flatMap((batch) => batch.events)
        .filter((event) => event.type === 'delete');
      expect(deletes.map((event) => event.key)).toEqual(keys);
      expect(new Set(deletes.map((event) => event.modRevision)).size).toBe(1);
      expect(deletes.map((event) => text(event.previous?.value))).toEqual(
        keys.map(() => 'soon gone'),
      );
      const left = await under().storage.list('/events/');
      expect(left.items.map((item) => item.key)).toEqual(['/events/stays']);
    });

    it('drops the time to live when the key is written without one', async () => {
      const kept = await create('/events/kept', '1', { ttlSeconds: 1 });
      await update('/events/kept', '2', kept);
      const from = (await under().storage.head()) + 1;
      await create('/events/gone', '1', { ttlSeconds: 1 });
      const expired = collectEvents(under().storage, '/events/', from, 2);
      await under().pass(5);
      expect((await expired).map((event) => `${event.type} ${event.key}`)).toEqual([
        'put /events/gone',
        'delete /events/gone',
      ]);
      expect(await value('/events/kept')).toBe('2');
    });
  });
}
