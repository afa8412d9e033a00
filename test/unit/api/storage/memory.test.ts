import { describe, expect, it } from 'vitest';
import { MemoryStorage } from '../../../../api/storage/memory.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';
import { bytes, collectEvents, failure, written } from '../../../contract/storage/support.ts';

describe('MemoryStorage', () => {
  it('bounds its history by compacting itself, keeping what is stored now', async () => {
    const storage = new MemoryStorage({ clock: new VirtualClock(), historyLimit: 100 });
    const first = await written(storage.create('/still', bytes('here')));
    let last = await written(storage.create('/busy', bytes('0')));
    for (let index = 1; index <= 500; index += 1) {
      last = await written(storage.update('/busy', bytes(`${index}`), last));
    }
    expect(await failure(storage.get('/busy', { revision: last - 101 }))).toBe('compacted');
    expect((await storage.get('/busy', { revision: last - 80 }))?.modRevision).toBe(last - 80);
    expect((await storage.get('/still'))?.modRevision).toBe(first);
    expect(await collectEvents(storage, '/', last - 79, 80)).toHaveLength(80);
  });

  it('spares a key that was deleted and written again without the lease', async () => {
    const clock = new VirtualClock();
    const storage = new MemoryStorage({ clock });
    const created = await written(storage.create('/x', bytes('1'), { ttlSeconds: 10 }));
    await written(storage.delete('/x', created));
    const again = await written(storage.create('/x', bytes('2')));
    await clock.advance(60_000);
    expect(await storage.head()).toBe(again);
  });

  it('leaves no timer behind when it is closed', async () => {
    const clock = new VirtualClock();
    const storage = new MemoryStorage({ clock });
    await written(storage.create('/x', bytes('1'), { ttlSeconds: 10 }));
    expect(clock.pending).toBe(1);
    await storage.close();
    expect(clock.pending).toBe(0);
    expect(await failure(storage.list('/'))).toBe('unavailable');
  });
});
