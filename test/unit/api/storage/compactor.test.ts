import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Compactor } from '../../../../api/storage/compactor.ts';
import { MemoryStorage } from '../../../../api/storage/memory.ts';
import type { Revision, StorageError } from '../../../../api/storage/storage.ts';
import { actions } from '../../../contract/storage/support.ts';
import { withFaults, type FaultRule } from '../../../support/faults.ts';
import { settle, VirtualClock } from '../../../support/virtual-clock.ts';

const minute = 60_000;

describe('Compactor', () => {
  let clock: VirtualClock;
  let store: MemoryStorage;
  let stop: AbortController;
  let errors: StorageError[];
  let compactions: number;
  let rules: FaultRule[];
  const { create } = actions(() => store);

  beforeEach(() => {
    clock = new VirtualClock();
    store = new MemoryStorage({ clock });
    stop = new AbortController();
    errors = [];
    compactions = 0;
    rules = [];
  });
  afterEach(async () => {
    stop.abort();
    await settle();
    await store.close();
  });

  const start = (): void => {
    const count: FaultRule = ({ operation }) => {
      if (operation === 'compact') compactions += 1;
      return undefined;
    };
    const storage = withFaults(store, [...rules, count], clock);
    const compactor = new Compactor({ storage, clock, onError: (error) => errors.push(error) });
    void compactor.run(stop.signal);
  };
  const readable = async (revision: Revision): Promise<boolean> =>
    store.get('/any', { revision }).then(
      () => true,
      () => false,
    );

  it('keeps history for at least five minutes and at most ten', async () => {
    start();
    const written: { at: number; revision: Revision }[] = [];
    for (let minutes = 0; minutes < 60; minutes += 1) {
      written.push({ at: minutes, revision: await create(`/x/${minutes}`, '1') });
      await clock.advance(minute);
      for (const { at, revision } of written) {
        const age = minutes + 1 - at;
        if (age <= 5) expect(await readable(revision)).toBe(true);
        if (age > 11) expect(await readable(revision)).toBe(false);
      }
    }
    expect(errors).toEqual([]);
  });

  it('compacts once an interval, however many run', async () => {
    for (let index = 0; index < 5; index += 1) {
      start();
      await clock.advance(17_000);
    }
    for (let round = 0; round < 12; round += 1) {
      await create(`/x/${round}`, '1');
      await clock.advance(5 * minute);
    }
    expect(compactions).toBeGreaterThanOrEqual(11);
    expect(compactions).toBeLessThanOrEqual(13);
    expect(errors).toEqual([]);
  });

  it('goes on by itself when the one that won dies', async () => {
    start();
    await clock.advance(minute);
    const first = stop;
    stop = new AbortController();
    start();
    await clock.advance(6 * minute);
    first.abort();
    const revision = await create('/x/1', '1');
    await clock.advance(21 * minute);
    expect(await readable(revision)).toBe(false);
  });

  it('is not stopped by a store that is away or an outcome that is unknown', async () => {
    let away = true;
    rules.push(({ operation, index }) => {
      if (!away) return undefined;
      return operation === 'create' && index === 0
        ? { kind: 'unknown', applied: true }
        : { kind: 'unavailable' };
    });
    start();
    const revision = await create('/x/1', '1');
    await clock.advance(12 * minute);
    expect(errors.length).toBeGreaterThan(0);
    expect(await readable(revision)).toBe(true);
    away = false;
    await create('/x/2', '1');
    await clock.advance(21 * minute);
    expect(await readable(revision)).toBe(false);
  });

  it('does not mind that somebody else has compacted further', async () => {
    start();
    await create('/x/1', '1');
    await clock.advance(4 * minute);
    await store.compact(await store.head());
    await clock.advance(20 * minute);
    expect(errors).toEqual([]);
  });
});
