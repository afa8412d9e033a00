import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { leaseResource, namespaceResource } from '../../../../api/v1/core.ts';
import type { TestApi } from '../runtime/api.ts';
import { startApi, until } from '../runtime/api.ts';
import type { Loops } from './setup.ts';
import { leaseNames, makeLease, startLoops } from './setup.ts';

let api: TestApi;
let loops: Loops;

beforeEach(async () => {
  api = await startApi();
  loops = startLoops(api);
});

afterEach(async () => {
  await loops.stop();
  await api.stop();
});

const namespaces = () => api.client.of(namespaceResource);

describe('deleting a namespace', () => {
  it('empties it, and nothing else, before it goes', async () => {
    await makeLease(api, 'a');
    await makeLease(api, 'b');
    await makeLease(api, 'elsewhere', [], { namespace: 'default' });
    await namespaces().delete({ name: 'prod' });
    expect((await namespaces().get({ name: 'prod' })).status?.phase).toBe('Terminating');
    await until(api.clock, async () => (await namespaces().find({ name: 'prod' })) === undefined);
    expect(await leaseNames(api)).toEqual([]);
    expect(await leaseNames(api, 'default')).toEqual(['elsewhere']);
  });

  it('waits for what others still hold, and says what and who', async () => {
    await makeLease(api, 'held', [], { finalizers: ['example.org/slow'] });
    await namespaces().delete({ name: 'prod' });
    await api.clock.advance(60_000);
    const { status } = await namespaces().get({ name: 'prod' });
    expect(status?.conditions).toMatchObject([
      {
        type: 'NamespaceContentRemaining',
        message: 'still there: leases.coordination.k8s.io: 1 (held by example.org/slow)',
      },
    ]);
    const held = await api.client.of(leaseResource).get({ namespace: 'prod', name: 'held' });
    await api.client
      .of(leaseResource)
      .update({ ...held, metadata: { ...held.metadata, finalizers: [] } });
    await until(api.clock, async () => (await namespaces().find({ name: 'prod' })) === undefined);
  });

  it('writes its status once while nothing changes', async () => {
    await makeLease(api, 'held', [], { finalizers: ['example.org/slow'] });
    await namespaces().delete({ name: 'prod' });
    await api.clock.advance(10_000);
    const before = await namespaces().get({ name: 'prod' });
    await api.clock.advance(60_000);
    const after = await namespaces().get({ name: 'prod' });
    expect(after.metadata.resourceVersion).toBe(before.metadata.resourceVersion);
  });

  it('leaves a namespace alone that nobody deletes', async () => {
    await makeLease(api, 'a');
    await api.clock.advance(60_000);
    expect(await leaseNames(api)).toEqual(['a']);
    expect(loops.transport.writes).toEqual([]);
  });
});
