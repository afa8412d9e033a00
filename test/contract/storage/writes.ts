import { describe, expect, it } from 'vitest';
import { maxValueBytes, type WriteResult } from '../../../api/storage/storage.ts';
import { actions, bytes, failure, text, written, type StorageUnderTest } from './support.ts';

export function writeContract(under: () => StorageUnderTest): void {
  const { create, update, remove, value } = actions(() => under().storage);

  describe('transactions', () => {
    it('creates a key once and shows the second writer what is there', async () => {
      const revision = await create('/a/x', 'one');
      const second = await under().storage.create('/a/x', bytes('two'));
      expect(second.outcome).toBe('conflict');
      if (second.outcome !== 'conflict') return;
      expect(text(second.current?.value)).toBe('one');
      expect(second.current?.modRevision).toBe(revision);
      expect(await value('/a/x')).toBe('one');
    });

    it('gives every write its own, greater revision', async () => {
      const first = await create('/a/x', '1');
      const second = await create('/a/y', '1');
      const third = await update('/a/x', '2', first);
      const fourth = await remove('/a/y', second);
      expect([first, second, third, fourth]).toEqual([first, first + 1, first + 2, first + 3]);
      expect(await under().storage.head()).toBe(fourth);
    });

    it('keeps the create revision over updates and renews it after a delete', async () => {
      const first = await create('/a/x', '1');
      const second = await update('/a/x', '2', first);
      expect(await under().storage.get('/a/x')).toMatchObject({
        createRevision: first,
        modRevision: second,
      });
      await remove('/a/x', second);
      const again = await create('/a/x', '3');
      expect((await under().storage.get('/a/x'))?.createRevision).toBe(again);
    });

    it('refuses an update or delete of a revision that is not the newest', async () => {
      const first = await create('/a/x', '1');
      const second = await update('/a/x', '2', first);
      for (const result of [
        await under().storage.update('/a/x', bytes('3'), first),
        await under().storage.delete('/a/x', first),
      ]) {
        expect(result).toMatchObject({
          outcome: 'conflict',
          current: { modRevision: second },
        });
      }
      expect(await value('/a/x')).toBe('2');
    });

    it('reports a conflict with nothing when the key is gone, and changes nothing', async () => {
      const first = await create('/a/x', '1');
      const gone = await remove('/a/x', first);
      const late = await under().storage.update('/a/x', bytes('2'), first);
      expect(late).toEqual({ outcome: 'conflict', current: undefined, revision: gone });
      expect((await under().storage.delete('/a/x', first)).outcome).toBe('conflict');
      expect(await under().storage.head()).toBe(gone);
    });

    it('lets one of many writers at the same revision win', async () => {
      const first = await create('/a/x', '0');
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, writer) =>
          under().storage.update('/a/x', bytes(`writer ${writer}`), first),
        ),
      );
      const winners = results.flatMap(({ outcome }, writer) =>
        outcome === 'written' ? [`writer ${writer}`] : [],
      );
      expect(winners).toHaveLength(1);
      expect(await value('/a/x')).toBe(winners[0]);
    });

    it('stores bytes as they are, and nothing at all as empty bytes', async () => {
      const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
      await written(under().storage.create('/a/all', all));
      await written(under().storage.create('/a/none', new Uint8Array()));
      expect([...((await under().storage.get('/a/all'))?.value ?? [])]).toEqual([...all]);
      expect((await under().storage.get('/a/none'))?.value).toHaveLength(0);
    });

    it('takes a value of the greatest size and refuses one byte more', async () => {
      const most = under().maxBytes ?? maxValueBytes;
      await written(under().storage.create('/a/big', new Uint8Array(most)));
      const tooBig = under().storage.create('/a/bigger', new Uint8Array(most + 1));
      expect(await failure(tooBig)).toBe('too-large');
      expect(await under().storage.get('/a/bigger')).toBeUndefined();
    });

    it('refuses keys that are not rooted printable ASCII', async () => {
      for (const key of ['a', '', '/ä', '/a b', '/a\n']) {
        expect(await failure(under().storage.create(key, bytes('1')))).toBe('internal');
      }
    });
  });

  describe('fences', () => {
    it('writes while the lease is the one of the epoch, however often it is renewed', async () => {
      const epoch = await create('/leases/leader', 'me');
      await update('/leases/leader', 'me again', epoch);
      const fence = { leaseKey: '/leases/leader', epoch };
      const first = await create('/a/x', '1', { fence });
      const second = await written(under().storage.update('/a/x', bytes('2'), first, { fence }));
      await written(under().storage.delete('/a/x', second, { fence }));
    });

    it('refuses every write of a leader whose lease was taken over or deleted', async () => {
      const epoch = await create('/leases/leader', 'old');
      const first = await create('/a/x', '1');
      const gone = await remove('/leases/leader', epoch);
      const fence = { leaseKey: '/leases/leader', epoch };
      const attempts = (): Promise<WriteResult>[] => [
        under().storage.create('/a/y', bytes('1'), { fence }),
        under().storage.update('/a/x', bytes('2'), first, { fence }),
        under().storage.delete('/a/x', first, { fence }),
      ];
      for (const result of await Promise.all(attempts())) expect(result.outcome).toBe('fenced');
      const taken = await create('/leases/leader', 'new');
      expect(taken).toBe(gone + 1);
      for (const result of await Promise.all(attempts())) expect(result.outcome).toBe('fenced');
      expect(await value('/a/x')).toBe('1');
      expect(await value('/a/y')).toBeUndefined();
      expect(await under().storage.head()).toBe(taken);
    });

    it('names the fence, not the conflict, when both hold', async () => {
      const first = await create('/a/x', '1');
      const fence = { leaseKey: '/leases/leader', epoch: first };
      expect((await under().storage.update('/a/x', bytes('2'), first + 7, { fence })).outcome).toBe(
        'fenced',
      );
    });
  });
}
