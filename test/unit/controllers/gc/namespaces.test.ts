import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { configMapResource } from '../../../../api/v1/config-map.ts';
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
      { type: 'NamespaceDeletionDiscoveryFailure', status: 'False', reason: 'ResourcesDiscovered' },
      { type: 'NamespaceDeletionGroupVersionParsingFailure', status: 'False' },
      { type: 'NamespaceDeletionContentFailure', status: 'False', reason: 'ContentDeleted' },
      {
        type: 'NamespaceContentRemaining',
        status: 'True',
        reason: 'SomeResourcesRemain',
        message:
          'Some resources are remaining: leases.coordination.k8s.io has 1 resource instances',
      },
      {
        type: 'NamespaceFinalizersRemaining',
        status: 'True',
        reason: 'SomeFinalizersRemain',
        message:
          'Some content in the namespace has finalizers remaining: example.org/slow in 1 resource instances',
      },
    ]);
    const held = await api.client.of(leaseResource).get({ namespace: 'prod', name: 'held' });
    await api.client
      .of(leaseResource)
      .update({ ...held, metadata: { ...held.metadata, finalizers: [] } });
    await until(api.clock, async () => (await namespaces().find({ name: 'prod' })) === undefined);
  });

  it('goes on with other kinds when one cannot be emptied, and says which and why', async () => {
    loops.transport.fault = ({ path }) => (path.includes('/leases') ? 'away' : undefined);
    await makeLease(api, 'stuck');
    await api.client.of(configMapResource).create({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'other', namespace: 'prod' },
    });
    await namespaces().delete({ name: 'prod' });
    await until(api.clock, async () => {
      const { status } = await namespaces().get({ name: 'prod' });
      return status?.conditions?.[2]?.['status'] === 'True';
    });
    const { status } = await namespaces().get({ name: 'prod' });
    expect(status?.conditions?.[2]).toMatchObject({
      reason: 'ContentDeletionFailed',
      message: expect.stringMatching(
        /^Failed to delete all resource types, 1 remaining: .*injected: away/,
      ) as string,
    });
    const { items } = await api.client.of(configMapResource).list({ namespace: 'prod' });
    expect(items).toEqual([]);
    loops.transport.fault = () => undefined;
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
