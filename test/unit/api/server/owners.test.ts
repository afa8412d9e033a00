import { afterEach, describe, expect, it } from 'vitest';
import type { Attributes, Authorizer } from '../../../../api/server/authorizer.ts';
import { startHarness, textAt, type Harness } from './support/harness.ts';

let api: Harness;
afterEach(() => api.stop());

/** Allows everything but this verb on this resource. */
function allBut(verb: string, resource: string): Authorizer {
  return {
    authorize: (attributes: Attributes) =>
      Promise.resolve(
        attributes.verb === verb && attributes.resource?.resource === resource
          ? { allowed: false, reason: '' }
          : { allowed: true },
      ),
  };
}

const maps = '/api/v1/namespaces/default/configmaps';
const merge = 'application/merge-patch+json';
const owner = (more: object = {}, kind = 'Job') => ({
  apiVersion: 'mesocosm.dev/v1',
  kind,
  name: 'web',
  uid: 'u1',
  ...more,
});
const map = (ownerReferences: object[]) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'm', ownerReferences },
});
const create = (ownerReferences: object[]) =>
  api.send('POST', maps, { body: map(ownerReferences) });

describe('an owner reference', () => {
  it('takes the right to delete what gets an owner', async () => {
    api = await startHarness({ authorization: allBut('delete', 'configmaps') });
    const refused = await create([owner()]);
    expect(refused.code).toBe(403);
    expect(textAt(refused.body, 'message')).toContain(
      "cannot set an ownerRef on a resource you can't delete",
    );
    expect((await create([])).code).toBe(201);
    const body = { metadata: { ownerReferences: [owner()] } };
    const patched = await api.send('PATCH', `${maps}/m`, { body, contentType: merge });
    expect(patched.code).toBe(403);
  });

  it('that holds its owner back takes the right to do so', async () => {
    api = await startHarness({ authorization: allBut('update', 'jobs/finalizers') });
    expect((await create([owner()])).code).toBe(201);
    const body = { metadata: { ownerReferences: [owner({ blockOwnerDeletion: true })] } };
    const refused = await api.send('PATCH', `${maps}/m`, { body, contentType: merge });
    expect(refused.code).toBe(403);
    expect(textAt(refused.body, 'message')).toContain('update of jobs/finalizers is needed');
  });

  it('that holds an owner of an unknown kind back is refused', async () => {
    api = await startHarness();
    expect((await create([owner({}, 'Nothing')])).code).toBe(201);
    await api.send('DELETE', `${maps}/m`);
    expect((await create([owner({ blockOwnerDeletion: true }, 'Nothing')])).code).toBe(403);
  });

  it("that was there before is nobody's business", async () => {
    api = await startHarness({ authorization: allBut('update', 'jobs/finalizers') });
    await create([owner()]);
    const body = { metadata: { ownerReferences: [owner()], labels: { a: 'b' } } };
    expect((await api.send('PATCH', `${maps}/m`, { body, contentType: merge })).code).toBe(200);
  });

  it('is what the loops may set by their role', async () => {
    api = await startHarness({ authorization: 'RBAC' });
    const loops = api.server.transport({
      name: 'system:mesocosm-controllers',
      groups: ['system:authenticated'],
    });
    const resources = { requests: { cpu: 1, memory: '64Mi' } };
    const containers = [{ name: 'main', script: 'true', resources }];
    const answer = await loops.request({
      method: 'POST',
      path: '/apis/mesocosm.dev/v1/namespaces/default/tasks',
      body: {
        apiVersion: 'mesocosm.dev/v1',
        kind: 'Task',
        metadata: {
          name: 'web-0-bcdfg',
          ownerReferences: [owner({ controller: true, blockOwnerDeletion: true })],
        },
        spec: { job: 'web', instance: 0, revision: 'web-1', restarts: 0, containers },
      },
    });
    expect(answer.code).toBe(201);
  });
});
