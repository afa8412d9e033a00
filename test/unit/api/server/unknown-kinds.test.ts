import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../api/machinery/clock.ts';
import { MemoryStorage } from '../../../../api/storage/memory.ts';
import { startHarness, type Harness } from './support/harness.ts';

let harness: Harness;
let reads: number;
const asked: string[] = [];

/** Counts reads of the newest state, which only somebody who may should be able to cause. */
class CountingStorage extends MemoryStorage {
  override head(): ReturnType<MemoryStorage['head']> {
    reads += 1;
    return super.head();
  }
}

beforeEach(async () => {
  harness = await startHarness({
    storage: new CountingStorage({ clock: systemClock() }),
    authorization: {
      authorize: ({ user, verb, resource }) => {
        if (user.name === 'mallory') asked.push(`${verb} ${resource?.resource ?? ''}`);
        return Promise.resolve(
          user.name === 'mallory' ? { allowed: false, reason: '' } : { allowed: true },
        );
      },
    },
  });
  reads = 0;
  asked.length = 0;
});
afterEach(() => harness.stop());

const things = '/apis/example.com/v1/namespaces/default/things';

describe('a request for a kind that there is not', () => {
  it('is 404 for those who may, after a look whether the kind came a moment ago', async () => {
    expect((await harness.send('GET', things)).code).toBe(404);
    expect(reads).toBeGreaterThan(0);
  });

  it('is 403 for those who may not, and costs the store nothing', async () => {
    const mallory = harness.server.transport({ name: 'mallory', groups: [] });
    const list = await mallory.request({ method: 'GET', path: things });
    expect(list).toMatchObject({
      code: 403,
      body: {
        reason: 'Forbidden',
        message:
          'things.example.com is forbidden: User "mallory" cannot list resource "things" in API group "example.com" in the namespace "default"',
        details: { group: 'example.com', kind: 'things' },
      },
    });
    expect((await mallory.request({ method: 'DELETE', path: `${things}/x` })).code).toBe(403);
    // PUT without a name, and parts that no kind has.
    expect((await mallory.request({ method: 'PUT', path: things })).code).toBe(403);
    expect((await mallory.request({ method: 'GET', path: `${things}/x/part` })).code).toBe(403);
    expect(asked).toEqual(['list things', 'delete things', 'update things', 'get things/part']);
    expect(reads).toBe(0);
  });
});

it('whether a kind has a verb or a part is told to those alone who may use it', async () => {
  const mallory = harness.server.transport({ name: 'mallory', groups: [] });
  const jobs = '/apis/mesocosm.dev/v1/namespaces/default/jobs';
  for (const path of [`${jobs}/x/nothing`, jobs]) {
    expect((await mallory.request({ method: 'PUT', path })).code).toBe(403);
  }
  expect((await harness.send('PUT', jobs)).code).toBe(400);
  expect((await harness.send('PUT', `${jobs}/x/nothing`)).code).toBe(404);
});
