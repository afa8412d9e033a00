import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseFence } from '../../../../api/server/http/headers.ts';
import { at, startHarness, widget, widgets, type Harness } from './support/harness.ts';

let api: Harness;
beforeEach(async () => {
  api = await startHarness();
});
afterEach(() => api.stop());

const leases = '/apis/coordination.k8s.io/v1/namespaces/mesocosm-system/leases';

/** Takes the leadership over: deletes the lease, if there is one, and creates it. */
async function lead(holder: string): Promise<number> {
  await api.send('DELETE', `${leases}/leader`);
  const body = {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'leader' },
    spec: { holderIdentity: holder },
  };
  const created = await api.send('POST', leases, { body });
  expect(created.code).toBe(201);
  return Number(at(created.body, 'metadata.resourceVersion'));
}

describe('a fenced write', () => {
  it('succeeds while the lease is the one of its epoch, also after renewals', async () => {
    const epoch = await lead('a');
    const fence = { namespace: 'mesocosm-system', name: 'leader', epoch };
    await api.send('PATCH', `${leases}/leader`, {
      body: { spec: { renewTime: '2026-01-01T00:00:00.000000Z' } },
      contentType: 'application/merge-patch+json',
    });
    expect((await api.send('POST', widgets, { body: widget('a'), fence })).code).toBe(201);
  });

  it('is refused in every form once another leads, and changes nothing', async () => {
    const epoch = await lead('a');
    const fence = { namespace: 'mesocosm-system', name: 'leader', epoch };
    await api.send('POST', widgets, { body: widget('old'), fence });
    await lead('b');
    const before = await api.storage.head();
    const merge = { contentType: 'application/merge-patch+json', fence };
    const refused = await Promise.all([
      api.send('POST', widgets, { body: widget('new'), fence }),
      api.send('PATCH', `${widgets}/old`, { body: { spec: { replicas: 3 } }, ...merge }),
      api.send('PATCH', `${widgets}/old/status`, { body: { status: { phase: 'X' } }, ...merge }),
      api.send('PATCH', `${widgets}/old/scale`, { body: { spec: { replicas: 3 } }, ...merge }),
      api.send('DELETE', `${widgets}/old`, { fence }),
      // Even a write that would change nothing must not look like one that was made.
      api.send('PATCH', `${widgets}/old`, { body: {}, ...merge }),
    ]);
    for (const answer of refused) {
      expect(answer).toMatchObject({ code: 409, body: { reason: 'LeaderChanged' } });
    }
    expect(await api.storage.head()).toBe(before);
  });

  it('is refused when there is no lease at all', async () => {
    const fence = { namespace: 'mesocosm-system', name: 'nobody', epoch: 5 };
    expect(await api.send('POST', widgets, { body: widget('a'), fence })).toMatchObject({
      code: 409,
      body: { reason: 'LeaderChanged' },
    });
  });
});

describe('the header of a fence', () => {
  it('is read, and never ignored when it is not understood', () => {
    expect(parseFence(undefined)).toBeUndefined();
    expect(parseFence('mesocosm-system/leader;42')).toEqual({
      namespace: 'mesocosm-system',
      name: 'leader',
      epoch: 42,
    });
    for (const wrong of [
      '',
      'leader;42',
      'a/b',
      'a/b;x',
      'a/b/c;1',
      '../b;1',
      'A/b;1',
      'a/b;1;2',
    ]) {
      expect(() => parseFence(wrong), wrong).toThrow(/Mesocosm-Fence/);
    }
  });
});
