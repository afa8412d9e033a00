import { afterEach, beforeEach, expect, it } from 'vitest';
import type { CachedEntry } from '../../../../api/storage/cache.ts';
import { actions } from '../../../contract/storage/support.ts';
import { settle } from '../../../support/virtual-clock.ts';
import { CacheFixture, follow, type Decoded } from './cache-fixture.ts';

let fixture: CacheFixture;
const { create, update } = actions(() => fixture.store);
beforeEach(async () => {
  fixture = new CacheFixture();
  await settle();
});
afterEach(() => fixture.end());

function serialise(entry: CachedEntry<Decoded> | undefined): CachedEntry<Decoded> {
  if (entry === undefined) throw new Error('there is no such entry');
  entry.serialised = Buffer.from(entry.object.value);
  return entry;
}

it('the serialised form of what was replaced is kept for readers that follow, and then let go', async () => {
  const first = await create('/g/jobs/a', '1');
  await settle();
  const replaced = serialise(fixture.cache.get('/g/jobs/a'));
  await update('/g/jobs/a', '2', first);
  await settle();
  const present = serialise(fixture.cache.get('/g/jobs/a'));
  expect(replaced.serialised).toBeDefined();
  for (let index = 0; index < 2_000; index += 1) await create(`/g/jobs/b${index}`, '1');
  await settle();
  expect(replaced.serialised).toBeUndefined();
  expect(present.serialised).toBeDefined();
  // Whoever is that far behind still gets every event, and serialises anew.
  const late = follow(fixture.cache, '/g/jobs/', first - 1);
  await settle();
  expect(late.batches[0]?.events[0]?.entry).toBe(replaced);
  late.abort.abort();
});
