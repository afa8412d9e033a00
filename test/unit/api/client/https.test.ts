import { createServer as createPlainServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { ApiAccess } from '../../../../api/client/access.ts';
import { AccessError } from '../../../../api/client/access.ts';
import type { HttpsTransport, HttpsTransportOptions } from '../../../../api/client/https.ts';
import { httpsTransport } from '../../../../api/client/https.ts';
import { TransportError } from '../../../../api/client/transport.ts';
import { systemClock } from '../../../../api/machinery/clock.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';
import { makeCertificates } from './certificates.ts';
import { status } from './objects.ts';

const certificates = makeCertificates();
const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return (server.address() as AddressInfo).port;
}

function startServer(handler: RequestListener): Promise<number> {
  const { cert, key } = certificates.server;
  const options = { cert, key, ca: certificates.ca, requestCert: true, rejectUnauthorized: false };
  return listen(createServer(options, handler));
}

function transportTo(
  port: number,
  access: Partial<ApiAccess> = {},
  options: Partial<HttpsTransportOptions> = {},
): HttpsTransport {
  const transport = httpsTransport({
    access: { server: `https://127.0.0.1:${port}`, ca: certificates.ca, ...access },
    clock: systemClock(),
    userAgent: 'tester/1',
    ...options,
  });
  cleanups.push(() => transport.close());
  return transport;
}

