import { describe, expect, it } from 'vitest';
import type { Revision, WatchBatch } from '../../../api/storage/storage.ts';
import {
  actions,
  brief,
  bytes,
  checkWatchLaws,
  collectEvents,
  failure,
  text,
  type StorageUnderTest,
} from './support.ts';

/** What Kubernetes' API makes of a store: resourceVersions, pages, watches that several follow. */
export function ruleContract(under: () => StorageUnderTest): void {
  const { create, update, remove, value } = actions(() => under().storage);

  describe('revisions', () => {
    it('are not moved by what is refused, of which no watcher hears', async () => {
      const first = await create('/a/x', '1');
      const lease = await create('/leases/l', 'holder');
      const { storage } = under();
      const fence = { leaseKey: '/leases/l', epoch: lease + 1 };
      const refused = await Promise.all([
        storage.create('/a/x', bytes('2')),
        storage.update('/a/x', bytes('2'), first + 1),
        storage.update('/a/gone', bytes('2'), first),
        storage.delete('/a/x', first + 1),
        storage.delete('/a/gone', first),
        storage.update('/a/x', bytes('2'), first, { fence }),
      ]);
      expect(refused.map(({ outcome }) => outcome)).toEqual([
        ...['conflict', 'conflict', 'conflict', 'conflict', 'conflict'],
        'fenced',
      ]);
      expect(refused.map(({ revision }) => revision)).toEqual(refused.map(() => lease));
      expect(await storage.head()).toBe(lease);
      const next = await update('/a/x', '3', first);
      expect(next).toBe(lease + 1);
      const events = await collectEvents(storage, '/a/', first + 1, 1);
      expect(events.map(brief)).toEqual(['put /a/x 3 was 1']);
    });

    it('are new for bytes that are the same: leaving such writes out is the caller’s part', async () => {
      const first = await create('/a/x', '1');
      const second = await update('/a/x', '1', first);
      expect(second).toBe(first + 1);
      expect((await under().storage.get('/a/x'))?.modRevision).toBe(second);
    });

    it('of a delete are its own, and the object’s are in what it replaced', async () => {
      const first = await create('/a/x', '1');
      const second = await update('/a/x', '2', first);
      const third = await remove('/a/x', second);
      const again = await create('/a/x', '3');
      const [deleted, made] = await collectEvents(under().storage, '/a/', third, 2);
      expect(deleted).toMatchObject({ type: 'delete', modRevision: third, createRevision: first });
      expect(deleted?.previous).toMatchObject({ modRevision: second, createRevision: first });
      expect(made).toMatchObject({ type: 'put', modRevision: again, createRevision: again });
      expect(made?.previous).toBeUndefined();
    });
  });

  describe('pages', () => {
    it('tell how much is left as of their revision', async () => {
      for (let index = 0; index < 7; index += 1) await create(`/a/${index}`, 'x');
      const { storage } = under();
      const first = await storage.list('/a/', { limit: 3 });
      await create('/a/8', 'x');
      const { revision } = first;
      const second = await storage.list('/a/', { limit: 3, revision, from: '/a/2\0' });
      const third = await storage.list('/a/', { limit: 3, revision, from: '/a/5\0' });
      expect([first, second, third].map(({ remaining }) => remaining)).toEqual([4, 1, 0]);
      expect(third.items.map(({ key }) => key)).toEqual(['/a/6']);
      expect((await storage.list('/a/', { limit: 8, from: '/a/6' })).items).toHaveLength(2);
    });

    it('that were begun before a compaction cannot be ended, and what is there now can be read', async () => {
      for (let index = 0; index < 4; index += 1) await create(`/a/${index}`, 'x');
      const { storage } = under();
      const { revision } = await storage.list('/a/', { limit: 2 });
      const later = await create('/a/4', 'x');
      await storage.compact(later);
      const rest = storage.list('/a/', { limit: 2, revision, from: '/a/1\0' });
      expect(await failure(rest)).toBe('compacted');
      const now = await storage.list('/a/', { from: '/a/1\0' });
      expect(now.items.map(({ key }) => key)).toEqual(['/a/2', '/a/3', '/a/4']);
    });
  });

  describe('reads', () => {
    it('show every write that was acknowledged before, each time', async () => {
      let last: Revision = 0;
      for (let round = 0; round < 30; round += 1) {
        last = last === 0 ? await create('/a/x', '0') : await update('/a/x', String(round), last);
        const [head, list, got] = await Promise.all([
          under().storage.head(),
          under().storage.list('/a/'),
          value('/a/x'),
        ]);
        expect(head).toBeGreaterThanOrEqual(last);
        expect(list.revision).toBeGreaterThanOrEqual(last);
        expect(text(list.items[0]?.value)).toBe(String(round));
        expect(got).toBe(String(round));
      }
    });
  });

  describe('many watchers', () => {
    it('each get everything, though one of them hardly reads', async () => {
      const { storage } = under();
      const from = (await storage.head()) + 1;
      const stop = new AbortController();
      const slow = storage.watch('/a/', from, stop.signal)[Symbol.asyncIterator]();
      const opened = slow.next();
      const quick = Array.from({ length: 8 }, () => collectEvents(storage, '/a/', from, 500));
      for (let index = 0; index < 500; index += 1) {
        await create(`/a/${String(index).padStart(3, '0')}`, 'x'.repeat(1_000));
      }
      for (const events of await Promise.all(quick)) expect(events).toHaveLength(500);
      const batches: WatchBatch[] = [];
      let count = 0;
      for (let next = await opened; count < 500; next = await slow.next()) {
        if (next.done === true) throw new Error('the watch ended');
        batches.push(next.value);
        count += next.value.events.length;
        if (count >= 500) break;
      }
      stop.abort();
      checkWatchLaws(batches, from);
      expect(count).toBe(500);
    });
  });
}
