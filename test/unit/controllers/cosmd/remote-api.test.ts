import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ApiAccess } from '../../../../api/client/access.ts';
import { systemClock } from '../../../../api/machinery/clock.ts';
import { Metrics } from '../../../../api/machinery/metrics.ts';
import { resources } from '../../../../api/v1/resources.ts';
import { RemoteApi } from '../../../../controllers/cosmd/remote-api.ts';
import { clientCertificate } from '../../../../hack/local/certificates.ts';
import { startServer, type RunningServer } from '../../../conformance/support/server.ts';

let first: RunningServer;
let second: RunningServer;
const metrics = new Metrics();
beforeAll(async () => {
  first = await startServer(resources, undefined, undefined, { metrics });
  second = await startServer(resources);
});
afterAll(async () => {
  await first.stop();
  await second.stop();
});

function accessOf(user: string, running = first): ApiAccess {
  const { certFile, keyFile } = clientCertificate(running.directory, user, ['system:masters']);
  return {
    server: `https://127.0.0.1:${running.port}`,
    ca: readFileSync(running.certificates.caFile, 'utf8'),
    clientCertificate: readFileSync(certFile, 'utf8'),
    clientKey: readFileSync(keyFile, 'utf8'),
  };
}

/** Connections that the first server has. */
const connections = (): number =>
  Number(/^mesocosm_api_connections\{protocol="http\/1\.1"\} (\d+)$/m.exec(metrics.text())?.[1]);

async function whoAmI(api: RemoteApi): Promise<unknown> {
  const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
  const { body } = await api.request({ method: 'POST', path, body: {} });
  return (body as { status: { userInfo: { username: string } } }).status.userInfo.username;
}

type Load = () => Promise<ApiAccess>;

/** Runs a test with the API that `load` leads to, which it may change. */
async function withApi(
  initial: Load,
  run: (given: {
    api: RemoteApi;
    load: (next: Load) => void;
    lines: readonly string[];
    logged: (words: string) => Promise<void>;
  }) => Promise<void>,
): Promise<void> {
  const clock = systemClock();
  const lines: string[] = [];
  const tell = (fields: unknown, message?: string): void => {
    lines.push(`${message ?? ''} ${JSON.stringify(fields)}`);
  };
  let load = initial;
  const api = await RemoteApi.open({
    load: () => load(),
    userAgent: 'test',
    clock: { ...clock, after: (ms, end) => clock.after(ms === 5_000 ? 10 : ms, end) },
    logger: { info: tell, error: tell },
  });
  const stop = new AbortController();
  const done = api.run(stop.signal);
  const logged = (words: string): Promise<void> =>
    expect.poll(() => lines.join('\n'), { interval: 5 }).toContain(words);
  try {
    await run({ api, load: (next) => (load = next), lines, logged });
  } finally {
    stop.abort();
    await done;
    await api.close();
  }
}

/** A watch that has begun. */
async function watchOver(api: RemoteApi) {
  const watching = new AbortController();
  const frames = api.watch(
    { method: 'GET', path: '/api/v1/namespaces', query: { watch: 'true', resourceVersion: '0' } },
    watching.signal,
  );
  const watch = frames[Symbol.asyncIterator]();
  expect(await watch.next()).toMatchObject({ done: false });
  return { watch, end: () => watching.abort() };
}

const old: Load = () => Promise.resolve(accessOf('old'));

it('goes on by a new certificate, and by the old one while the new does not work', () =>
  withApi(old, async ({ api, load, lines, logged }) => {
    expect(await whoAmI(api)).toBe('old');
    const { watch, end } = await watchOver(api);

    const strange = { ...accessOf('old'), clientKey: accessOf('new').clientKey ?? '' };
    load(() => Promise.resolve(strange));
    await logged('the kubeconfig cannot be used');
    load(() => Promise.reject(new Error('no such file')));
    await logged('no such file');
    expect(await whoAmI(api)).toBe('old');
    expect(lines).toHaveLength(2);

    load(() => Promise.resolve(accessOf('new')));
    await logged('what the kubeconfig says now counts');
    expect(await whoAmI(api)).toBe('new');
    const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'seen' } };
    await api.request({ method: 'POST', path: '/api/v1/namespaces', body });
    let seen = '';
    while (!seen.includes('"seen"')) seen = JSON.stringify((await watch.next()).value);
    end();
  }));

it('closes its connections of before with the last watch over them', () =>
  withApi(old, async ({ api, load, logged }) => {
    await whoAmI(api);
    const { watch, end } = await watchOver(api);
    load(() => Promise.resolve(accessOf('new', second)));
    await logged('what the kubeconfig says now counts');
    expect(await whoAmI(api)).toBe('new');
    const transport = first.server.transport({ name: 'writer', groups: ['system:masters'] });
    const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'late' } };
    await transport.request({ method: 'POST', path: '/api/v1/namespaces', body });
    let seen = '';
    while (!seen.includes('"late"')) seen = JSON.stringify((await watch.next()).value);
    end();
    expect(await watch.next()).toMatchObject({ done: true });
    await expect.poll(connections).toBe(0);
    expect(await whoAmI(api)).toBe('new');
  }));

it('closes its connections of before at once where nothing is under way', () =>
  withApi(old, async ({ api, load }) => {
    await whoAmI(api);
    load(() => Promise.resolve(accessOf('new', second)));
    await expect.poll(connections).toBe(0);
    expect(await whoAmI(api)).toBe('new');
  }));