function answer(response: ServerResponse, code: number, body: unknown): void {
  response.writeHead(code, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

const never = new AbortController().signal;

async function frames(events: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const event of events) all.push(event);
  return all;
}

describe('httpsTransport', () => {
  it('sends the token that stands in its file now', async () => {
    const seen: (string | undefined)[] = [];
    const port = await startServer((request, response) => {
      seen.push(request.headers.authorization);
      answer(response, 200, {});
    });
    const directory = mkdtempSync(join(tmpdir(), 'mesocosm-https-'));
    cleanups.push(() => rm(directory, { recursive: true }));
    const tokenFile = join(directory, 'token');
    writeFileSync(tokenFile, 'renewed\n');
    let ahead = 0;
    const system = systemClock();
    const clock = { ...system, monotonic: () => system.monotonic() + ahead };
    const transport = transportTo(port, { token: 'first', tokenFile }, { clock });
    await transport.request({ method: 'GET', path: '/' });
    ahead = 60_000;
    await transport.request({ method: 'GET', path: '/' });
    expect(seen).toEqual(['Bearer first', 'Bearer renewed']);
  });

  it('sends method, path, query, body, token and fence, and decodes the answer', async () => {
    const seen: unknown[] = [];
    const port = await startServer((request, response) => {
      void bodyOf(request).then((body) => {
        const { authorization, 'mesocosm-fence': fence, 'user-agent': agent } = request.headers;
        seen.push([request.method, request.url, body, authorization, fence, agent]);
        response.setHeader('warning', '299 - "old \\"field\\"", 299 - "another"');
        answer(response, 201, { done: true });
      });
    });
    const transport = transportTo(port, { server: `https://127.0.0.1:${port}/base/`, token: 't' });
    const reply = await transport.request({
      method: 'POST',
      path: '/apis/x',
      query: { labelSelector: 'a in (b,c)' },
      body: { a: 1 },
      fence: { namespace: 'system', name: 'leader', epoch: 12 },
    });
    expect(reply).toEqual({
      code: 201,
      body: { done: true },
      warnings: ['old "field"', 'another'],
    });
    expect(seen).toEqual([
      [
        'POST',
        '/base/apis/x?labelSelector=a+in+%28b%2Cc%29',
        '{"a":1}',
        'Bearer t',
        'system/leader;12',
        'tester/1',
      ],
    ]);
  });

  it('shows its client certificate and refuses a server of another authority', async () => {
    const { cert, key } = certificates.client;
    const server = createServer(
      {
        cert: certificates.server.cert,
        key: certificates.server.key,
        ca: certificates.ca,
        requestCert: true,
      },
      (_, response) => answer(response, 200, 'welcome'),
    );
    const port = await listen(server);
    const mine = transportTo(port, { clientCertificate: cert, clientKey: key });
    expect((await mine.request({ method: 'GET', path: '/' })).body).toBe('welcome');
    const stranger = transportTo(port, { ca: makeCertificates().ca });
    await expect(stranger.request({ method: 'POST', path: '/', body: {} })).rejects.toMatchObject({
      name: 'TransportError',
      sent: false,
    });
    const nobody = transportTo(port);
    await expect(nobody.request({ method: 'GET', path: '/' })).rejects.toBeInstanceOf(
      TransportError,
    );
  });

  it('says that nothing was sent when nobody listens, and that it may have been when no answer comes', async () => {
    const clock = new VirtualClock();
    const port = await startServer((request) => {
      if (request.url === '/cut') request.socket.destroy();
      else void clock.advance(5_000);
    });
    const transport = transportTo(port, {}, { clock, requestTimeoutMs: 5_000 });
    await expect(
      transport.request({ method: 'POST', path: '/silent', body: {} }),
    ).rejects.toMatchObject({ sent: true, message: expect.stringContaining('5000 ms') as string });
    await expect(
      transport.request({ method: 'POST', path: '/cut', body: {} }),
    ).rejects.toMatchObject({ sent: true });
    const closed = createPlainServer();
    const free = await listen(closed);
    closed.close();
    await expect(
      transportTo(free).request({ method: 'POST', path: '/', body: {} }),
    ).rejects.toMatchObject({ sent: false });
  });

  it("takes a refusal's text when it is no JSON and fails on JSON that is none", async () => {
    const port = await startServer((request, response) => {
      response.writeHead(404, {
        'content-type': request.url === '/text' ? 'text/plain' : 'application/json',
      });
      response.end('404 page not found');
    });
    const transport = transportTo(port);
    expect(await transport.request({ method: 'GET', path: '/text' })).toMatchObject({
      code: 404,
      body: '404 page not found',
    });
    await expect(transport.request({ method: 'GET', path: '/json' })).rejects.toBeInstanceOf(
      TransportError,
    );
  });

  it('streams events as they come and ends when the server ends the watch', async () => {
    let finish = (): void => undefined;
    const port = await startServer((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{"n":1}\n{"n":');
      finish = () => response.end('2}\n');
    });
    const events = transportTo(port).watch({ method: 'GET', path: '/w' }, never);
    const iterator = events[Symbol.asyncIterator]();
    expect(await iterator.next()).toEqual({ done: false, value: { n: 1 } });
    finish();
    expect(await iterator.next()).toEqual({ done: false, value: { n: 2 } });
    expect((await iterator.next()).done).toBe(true);
  });

  it('ends a watch without error on the signal, and leaves no connection behind', async () => {
    let closed: Promise<unknown> | undefined;
    const port = await startServer((request, response) => {
      closed = once(request.socket, 'close');
      response.writeHead(200);
      response.write('{"n":1}\n');
    });
    const stop = new AbortController();
    const seen: unknown[] = [];
    for await (const event of transportTo(port).watch({ method: 'GET', path: '/w' }, stop.signal)) {
      seen.push(event);
      stop.abort();
    }
    expect(seen).toEqual([{ n: 1 }]);
    await closed;
  });

  it('throws the ApiError of a refused watch and a TransportError of a cut one', async () => {
    const port = await startServer((request, response) => {
      if (request.url === '/gone') {
        answer(response, 410, status(410, 'Expired', 'too old'));
        return;
      }
      response.writeHead(200);
      response.write('{"n":1}\n{"half', () => request.socket.destroy());
    });
    const transport = transportTo(port);
    await expect(
      frames(transport.watch({ method: 'GET', path: '/gone' }, never)),
    ).rejects.toMatchObject({ reason: 'Expired' });
    await expect(
      frames(transport.watch({ method: 'GET', path: '/cut' }, never)),
    ).rejects.toBeInstanceOf(TransportError);
  });

  it('notices a link that has died without a word', async () => {
    const port = await startServer((_, response) => {
      response.writeHead(200);
      response.write('{"n":1}\n');
    });
    const clock = new VirtualClock();
    const transport = transportTo(port, {}, { clock, watchIdleMs: 200 });
    const events = transport.watch({ method: 'GET', path: '/w' }, never)[Symbol.asyncIterator]();
    expect((await events.next()).value).toEqual({ n: 1 });
    const silence = expect(events.next()).rejects.toThrow(/sent nothing for 200 ms/);
    await clock.advance(200);
    await silence;
  });

  it('does not mistake a slow reader for a dead link', async () => {
    let finish = (): void => undefined;
    const port = await startServer((_, response) => {
      response.writeHead(200);
      response.write('{"n":1}\n{"n":2}\n');
      finish = () => void response.end('{"n":3}\n');
    });
    const clock = new VirtualClock();
    const transport = transportTo(port, {}, { clock, watchIdleMs: 100 });
    const seen: unknown[] = [];
    for await (const event of transport.watch({ method: 'GET', path: '/w' }, never)) {
      seen.push(event);
      await clock.advance(150);
      if (seen.length === 2) finish();
    }
    expect(seen).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
  });

  it('bounds the size of an answer', async () => {
    const port = await startServer((_, response) => answer(response, 200, 'x'.repeat(2000)));
    const transport = transportTo(port, {}, { maxAnswerBytes: 1000 });
    await expect(transport.request({ method: 'GET', path: '/' })).rejects.toThrow(/1000 bytes/);
  });

  it('speaks plain HTTP to loopback only', async () => {
    const port = await listen(createPlainServer((_, response) => answer(response, 200, 'plain')));
    const options = { clock: systemClock(), userAgent: 'tester/1' };
    const transport = httpsTransport({
      access: { server: `http://127.0.0.1:${port}` },
      ...options,
    });
    cleanups.push(() => transport.close());
    expect((await transport.request({ method: 'GET', path: '/' })).body).toBe('plain');
    for (const server of ['http://10.0.0.1', 'ftp://127.0.0.1', 'nonsense']) {
      expect(() => httpsTransport({ access: { server }, ...options })).toThrow(AccessError);
    }
  });
});
