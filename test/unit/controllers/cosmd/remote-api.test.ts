import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ApiAccess } from '../../../../api/client/access.ts';
import { systemClock } from '../../../../api/machinery/clock.ts';
import { resources } from '../../../../api/v1/resources.ts';
import { RemoteApi } from '../../../../controllers/cosmd/remote-api.ts';
import { clientCertificate } from '../../../../hack/local/certificates.ts';
import { startServer, type RunningServer } from '../../../conformance/support/server.ts';

let running: RunningServer;
beforeAll(async () => {
  running = await startServer(resources);
});
afterAll(() => running.stop());

function accessOf(user: string): ApiAccess {
  const { certFile, keyFile } = clientCertificate(running.directory, user, ['system:masters']);
  return {
    server: `https://127.0.0.1:${running.port}`,
    ca: readFileSync(running.certificates.caFile, 'utf8'),
    clientCertificate: readFileSync(certFile, 'utf8'),
    clientKey: readFileSync(keyFile, 'utf8'),
  };
}

async function whoAmI(api: RemoteApi): Promise<unknown> {
  const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
  const { body } = await api.request({ method: 'POST', path, body: {} });
  return (body as { status: { userInfo: { username: string } } }).status.userInfo.username;
}

it('goes on by a new certificate, and by the old one while the new does not work', async () => {
  const clock = systemClock();
  const lines: string[] = [];
  const tell = (fields: unknown, message?: string): void => {
    lines.push(`${message ?? ''} ${JSON.stringify(fields)}`);
  };
  let load = (): Promise<ApiAccess> => Promise.resolve(accessOf('old'));
  const api = await RemoteApi.open({
    load: () => load(),
    userAgent: 'test',
    clock: { ...clock, after: (ms, run) => clock.after(ms === 5_000 ? 10 : ms, run) },
    logger: { info: tell, error: tell },
  });
  const stop = new AbortController();
  const done = api.run(stop.signal);
  const logged = (words: string): Promise<void> =>
    expect.poll(() => lines.join('\n'), { interval: 5 }).toContain(words);
  try {
    expect(await whoAmI(api)).toBe('old');
    const watching = new AbortController();
    const frames = api.watch(
      { method: 'GET', path: '/api/v1/namespaces', query: { watch: 'true', resourceVersion: '0' } },
      watching.signal,
    );
    const watch = frames[Symbol.asyncIterator]();
    expect(await watch.next()).toMatchObject({ done: false });

    const strange = { ...accessOf('old'), clientKey: accessOf('new').clientKey ?? '' };
    load = () => Promise.resolve(strange);
    await logged('the kubeconfig cannot be used');
    load = () => Promise.reject(new Error('no such file'));
    await logged('no such file');
    expect(await whoAmI(api)).toBe('old');
    expect(lines).toHaveLength(2);

    load = () => Promise.resolve(accessOf('new'));
    await logged('what the kubeconfig says now counts');
    expect(await whoAmI(api)).toBe('new');
    const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'seen' } };
    await api.request({ method: 'POST', path: '/api/v1/namespaces', body });
    let seen = '';
    while (!seen.includes('"seen"')) seen = JSON.stringify((await watch.next()).value);
    watching.abort();
  } finally {
    stop.abort();
    await done;
    await api.close();
  }
});
