import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { KubeConfig, makeInformer, type KubernetesListObject } from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../api/machinery/clock.ts';
import { isObject } from '../../api/machinery/json.ts';
import { systemRandom } from '../../api/machinery/random.ts';
import { EtcdStorage } from '../../api/storage/etcd/driver.ts';
import { resources } from '../../api/v1/resources.ts';
import { startEtcd, type EtcdServer } from '../support/etcd.ts';
import { at, textAt } from '../unit/api/server/support/harness.ts';
import { exchange, type WireAnswer } from './golden/wire.ts';
import { kubectlVersions } from './support/kubectl.ts';
import { administrator, kubeconfigFile, withCertificate } from './support/people.ts';
import { startServer, type RunningServer } from './support/server.ts';

let etcd: EtcdServer;
let servers: [RunningServer, RunningServer, RunningServer];

const start = (): Promise<RunningServer> =>
  startServer(
    resources,
    new EtcdStorage({
      endpoints: [etcd.endpoint],
      prefix: '/mesocosm/registry',
      clock: systemClock(),
      random: systemRandom(),
    }),
  );

beforeAll(async () => {
  etcd = await startEtcd();
  servers = [await start(), await start(), await start()];
});
afterAll(async () => {
  await Promise.all(servers.map((server) => server.stop()));
  await etcd.stop();
});

const configMaps = '/api/v1/namespaces/default/configmaps';
const configMap = (name: string, value = '0'): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, labels: { test: 'servers' } },
    data: { value },
  });

const identityOf = (server: RunningServer) => ({
  caFile: server.certificates.caFile,
  ...server.certificates.admin,
});

function send(server: RunningServer, method: string, path: string, body?: string) {
  const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
  return exchange(server.port, identityOf(server), {
    method,
    path,
    headers: { 'content-type': type },
    ...(body === undefined ? {} : { body }),
  });
}

const valueOf = (answer: WireAnswer): unknown => JSON.parse(answer.text);

function namesOf(list: unknown): string[] {
  const items = at(list, 'items');
  return Array.isArray(items) ? items.map((item) => textAt(item, 'metadata.name')) : [];
}

/** A watch whose events are read one by one, in a word each. */
async function watch(server: RunningServer, query: string) {
  const { caFile, certFile, keyFile } = identityOf(server);
  const sent = request({
    host: '127.0.0.1',
    port: server.port,
    path: `${configMaps}?watch=true&${query}`,
    ca: readFileSync(caFile),
    cert: readFileSync(certFile),
    key: readFileSync(keyFile),
  });
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    sent.once('response', resolve);
    sent.once('error', reject);
    sent.end();
  });
  expect(response.statusCode).toBe(200);
  const lines = linesOf(response);
  return {
    next: async (): Promise<unknown> => {
      const { done, value } = await lines.next();
      return done === true ? undefined : JSON.parse(value);
    },
    stop: () => sent.destroy(),
  };
}

async function* linesOf(chunks: AsyncIterable<unknown>): AsyncGenerator<string, void> {
  let text = '';
  for await (const chunk of chunks) {
    text += String(chunk);
    const lines = text.split('\n');
    text = lines.pop() ?? '';
    yield* lines;
  }
}

function brief(event: unknown): string {
  if (event === undefined) return 'end';
  const annotations = at(event, 'object.metadata.annotations');
  const end = isObject(annotations) && annotations['k8s.io/initial-events-end'] === 'true';
  const name = end ? 'initial-events-end' : textAt(event, 'object.metadata.name');
  return `${textAt(event, 'type')} ${name}`.trim();
}

const versionOf = (event: unknown): string => textAt(event, 'object.metadata.resourceVersion');
const mine = 'labelSelector=test%3Dservers';

