import { describe, expect, it } from 'vitest';
import {
  actions,
  brief,
  collect,
  collectEvents,
  failure,
  text,
  type StorageUnderTest,
} from './support.ts';

export function readContract(under: () => StorageUnderTest): void {
  const { create, update, remove, value } = actions(() => under().storage);

  describe('reads', () => {
    it('reads a key and a list as of an old revision', async () => {
      const first = await create('/a/x', '1');
      const second = await create('/a/y', '1');
      const third = await update('/a/x', '2', first);
      await remove('/a/y', second);
      expect(text((await under().storage.get('/a/x', { revision: second }))?.value)).toBe('1');
      const then = await under().storage.list('/a/', { revision: third });
      expect(then.revision).toBe(third);
      expect(then.items.map((item) => `${item.key}=${text(item.value) ?? ''}`)).toEqual([
        '/a/x=2',
        '/a/y=1',
      ]);
      expect((await under().storage.list('/a/', { revision: first })).items).toHaveLength(1);
      expect(await under().storage.get('/a/y', { revision: first })).toBeUndefined();
    });

    it('lists what begins with the prefix, in byte order, at the revision of the store', async () => {
      for (const key of [
        '/a/b',
        '/a/B',
        '/a/b/c',
        '/a/b-c',
        '/a0',
        '/b',
        '/a/~',
        '/a/10',
        '/a/9',
      ]) {
        await create(key, key);
      }
      const list = await under().storage.list('/a/');
      expect(list.items.map((item) => item.key)).toEqual([
        '/a/10',
        '/a/9',
        '/a/B',
        '/a/b',
        '/a/b-c',
        '/a/b/c',
        '/a/~',
      ]);
      expect(list).toMatchObject({ remaining: 0, revision: await under().storage.head() });
      const empty = await under().storage.list('/none/');
      expect(empty).toEqual({ items: [], remaining: 0, revision: await under().storage.head() });
    });

    it('pages at one revision while others write, losing and repeating nothing', async () => {
      const keys = Array.from({ length: 23 }, (_, index) => `/a/${String(index).padStart(3, '0')}`);
      let last = 0;
      for (const key of keys) last = await create(key, key);
      const seen: string[] = [];
      const first = await under().storage.list('/a/', { limit: 5 });
      expect(first).toMatchObject({ revision: last, remaining: 18 });
      for (let page = first; ;) {
        seen.push(...page.items.map((item) => item.key));
        if (page.remaining === 0) break;
        await create(`/a/000-${seen.length}`, 'late');
        await under().storage.delete(keys[22]!, last);
        page = await under().storage.list('/a/', {
          limit: 5,
          from: `${seen.at(-1) ?? ''}\0`,
          revision: first.revision,
        });
        expect(page.revision).toBe(first.revision);
      }
      expect(seen).toEqual(keys);
    });

    it('lists more keys than one page of the wire holds', async () => {
      const keys = Array.from({ length: 1203 }, (_, index) => `/a/${1e4 + index}`);
      for (let at = 0; at < keys.length; at += 50) {
        await Promise.all(keys.slice(at, at + 50).map((key) => create(key, '1')));
      }
      const all = await under().storage.list('/a/');
      expect(all.items.map((item) => item.key)).toEqual(keys);
      const most = await under().storage.list('/a/', { limit: 1200 });
      expect(most.items).toHaveLength(1200);
      expect(most.remaining).toBe(3);
    });

    it('shows one moment, however much is written while it is read', async () => {
      const key = (index: number): string => `/a/${1e4 + index}`;
      const revisions = await Promise.all(
        Array.from({ length: 1100 }, (_, index) => create(key(index), '1')),
      );
      // Deletes and creates a key, then another, all over the pages that the wire needs.
      const moving = (async (): Promise<void> => {
        for (let index = 1; index < 40; index += 1) {
          const at = (index * 37) % 1100;
          await remove(key(at), revisions[at]!);
          revisions[at] = await create(key(at), `${index}`);
        }
      })();
      for (let round = 0; round < 8; round += 1) {
        const list = await under().storage.list('/a/');
        const again = await under().storage.list('/a/', { revision: list.revision });
        expect(list).toEqual(again);
        // At most the one that is between its delete and its create is absent.
        expect(list.items.length).toBeGreaterThanOrEqual(1099);
      }
      await moving;
    });

    it('refuses a revision that has not been reached', async () => {
      const head = await under().storage.head();
      expect(await failure(under().storage.list('/a/', { revision: head + 5 }))).toBe('future');
      expect(await failure(under().storage.get('/a/x', { revision: head + 5 }))).toBe('future');
      expect(await failure(under().storage.compact(head + 5))).toBe('future');
      expect(await failure(collect(under().storage, '/a/', head + 6, () => false))).toBe('future');
    });
  });

  describe('compaction', () => {
    it('forgets what lies before the revision and keeps the revision itself', async () => {
      const first = await create('/a/x', '1');
      const second = await update('/a/x', '2', first);
      const third = await update('/a/x', '3', second);
      await under().storage.compact(second);
      expect(await failure(under().storage.get('/a/x', { revision: first }))).toBe('compacted');
      expect(await failure(under().storage.list('/a/', { revision: first }))).toBe('compacted');
      expect(text((await under().storage.get('/a/x', { revision: second }))?.value)).toBe('2');
      expect((await under().storage.list('/a/', { revision: second })).items).toHaveLength(1);
      expect(await value('/a/x')).toBe('3');
      expect(await under().storage.head()).toBe(third);
      expect(await failure(under().storage.compact(first))).toBe('compacted');
      expect(await failure(under().storage.compact(second))).toBe('compacted');
    });

    it('tells a watcher that would miss an event, and serves one that would not', async () => {
      const first = await create('/a/x', '1');
      const second = await update('/a/x', '2', first);
      const third = await remove('/a/x', second);
      await create('/a/y', '1');
      await under().storage.compact(third);
      for (const from of [first, second, third]) {
        expect(await failure(collect(under().storage, '/a/', from, () => false))).toBe('compacted');
      }
      const events = await collectEvents(under().storage, '/a/', third + 1, 1);
      expect(events.map(brief)).toEqual(['put /a/y 1 was -']);
    });

    it('keeps what an event after it replaced', async () => {
      const first = await create('/a/x', '1');
      await under().storage.compact(first);
      await update('/a/x', '2', first);
      const events = await collectEvents(under().storage, '/a/', first + 1, 1);
      expect(events.map(brief)).toEqual(['put /a/x 2 was 1']);
    });
  });
}
