import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { observe, versionOf } from '../../../../api/cli/observe.ts';
import { systemClock } from '../../../../api/machinery/clock.ts';
import { MemoryStorage } from '../../../../api/storage/memory.ts';
import { networkResource } from '../../../../api/v1/network.ts';
import { resources } from '../../../../api/v1/resources.ts';
import { startServer, type RunningServer } from '../../../conformance/support/server.ts';
import { startTcpProxy, type TcpProxy } from '../../../support/tcp-proxy.ts';
import { startCosm, type Cosm } from './support/cosm.ts';

const path = '/apis/mesocosm.dev/v1/networks';

function network(name: string): object {
  return { apiVersion: 'mesocosm.dev/v1', kind: 'Network', metadata: { name }, spec: {} };
}

describe('a watch of the command line', () => {
  let cosm: Cosm;
  let proxy: TcpProxy;
  beforeAll(async () => {
    cosm = await startCosm();
    proxy = await startTcpProxy({ host: '127.0.0.1', port: cosm.server.port });
  });
  afterAll(() => Promise.all([cosm.stop(), proxy.stop()]));

  const create = (name: string): Promise<unknown> =>
    cosm.client.of(networkResource).create({
      apiVersion: 'mesocosm.dev/v1',
      kind: 'Network',
      metadata: { name },
      spec: {},
    });

  it('goes on where it was when the link is cut, and shows nothing twice', async () => {
    const server = ['--server', `https://127.0.0.1:${proxy.port}`];
    await create('listed');
    const watching = cosm.start(['get', 'networks', '-w', '--no-headers', '-o', 'name', ...server]);
    await watching.shows('listed');
    await create('before');
    await watching.shows('before');
    proxy.refuse();
    await watching.shows('watch interrupted, trying again');
    await create('meanwhile');
    proxy.resume();
    await watching.shows('meanwhile');
    watching.interrupt();
    expect((await watching.done).stdout).toBe(
      'network.mesocosm.dev/listed\nnetwork.mesocosm.dev/before\nnetwork.mesocosm.dev/meanwhile\n',
    );
  });

  it('gives up with exit code 4 when the server stays away', async () => {
    const server = ['--server', `https://127.0.0.1:${proxy.port}`];
    const watching = cosm.start(['get', 'networks', '-w', ...server], { hurry: 20 });
    await watching.shows('before');
    proxy.refuse();
    const { code, stderr } = await watching.done;
    proxy.resume();
    expect(code).toBe(4);
    expect(stderr).toContain('error: cannot reach the server');
  });
});

describe('observe', () => {
  let running: RunningServer;
  beforeAll(async () => {
    // What came before the server started is not in its history.
    const storage = new MemoryStorage({ clock: systemClock() });
    for (const key of ['a', 'b', 'c']) await storage.create(`/elsewhere/${key}`, Buffer.from('x'));
    running = await startServer(resources, storage);
  });
  afterAll(() => running.stop());

  it('lists again when the server no longer knows the version', async () => {
    const inner = running.server.transport({ name: 'tester', groups: ['system:masters'] });
    await inner.request({ method: 'POST', path, body: network('first') });
    const controller = new AbortController();
    let watches = 0;
    const stream = observe(
      { path, query: {} },
      {
        transport: {
          request: (request) => inner.request(request),
          watch: (request, signal) => {
            watches += 1;
            // The first watch asks for what was before the store's history begins.
            const query = { ...request.query, ...(watches === 1 ? { resourceVersion: '1' } : {}) };
            return inner.watch({ ...request, query }, signal);
          },
        },
        send: async (request) => (await inner.request(request)).body,
        clock: systemClock(),
        signal: controller.signal,
      },
    );
    const types: string[] = [];
    for await (const { type } of stream) {
      types.push(type);
      if (types.length === 2)
        await inner.request({ method: 'POST', path, body: network('second') });
      if (types.length === 3) controller.abort();
    }
    expect(types).toEqual(['LIST', 'LIST', 'ADDED']);
  });
});

describe('the version of an answer', () => {
  it('is that of the object, the list, or the only row of a table', () => {
    expect(versionOf({ metadata: { resourceVersion: '7' } })).toBe('7');
    const row = { object: { metadata: { resourceVersion: '8' } } };
    expect(versionOf({ kind: 'Table', metadata: {}, rows: [row] })).toBe('8');
    expect(
      versionOf({ kind: 'Table', metadata: { resourceVersion: '' }, rows: [] }),
    ).toBeUndefined();
    expect(versionOf(undefined)).toBeUndefined();
  });
});
