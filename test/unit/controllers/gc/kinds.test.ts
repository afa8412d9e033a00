import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Method } from '../../../../api/client/transport.ts';
import { createClient } from '../../../../api/client/resource-client.ts';
import type { KubeObject } from '../../../../api/machinery/metadata.ts';
import type { Resource } from '../../../../api/machinery/resource.ts';
import { configMapResource } from '../../../../api/v1/config-map.ts';
import { customResourceDefinitionResource } from '../../../../api/v1/custom-resource-definition.ts';
import { namespaceResource } from '../../../../api/v1/core.ts';
import { resourceQuotaResource } from '../../../../api/v1/resource-quota.ts';
import { resources } from '../../../../api/v1/resources.ts';
import { Caches, ownerIndexers } from '../../../../controllers/gc/caches.ts';
import { createCollector } from '../../../../controllers/gc/collector.ts';
import { KindFollower, Kinds } from '../../../../controllers/gc/kinds.ts';
import { createNamespaceController } from '../../../../controllers/gc/namespaces.ts';
import { createQuotaController } from '../../../../controllers/gc/quotas.ts';
import { Informer } from '../../../../controllers/runtime/informer.ts';
import { runAll } from '../../../../controllers/runtime/manager.ts';
import type { TestApi } from '../runtime/api.ts';
import { silent, startApi, until } from '../runtime/api.ts';

let api: TestApi;
let stop: () => Promise<void>;

beforeEach(async () => {
  api = await startApi();
  const { clock, random } = api;
  const client = createClient(api.transport);
  const options = { client, clock, random, logger: silent };
  const informerOf = <T extends KubeObject>(resource: Resource<T>): Informer<T> =>
    new Informer({ ...options, client: client.of(resource), indexers: ownerIndexers });
  const namespaces = informerOf(namespaceResource);
  const quotas = informerOf(resourceQuotaResource);
  const definitions = informerOf(customResourceDefinitionResource);
  const caches = new Caches([namespaces, quotas, definitions]);
  const kinds = new Kinds({ client, own: resources });
  const follower = new KindFollower({ ...options, caches, own: resources, definitions });
  const abort = new AbortController();
  const running = runAll(
    [
      namespaces,
      quotas,
      definitions,
      follower,
      createCollector({ ...options, caches }),
      createNamespaceController({ ...options, namespaces, kinds }),
      createQuotaController({ ...options, quotas, caches, kinds }),
    ],
    abort.signal,
    silent,
  );
  stop = async () => {
    abort.abort();
    await running;
  };
  await send('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', definition);
  await until(clock, async () => (await send('GET', gadgets)).code === 200);
});
afterEach(async () => {
  await stop();
  await api.stop();
});

const gadgets = '/apis/example.org/v1/namespaces/prod/gadgets';
const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'gadgets.example.org' },
  spec: {
    group: 'example.org',
    scope: 'Namespaced',
    names: { plural: 'gadgets', kind: 'Gadget' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
        },
      },
    ],
  },
};

const send = (method: Method, path: string, body?: unknown) =>
  api.transport.request({ method, path, ...(body === undefined ? {} : { body }) });

async function make(name: string, ownerReferences: object[] = []): Promise<KubeObject> {
  const body = {
    apiVersion: 'example.org/v1',
    kind: 'Gadget',
    metadata: { name, ownerReferences },
  };
  const answer = await send('POST', gadgets, body);
  expect(answer.code).toBe(201);
  return answer.body as KubeObject;
}

function makeConfigMap(name: string, owner: KubeObject) {
  const { apiVersion, kind, metadata } = owner;
  const ownerReferences = [{ apiVersion, kind, name: metadata.name, uid: metadata.uid }];
  return api.client.of(configMapResource).create({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: 'prod', ownerReferences },
  });
}

const isGone = (name: string) => async () =>
  (await api.client.of(configMapResource).find({ namespace: 'prod', name })) === undefined;

describe('a kind that users define', () => {
  it('owns, and is owned, as every other', async () => {
    const owner = await make('owner');
    const child = await makeConfigMap('child', owner);
    const { apiVersion, kind, metadata } = child;
    await make('grandchild', [{ apiVersion, kind, name: 'child', uid: metadata.uid }]);
    await api.clock.advance(30_000);
    expect(await isGone('child')()).toBe(false);
    await send('DELETE', `${gadgets}/owner`);
    await until(api.clock, isGone('child'));
    await until(api.clock, async () => (await send('GET', `${gadgets}/grandchild`)).code === 404);
  });

  it('leaves its namespace when that is deleted', async () => {
    await make('a');
    await api.client.of(namespaceResource).delete({ name: 'prod' });
    await until(
      api.clock,
      async () => (await api.client.of(namespaceResource).find({ name: 'prod' })) === undefined,
    );
    expect((await send('GET', `${gadgets}/a`)).code).toBe(404);
  });

  it('can be counted by a quota', async () => {
    const name = 'count/gadgets.example.org';
    const quotas = api.client.of(resourceQuotaResource);
    await quotas.create({
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { name: 'team', namespace: 'prod' },
      spec: { hard: { [name]: '1' } },
    });
    const used = async () =>
      (await quotas.get({ namespace: 'prod', name: 'team' })).status?.used?.[name];
    await until(api.clock, async () => (await used()) === '0');
    await make('a');
    const refused = await send('POST', gadgets, {
      apiVersion: 'example.org/v1',
      kind: 'Gadget',
      metadata: { name: 'b' },
    });
    expect(refused.code).toBe(403);
    await send('DELETE', `${gadgets}/a`);
    await until(api.clock, async () => (await used()) === '0');
    await make('b');
  });

  it('that is defined no more keeps nobody alive whose owner it was, and deletes nobody unasked', async () => {
    const owner = await make('owner');
    await makeConfigMap('child', { ...owner, metadata: { ...owner.metadata, uid: 'another' } });
    await until(api.clock, isGone('child'));
    await makeConfigMap('kept', { ...owner, apiVersion: 'unknown.org/v1' });
    await api.clock.advance(60_000);
    expect(await isGone('kept')()).toBe(false);
  });
});
