import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as tcpConnect } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Metrics } from '../../api/machinery/metrics.ts';
import { resources } from '../../api/v1/resources.ts';
import { clientCertificate } from '../../hack/local/certificates.ts';
import { exchange, type Identity } from './golden/wire.ts';
import { dialHttp2, flags, frame, requestHeaders } from './support/frames.ts';
import { startServer, type RunningServer } from './support/server.ts';

/** Clients that ask and do not read hold nothing that others need. */

const configMaps = '/api/v1/namespaces/default/configmaps';
let running: RunningServer;
let metrics: Metrics;
const open: TLSSocket[] = [];

beforeAll(async () => {
  metrics = new Metrics();
  running = await startServer(resources, undefined, undefined, {
    authorization: 'AlwaysAllow',
    metrics,
  });
  const transport = running.server.transport({ name: 'writer', groups: ['system:masters'] });
  const body = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'large' },
    data: { text: 'x'.repeat(100 * 1024) },
  };
  expect((await transport.request({ method: 'POST', path: configMaps, body })).code).toBe(201);
});
afterAll(async () => {
  for (const socket of open) socket.destroy();
  await running.stop();
});

function identityOf(user: string): Identity {
  const { directory, certificates } = running;
  return { caFile: certificates.caFile, ...clientCertificate(directory, user, []) };
}

function gauge(name: string, more = ''): number {
  const line = new RegExp(`^${name}\\{priority_level="workload"${more}\\} (\\d+)$`, 'm');
  return Number(line.exec(metrics.text())?.[1]);
}
const seated = (): number => gauge('apiserver_flowcontrol_current_executing_requests');
const queued = (): number => gauge('apiserver_flowcontrol_current_inqueue_requests');
const untaken = (): number => gauge('mesocosm_api_untaken_answer_bytes');

async function isServed(user: string): Promise<boolean> {
  const request = { method: 'GET', path: `${configMaps}/large`, headers: {} };
  return (await exchange(running.port, identityOf(user), request)).status === 200;
}

/** Asks over HTTP/2 for one thing many times, and has no room for the answers. */
async function askWithoutRoom(user: string, path: string, streams: number): Promise<TLSSocket> {
  const socket = await dialHttp2(running.port, identityOf(user));
  open.push(socket);
  socket.resume();
  // SETTINGS_INITIAL_WINDOW_SIZE: 0
  const frames = [frame('settings', { payload: Buffer.from([0, 4, 0, 0, 0, 0]) })];
  for (let index = 0; index < streams; index += 1) {
    const payload = requestHeaders('GET', path);
    const set = flags.endHeaders | flags.endStream;
    frames.push(frame('headers', { stream: 2 * index + 1, flags: set, payload }));
  }
  socket.write(Buffer.concat(frames));
  return socket;
}

describe('a client of HTTP/2 that has no room for its answers', () => {
  it('has no seats, however many there are of it', async () => {
    const sockets = await Promise.all(
      ['ann', 'eve'].map((user) => askWithoutRoom(user, '/api/v1/namespaces/default', 200)),
    );
    // Each answer is counted with 4 KiB, and its bytes.
    await expect.poll(untaken).toBeGreaterThan(400 * 4 * 1024);
    await expect.poll(() => [seated(), queued()]).toEqual([0, 0]);
    expect(await isServed('bob')).toBe(true);
    for (const socket of sockets) socket.destroy();
    await expect.poll(untaken).toBe(0);
  });

  it('is not answered any further once it has left enough', async () => {
    const socket = await askWithoutRoom('ann', `${configMaps}/large`, 240);
    const share = 16 * 1024 * 1024;
    await expect.poll(untaken).toBeGreaterThanOrEqual(share);
    expect(untaken()).toBeLessThan(2 * share);
    await expect.poll(seated).toBe(0);
    const refused = (): number =>
      gauge('apiserver_flowcontrol_rejected_requests_total', ',reason="time-out"');
    expect(queued() + refused()).toBeGreaterThan(0);
    expect(await isServed('bob')).toBe(true);
    socket.destroy();
    await expect.poll(() => [untaken(), queued()]).toEqual([0, 0]);
  });
});

describe('requests behind a watch on one connection of HTTP/1.1', () => {
  const one = '/api/v1/namespaces/default';
  const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

  /** All in one piece: whoever answers the first knows of the others. */
  async function ask(port: number, { caFile, certFile = '', keyFile = '' }: Identity, all: string) {
    const [ca, cert, key] = [caFile, certFile, keyFile].map((file) => readFileSync(file));
    const socket = connect({ host: '127.0.0.1', port, ca, cert, key });
    socket.on('error', () => undefined);
    open.push(socket);
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    await once(socket, 'secureConnect');
    socket.write(all);
    await expect.poll(() => text).toContain('ADDED');
    return { socket, answers: () => text.split('HTTP/1.1 200 OK').length - 1 };
  }

  it('have no seats', async () => {
    const watch = get(`${one}?watch=true`);
    const { socket } = await ask(running.port, identityOf('ann'), watch + get(one).repeat(60));
    await expect.poll(() => [seated(), queued(), untaken()]).toEqual([0, 0, 0]);
    expect(await isServed('bob')).toBe(true);
    socket.destroy();
  });

  it('are answered once it has ended', async () => {
    const watch = get(`${one}?watch=true&timeoutSeconds=1`);
    const asked = await ask(running.port, identityOf('ann'), watch + get(one).repeat(5));
    await expect.poll(asked.answers).toBe(6);
    asked.socket.destroy();
  });

  it('do not keep the server from ending', async () => {
    const own = await startServer(resources, undefined, undefined, {
      authorization: 'AlwaysAllow',
    });
    const identity = { caFile: own.certificates.caFile, ...own.certificates.admin };
    const { socket } = await ask(own.port, identity, get(`${one}?watch=true`) + get(one).repeat(5));
    const closed = once(socket, 'close');
    await Promise.all([own.stop(), closed]);
    expect(own.complaints).toEqual([]);
  });
});

describe('connections over which nobody asks for anything', () => {
  it('make room for those who do, and end nothing that is under way', async () => {
    const counted = new Metrics();
    const own = await startServer(resources, undefined, undefined, {
      metrics: counted,
      connections: { all: 100, perAddress: 4 },
    });
    const identity = { caFile: own.certificates.caFile, ...own.certificates.admin };
    const path = '/api/v1/namespaces/default';
    const ask = async (): Promise<number> =>
      (await exchange(own.port, identity, { method: 'GET', path })).status;
    const watcher = await dialHttp2(own.port, identity);
    open.push(watcher);
    const payload = requestHeaders('GET', `${path}?watch=true`);
    watcher.write(
      frame('headers', { stream: 1, flags: flags.endHeaders | flags.endStream, payload }),
    );
    await once(watcher.resume(), 'data');
    const watches = (): boolean => /^apiserver_registered_watchers\{.*\} 1$/m.test(counted.text());
    await expect.poll(watches).toBe(true);
    const mute = Array.from({ length: 20 }, () => tcpConnect(own.port, '127.0.0.1'));
    await Promise.all(
      mute.map((socket) =>
        once(
          socket.on('error', () => undefined),
          'connect',
        ),
      ),
    );
    expect(await ask()).toBe(200);
    expect(await ask()).toBe(200);
    expect(watches()).toBe(true);
    expect(counted.text()).toMatch(/^mesocosm_api_connections_cut_total\{bound="address"\} [1-9]/m);
    for (const socket of mute) socket.destroy();
    watcher.destroy();
    await own.stop();
  });
});
