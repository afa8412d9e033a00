import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { seededRandom } from '../../../api/machinery/random.ts';
import { MemoryStorage } from '../../../api/storage/memory.ts';
import type { Storage, WatchBatch } from '../../../api/storage/storage.ts';
import { bytes, failure, written } from '../../contract/storage/support.ts';
import { faultSometimes, faultWhen, withFaults, type FaultRule } from '../../support/faults.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

describe('withFaults', () => {
  let clock: VirtualClock;
  let store: MemoryStorage;
  let rules: FaultRule[];
  let storage: Storage;

  beforeEach(() => {
    clock = new VirtualClock();
    store = new MemoryStorage({ clock });
    rules = [];
    storage = withFaults(store, rules, clock);
  });
  afterEach(() => store.close());

  it('changes nothing without a rule that applies', async () => {
    rules.push(faultWhen(({ key }) => key === '/other', { kind: 'unavailable' }));
    const first = await written(storage.create('/x', bytes('1')));
    await written(storage.update('/x', bytes('2'), first));
    expect((await storage.list('/')).items).toHaveLength(1);
  });

  it('refuses, or loses the answer with or without the write', async () => {
    rules.push(
      faultWhen(({ key }) => key === '/refused', { kind: 'unavailable' }),
      faultWhen(({ key }) => key === '/stored', { kind: 'unknown', applied: true }),
      faultWhen(({ key }) => key === '/lost', { kind: 'unknown', applied: false }),
    );
    expect(await failure(storage.create('/refused', bytes('1')))).toBe('unavailable');
    expect(await failure(storage.create('/stored', bytes('1')))).toBe('unknown');
    expect(await failure(storage.create('/lost', bytes('1')))).toBe('unknown');
    expect((await store.list('/')).items.map(({ key }) => key)).toEqual(['/stored']);
  });

  it('stops after as many times as it was told', async () => {
    rules.push(faultWhen(() => true, { kind: 'unavailable' }, 2));
    expect(await failure(storage.head())).toBe('unavailable');
    expect(await failure(storage.head())).toBe('unavailable');
    expect(await storage.head()).toBe(1);
  });

  it('delays the request, or the answer', async () => {
    rules.push(
      faultWhen(({ key }) => key === '/late-request', { kind: 'delay', ms: 10 }),
      faultWhen(({ key }) => key === '/late-answer', { kind: 'late', ms: 10 }),
      faultWhen(({ key }) => key === '/never', { kind: 'hang' }),
    );
    let answers = 0;
    for (const key of ['/late-request', '/late-answer', '/never']) {
      void storage.create(key, bytes('1')).then(() => (answers += 1));
    }
    await clock.advance(9);
    expect((await store.list('/')).items.map(({ key }) => key)).toEqual(['/late-answer']);
    expect(answers).toBe(0);
    await clock.advance(1);
    expect((await store.list('/')).items).toHaveLength(2);
    expect(answers).toBe(2);
  });

  it('breaks or stalls a watch after some batches', async () => {
    const read = async (batches: WatchBatch[]): Promise<void> => {
      for await (const batch of storage.watch('/', 2, new AbortController().signal)) {
        batches.push(batch);
      }
    };
    const isWatch: Parameters<typeof faultWhen>[0] = ({ operation }) => operation === 'watch';
    rules.push(
      faultWhen(isWatch, { kind: 'compacted', batches: 1 }, 1),
      faultWhen(isWatch, { kind: 'stall', batches: 1, ms: 50 }, 1),
    );
    const broken: WatchBatch[] = [];
    const stalled: WatchBatch[] = [];
    const end = failure(read(broken));
    void read(stalled);
    await written(store.create('/1', bytes('1')));
    await settle();
    await written(store.create('/2', bytes('1')));
    expect(await end).toBe('compacted');
    expect(broken).toHaveLength(1);
    await clock.advance(49);
    expect(stalled).toHaveLength(1);
    await clock.advance(1);
    expect(stalled).toHaveLength(2);
  });

  it('strikes by a seed, the same way each time', async () => {
    const run = async (seed: number): Promise<string> => {
      const faulty = withFaults(
        store,
        [faultSometimes(seededRandom(seed), 0.5, { kind: 'unavailable' })],
        clock,
      );
      const outcomes: string[] = [];
      for (let call = 0; call < 30; call += 1) {
        outcomes.push(
          await faulty.head().then(
            () => '.',
            () => 'x',
          ),
        );
      }
      return outcomes.join('');
    };
    const once = await run(1);
    expect(once).toContain('x');
    expect(once).toContain('.');
    expect(await run(1)).toBe(once);
    expect(await run(2)).not.toBe(once);
  });
});