describe('three API servers on one etcd', () => {
  it('answer with what any of them has written, in lists and watches too', async () => {
    for (let round = 0; round < 15; round += 1) {
      const writer = servers[round % 3]!;
      const name = `c${String(round).padStart(2, '0')}`;
      expect((await send(writer, 'POST', configMaps, configMap(name))).status).toBe(201);
      for (const reader of servers) {
        const list = valueOf(await send(reader, 'GET', `${configMaps}?${mine}`));
        expect(namesOf(list)).toHaveLength(round + 1);
        expect((await send(reader, 'GET', `${configMaps}/${name}`)).status).toBe(200);
      }
      const initial = `${mine}&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true`;
      const events = await watch(servers[(round + 1) % 3]!, initial);
      const seen: string[] = [];
      for (let event = ''; event !== 'BOOKMARK initial-events-end'; seen.push(event)) {
        event = brief(await events.next());
      }
      events.stop();
      expect(seen).toHaveLength(round + 2);
    }
  });

  it('go on with pages that another has begun, as of the same revision', async () => {
    const [first, second, third] = servers;
    const begun = valueOf(await send(first, 'GET', `${configMaps}?${mine}&limit=6`));
    expect((await send(second, 'POST', configMaps, configMap('c000'))).status).toBe(201);
    const names = namesOf(begun);
    const version = textAt(begun, 'metadata.resourceVersion');
    let page = begun;
    for (const server of [second, third]) {
      const token = encodeURIComponent(textAt(page, 'metadata.continue'));
      page = valueOf(await send(server, 'GET', `${configMaps}?${mine}&limit=6&continue=${token}`));
      expect(textAt(page, 'metadata.resourceVersion')).toBe(version);
      names.push(...namesOf(page));
    }
    expect(textAt(page, 'metadata.continue')).toBe('');
    expect(names).toEqual(
      Array.from({ length: 15 }, (_, index) => `c${String(index).padStart(2, '0')}`),
    );
    expect((await send(third, 'DELETE', `${configMaps}/c000`)).status).toBe(200);
  });

  it('go on with watches that another has begun, without loss or repetition', async () => {
    const list = valueOf(await send(servers[0], 'GET', `${configMaps}?${mine}`));
    let version = textAt(list, 'metadata.resourceVersion');
    const seen: string[] = [];
    for (let round = 0; round < 9; round += 1) {
      const events = await watch(servers[round % 3]!, `${mine}&resourceVersion=${version}`);
      const patch = JSON.stringify({ data: { value: `r${round}` } });
      await send(servers[(round + 1) % 3]!, 'PATCH', `${configMaps}/c00`, patch);
      await send(servers[(round + 2) % 3]!, 'PATCH', `${configMaps}/c01`, patch);
      // Of two changes one is left for the next server to tell.
      const event = await events.next();
      events.stop();
      version = versionOf(event);
      seen.push(`${textAt(event, 'object.metadata.name')}=${textAt(event, 'object.data.value')}`);
    }
    const rest = await watch(servers[2], `${mine}&resourceVersion=${version}`);
    while (seen.length < 18) {
      const event = await rest.next();
      seen.push(`${textAt(event, 'object.metadata.name')}=${textAt(event, 'object.data.value')}`);
    }
    rest.stop();
    expect(seen).toEqual(
      Array.from({ length: 9 }, (_, round) => [`c00=r${round}`, `c01=r${round}`]).flat(),
    );
  });

  it('refuse a version that no server has reached, and one that is compacted', async () => {
    const list = valueOf(await send(servers[0], 'GET', configMaps));
    const version = Number(textAt(list, 'metadata.resourceVersion'));
    const future = `${configMaps}?resourceVersion=${version + 1_000}&resourceVersionMatch=Exact`;
    expect((await send(servers[1], 'GET', future)).status).toBe(504);
    await servers[2].storage.compact(version);
    const old = `${configMaps}?resourceVersion=${version - 5}&resourceVersionMatch=Exact`;
    const gone = await send(servers[1], 'GET', old);
    expect(gone.status).toBe(410);
    expect(textAt(valueOf(gone), 'reason')).toBe('Expired');
    // A server that began later than the version knows no more of it than etcd does.
    const late = await start();
    try {
      const events = await watch(late, `resourceVersion=${version - 5}`);
      expect(await events.next()).toMatchObject({
        type: 'ERROR',
        object: { kind: 'Status', code: 410, reason: 'Expired' },
      });
      expect(await events.next()).toBeUndefined();
    } finally {
      await late.stop();
    }
  });
});

