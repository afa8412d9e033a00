import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { leaseResource, namespaceResource } from '../../../../api/v1/core.ts';
import { jobRevisionResource } from '../../../../api/v1/job-revision.ts';
import type { OwnerState } from '../../../../controllers/gc/verdict.ts';
import { judge } from '../../../../controllers/gc/verdict.ts';
import type { TestApi } from '../runtime/api.ts';
import { startApi, until } from '../runtime/api.ts';
import type { Loops } from './setup.ts';
import { leaseNames, makeLease, ownedBy, startLoops } from './setup.ts';

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

const leases = () => api.client.of(leaseResource);
const ref = (name: string) => ({ namespace: 'prod', name });

async function become(...names: string[]): Promise<void> {
  await until(api.clock, async () => (await leaseNames(api)).join() === names.join());
}

const quiet = () => api.clock.advance(60_000);

async function releaseFinalizers(name: string): Promise<void> {
  const stored = await leases().get(ref(name));
  await leases().update({ ...stored, metadata: { ...stored.metadata, finalizers: [] } });
}

describe('the garbage collector', () => {
  it('deletes what an owner leaves behind, and what that leaves behind', async () => {
    const owner = await makeLease(api, 'owner');
    const child = await makeLease(api, 'child', [ownedBy(owner)]);
    await makeLease(api, 'grandchild', [ownedBy(child)]);
    await makeLease(api, 'stranger');
    await quiet();
    expect(await leaseNames(api)).toEqual(['child', 'grandchild', 'owner', 'stranger']);
    await leases().delete(ref('owner'));
    await become('stranger');
  });

  it('collects what lost its owner before it was looking', async () => {
    const owner = await makeLease(api, 'owner');
    await leases().delete(ref('owner'));
    await loops.stop();
    await makeLease(api, 'child', [ownedBy(owner)]);
    loops = startLoops(api);
    await become();
  });

  it('takes an owner of the same name and another uid for another', async () => {
    const owner = await makeLease(api, 'owner');
    await makeLease(api, 'child', [ownedBy(owner)]);
    await leases().delete(ref('owner'));
    await makeLease(api, 'owner');
    await become('owner');
  });

  it('asks the store before it believes that an owner is gone', async () => {
    await quiet();
    const release = loops.transport.holdWatches('/namespaces');
    const owner = await api.client
      .of(namespaceResource)
      .create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'new' } });
    await makeLease(api, 'child', [ownedBy(owner)]);
    await quiet();
    expect(await leaseNames(api)).toEqual(['child']);
    release();
    await quiet();
    expect(await leaseNames(api)).toEqual(['child']);
  });

  it('deletes nothing while the store cannot be asked', async () => {
    const owner = await makeLease(api, 'owner');
    await makeLease(api, 'child', [ownedBy(owner)]);
    await quiet();
    loops.transport.fault = ({ method, path }) =>
      method === 'GET' && path.endsWith('/leases/owner') ? 'lost' : undefined;
    await leases().delete(ref('owner'));
    await quiet();
    expect(await leaseNames(api)).toEqual(['child']);
    loops.transport.fault = () => undefined;
    await until(api.clock, async () => (await leaseNames(api)).length === 0, 600_000);
  });

  it('does not delete an object that has changed since it was judged', async () => {
    const owner = await makeLease(api, 'owner');
    const other = await makeLease(api, 'other');
    const child = await makeLease(api, 'child', [ownedBy(owner)]);
    await quiet();
    // The cache learns that the owner is gone before it learns that the child has another one.
    const deletes: string[] = [];
    let adopted: Promise<unknown> | undefined;
    loops.transport.fault = ({ method, path }) => {
      if (method !== 'DELETE') return undefined;
      deletes.push(path);
      adopted ??= leases().update({
        ...child,
        metadata: { ...child.metadata, ownerReferences: [ownedBy(other)] },
      });
      return undefined;
    };
    const { inner } = loops.transport;
    loops.transport.inner = {
      watch: (request, signal) => inner.watch(request, signal),
      request: async (request, signal) => {
        await adopted;
        return inner.request(request, signal);
      },
    };
    await leases().delete(ref('owner'));
    await quiet();
    expect(deletes).toHaveLength(1);
    expect(await leaseNames(api)).toEqual(['child', 'other']);
  });

  it('keeps an object for its other owner and drops the reference to the one that is gone', async () => {
    const one = await makeLease(api, 'one');
    const two = await makeLease(api, 'two');
    await makeLease(api, 'child', [ownedBy(one), ownedBy(two)]);
    await leases().delete(ref('one'));
    await until(api.clock, async () => {
      const { metadata } = await leases().get(ref('child'));
      return metadata.ownerReferences?.length === 1;
    });
    await leases().delete(ref('two'));
    await become();
  });

  it('keeps what is owned by a kind that it does not know', async () => {
    const unknown = { apiVersion: 'example.org/v1', kind: 'Robot', name: 'r', uid: 'u' };
    const gone = await makeLease(api, 'gone');
    await makeLease(api, 'child', [unknown]);
    await makeLease(api, 'both', [unknown, ownedBy(gone)]);
    await leases().delete(ref('gone'));
    await quiet();
    expect(await leaseNames(api)).toEqual(['both', 'child']);
    expect((await leases().get(ref('both'))).metadata.ownerReferences).toEqual([unknown]);
  });

  it('deletes dependents first in the foreground, and waits for those that block', async () => {
    const owner = await makeLease(api, 'owner');
    const child = await makeLease(api, 'child', [ownedBy(owner, { blockOwnerDeletion: true })], {
      finalizers: ['example.org/slow'],
    });
    await makeLease(api, 'grandchild', [ownedBy(child, { blockOwnerDeletion: true })]);
    await leases().delete(ref('owner'), { propagationPolicy: 'Foreground' });
    await become('child', 'owner');
    await quiet();
    expect(await leaseNames(api)).toEqual(['child', 'owner']);
    await releaseFinalizers('child');
    await become();
  });

  it('keeps a dependent that another owner holds when one is deleted in the foreground', async () => {
    const one = await makeLease(api, 'one');
    const two = await makeLease(api, 'two');
    await makeLease(api, 'child', [
      ownedBy(one, { blockOwnerDeletion: true }),
      ownedBy(two, { blockOwnerDeletion: true }),
    ]);
    await leases().delete(ref('one'), { propagationPolicy: 'Foreground' });
    await become('child', 'two');
  });

  it('leaves dependents without owner when they are orphaned, also those its cache lacks', async () => {
    const owner = await makeLease(api, 'owner');
    await makeLease(api, 'child', [ownedBy(owner)]);
    await quiet();
    const release = loops.transport.holdWatches('/jobrevisions');
    await api.client.of(jobRevisionResource).create({
      apiVersion: 'mesocosm.dev/v1',
      kind: 'JobRevision',
      metadata: { name: 'unseen', namespace: 'prod', ownerReferences: [ownedBy(owner)] },
      spec: {
        revision: 1,
        template: { spec: { containers: [{ name: 'web', script: 'exec web' }] } },
      },
    });
    await leases().delete(ref('owner'), { propagationPolicy: 'Orphan' });
    await become('child');
    release();
    await quiet();
    expect((await leases().get(ref('child'))).metadata.ownerReferences ?? []).toEqual([]);
    expect(await api.client.of(jobRevisionResource).find(ref('unseen'))).toBeDefined();
  });
});

describe('judge', () => {
  const states: OwnerState[] = ['present', 'leaving', 'absent', 'unknown'];
  const reference = { apiVersion: 'v1', kind: 'K', name: 'n', uid: 'u' };

  it('deletes only if every owner is surely absent', () => {
    for (const one of states) {
      for (const two of states) {
        const { action } = judge([
          { reference, state: one },
          { reference, state: two },
        ]);
        expect(action === 'delete').toBe(one === 'absent' && two === 'absent');
      }
    }
    expect(judge([]).action).toBe('keep');
  });
});