describe('a server that stops', () => {
  it('ends its watches with a bookmark from which another goes on', async () => {
    const leaving = await start();
    const list = valueOf(await send(leaving, 'GET', `${configMaps}?${mine}`));
    const from = textAt(list, 'metadata.resourceVersion');
    const query = `${mine}&allowWatchBookmarks=true&resourceVersion`;
    const events = await watch(leaving, `${query}=${from}`);
    const patch = (value: string) =>
      send(servers[0], 'PATCH', `${configMaps}/c00`, JSON.stringify({ data: { value } }));
    await patch('before');
    const before = await events.next();
    expect(textAt(before, 'object.data.value')).toBe('before');
    const stopped = leaving.stop();
    const bookmark = await events.next();
    expect(textAt(bookmark, 'type')).toBe('BOOKMARK');
    expect(Number(versionOf(bookmark))).toBeGreaterThanOrEqual(Number(versionOf(before)));
    expect(await events.next()).toBeUndefined();
    await stopped;
    await patch('after');
    const next = await watch(servers[1], `${query}=${versionOf(bookmark)}`);
    expect(textAt(await next.next(), 'object.data.value')).toBe('after');
    next.stop();
  });
});

describe('clients that watch', () => {
  it('kubectl waits by WatchList where it can', async () => {
    const newest = (await kubectlVersions()).at(-1);
    if (newest === undefined) throw new Error('no kubectl is at hand');
    const [server] = servers;
    const kubectl = administrator(newest.file, server);
    const waiting = kubectl.try(
      ['wait', 'cm/c00', '--for=jsonpath={.data.value}=done', '--timeout=60s', '-v=6'],
      { KUBE_FEATURE_WatchListClient: 'true' },
    );
    await send(
      servers[1],
      'PATCH',
      `${configMaps}/c00`,
      JSON.stringify({ data: { value: 'done' } }),
    );
    const { code, stderr } = await waiting;
    expect(code, stderr).toBe(0);
    if (newest.minor >= 33) expect(stderr).toMatch(/sendInitialEvents=true.*200/);
  });

  it('informers of @kubernetes/client-node follow every change', async () => {
    const [server, other] = servers;
    const config = new KubeConfig();
    config.loadFromFile(kubeconfigFile(server, withCertificate(server.certificates.admin)));
    const list = async (): Promise<KubernetesListObject<{ metadata: { name: string } }>> => {
      const listed: unknown = valueOf(await send(server, 'GET', `${configMaps}?${mine}`));
      return listed as KubernetesListObject<{ metadata: { name: string } }>;
    };
    const informer = makeInformer(config, configMaps, list, 'test=servers');
    const seen: string[] = [];
    for (const verb of ['add', 'update', 'delete'] as const) {
      informer.on(verb, (object) => {
        if (object.metadata.name === 'informed') seen.push(verb);
      });
    }
    await informer.start();
    await send(other, 'POST', configMaps, configMap('informed'));
    await expect.poll(() => seen).toEqual(['add']);
    const patch = JSON.stringify({ data: { value: '1' } });
    await send(other, 'PATCH', `${configMaps}/informed`, patch);
    await expect.poll(() => seen).toEqual(['add', 'update']);
    await send(other, 'DELETE', `${configMaps}/informed`);
    await expect.poll(() => seen).toEqual(['add', 'update', 'delete']);
    await informer.stop();
  });
});
