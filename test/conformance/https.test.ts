import { connect as tcpConnect } from 'node:net';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureCertificates } from '../../hack/local/certificates.ts';
import { sleep } from '../../api/machinery/clock.ts';
import { limits } from '../../api/server/http/limits.ts';
import { resources } from '../../api/v1/resources.ts';
import { HurriedClock } from '../support/hurried-clock.ts';
import { widgetResource } from '../unit/api/server/support/widget.ts';
import { exchange, type Identity } from './golden/wire.ts';
import { startServer, type RunningServer } from './support/server.ts';

let running: RunningServer;
let admin: Identity;
let nobody: Identity;

beforeAll(async () => {
  running = await startServer([widgetResource, ...resources]);
  admin = { caFile: running.certificates.caFile, ...running.certificates.admin };
  nobody = { caFile: running.certificates.caFile };
});
afterAll(() => running.stop());

const widgets = '/apis/conformance.dev/v1/namespaces/default/widgets';
const statusOf = (text: string): { reason?: string; code?: number; message?: string } =>
  JSON.parse(text) as { reason?: string; code?: number; message?: string };

function send(
  identity: Identity,
  method: string,
  path: string,
  body?: string | Buffer,
  headers = {},
) {
  return exchange(running.port, identity, {
    method,
    path,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body }),
  });
}

describe('identity', () => {
  it.each(['/livez', '/livez/ping', '/readyz', '/readyz?verbose', '/version', '/version/'])(
    'is not asked for at %s',
    async (path) => {
      expect((await send(nobody, 'GET', path)).status).toBe(200);
    },
  );

  it.each(['/api', '/apis', '/openapi/v2', '/healthz', widgets, '/nope'])(
    'is asked for at %s',
    async (path) => {
      const answer = await send(nobody, 'GET', path);
      expect(answer.status).toBe(401);
      expect(statusOf(answer.text)).toMatchObject({
        reason: 'Unauthorized',
        message: 'Unauthorized',
      });
    },
  );

  it('is not taken from a certificate that another authority signed', async () => {
    const other = join(running.directory, 'other');
    const stranger = ensureCertificates(other);
    const identity = { caFile: admin.caFile, ...stranger.admin };
    expect((await send(identity, 'GET', widgets)).status).toBe(401);
    expect((await send(identity, 'POST', widgets, '{}')).status).toBe(401);
  });

  it('is not taken from a certificate that is for servers', async () => {
    const { server } = running.certificates;
    expect((await send({ caFile: admin.caFile, ...server }, 'GET', widgets)).status).toBe(401);
  });

  it('is only spoken of over TLS', async () => {
    const answer = await new Promise<string>((resolve) => {
      const socket = tcpConnect(running.port, '127.0.0.1', () =>
        socket.write('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n'),
      );
      let text = '';
      socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
      socket.on('error', () => resolve(text));
      socket.on('close', () => resolve(text));
    });
    expect(answer).not.toContain('200');
  });
});

describe('bodies', () => {
  it('over 3 MiB are refused, declared or not', async () => {
    const big = Buffer.alloc(3 * 1024 * 1024 + 1, 0x20);
    for (const headers of [{}, { 'transfer-encoding': 'chunked' }]) {
      const answer = await send(admin, 'POST', widgets, big, headers);
      expect(answer.status).toBe(413);
      expect(statusOf(answer.text).message).toMatch(/limit is \d+ bytes/);
    }
    expect((await send(admin, 'GET', '/livez')).status).toBe(200);
  });

  it.each([
    ['bytes that are no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ['a key given twice', '{"apiVersion":"conformance.dev/v1","kind":"Widget","kind":"Widget"}'],
    ['a prototype', '{"apiVersion":"conformance.dev/v1","kind":"Widget","__proto__":{"x":1}}'],
    ['deep nesting', `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`],
    ['deeper nesting', '['.repeat(1_000_000)],
    [
      'a number beyond 2^53',
      '{"apiVersion":"conformance.dev/v1","kind":"Widget","x":9007199254740993}',
    ],
    ['no object', '7'],
    ['nothing', ''],
    ['rubbish', '\0\x01\x02'],
  ])('of %s are refused with 400', async (_what, body) => {
    const answer = await send(admin, 'POST', widgets, body);
    expect(answer.status).toBe(400);
    expect(statusOf(answer.text)).toMatchObject({ reason: 'BadRequest', code: 400 });
  });
});

describe('paths', () => {
  it.each([
    ['/apis/conformance.dev/v1/namespaces/default/widgets/%2e%2e', 400],
    ['/apis/conformance.dev/v1/namespaces/..%2f..%2fcore/widgets/x', 400],
    ['/apis/conformance.dev/v1/namespaces/default/widgets/a%2Fb', 400],
    ['/apis/conformance.dev/v1/namespaces/default/widgets/%00', 400],
    ['/apis/conformance.dev/v1/namespaces/default/widgets/%zz', 400],
    ['//apis', 400],
    ['/apis/conformance.dev/v1/namespaces/default/widgets/a/b/c', 404],
    ['/apis/conformance.dev/v1/namespaces/default/constructor', 404],
    ['/apis/__proto__/v1/widgets', 404],
    ['/', 404],
  ])('%s are answered with %d', async (path, code) => {
    const answer = await send(admin, 'GET', path);
    expect(answer.status).toBe(code);
    expect(statusOf(answer.text).code).toBe(code);
  });
});

describe('answers', () => {
  it('of a HEAD have the headers of a GET and no body', async () => {
    const get = await send(admin, 'GET', '/api/v1/namespaces/default');
    const head = await send(admin, 'HEAD', '/api/v1/namespaces/default');
    expect(head).toMatchObject({ status: 200, text: '' });
    expect(head.headers['content-length']).toBe(get.headers['content-length']);
  });

  it('that say what the client has already are 304', async () => {
    for (const path of ['/openapi/v2', '/openapi/v3', '/openapi/v3/apis/mesocosm.dev/v1']) {
      const first = await send(admin, 'GET', path);
      expect(first.status).toBe(200);
      const tag = String(first.headers['etag']);
      const again = await send(admin, 'GET', path, undefined, { 'if-none-match': tag });
      expect(again).toMatchObject({ status: 304, text: '' });
    }
  });

  it('that are large are compressed for whoever takes it', async () => {
    const note = 'x'.repeat(50_000);
    for (const name of ['g1', 'g2', 'g3']) {
      const body = {
        apiVersion: 'conformance.dev/v1',
        kind: 'Widget',
        metadata: { name, annotations: { note } },
        spec: { color: 'red' },
      };
      expect((await send(admin, 'POST', widgets, JSON.stringify(body))).status).toBe(201);
    }
    const plain = await send(admin, 'GET', widgets);
    expect(plain.headers['content-encoding']).toBeUndefined();
    const zipped = await raw(widgets, { 'accept-encoding': 'gzip' });
    expect(zipped.encoding).toBe('gzip');
    expect(gunzipSync(zipped.bytes).toString()).toBe(plain.text);
    const refused = await raw(widgets, { 'accept-encoding': 'gzip;q=0' });
    expect(refused.encoding).toBeUndefined();
  });

  it('carry warnings in their header', async () => {
    const body = {
      apiVersion: 'conformance.dev/v1',
      kind: 'Widget',
      metadata: { name: 'w' },
      spec: { color: 'red', 'b"ö': 1 },
    };
    const answer = await send(admin, 'POST', widgets, JSON.stringify(body));
    expect(answer.headers['warning']).toBe('299 - "unknown field \\"spec.b\\"?\\""');
  });

  it('to a fence that is not understood are refusals', async () => {
    const fenced = await send(admin, 'DELETE', `${widgets}/w`, undefined, {
      'mesocosm-fence': 'x',
    });
    expect(fenced.status).toBe(400);
    expect((await send(admin, 'GET', `${widgets}/w`)).status).toBe(200);
  });

  it('to headers without end are 431', async () => {
    const text = await new Promise<string>((resolve, reject) => {
      const socket = connect(
        { port: running.port, host: '127.0.0.1', ca: readFileSync(admin.caFile) },
        () => {
          socket.write('GET /livez HTTP/1.1\r\nHost: x\r\n');
          socket.write(`X-Long: ${'x'.repeat(100_000)}\r\n\r\n`);
        },
      );
      let received = '';
      socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')));
      socket.on('error', reject);
      socket.on('close', () => resolve(received));
    });
    expect(text).toMatch(/^HTTP\/1\.1 431 /);
  });
});

function raw(path: string, headers: Record<string, string>) {
  const { caFile, certFile, keyFile } = admin;
  return new Promise<{ encoding: string | undefined; bytes: Buffer }>((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port: running.port,
        path,
        headers,
        ca: readFileSync(caFile),
        cert: readFileSync(certFile!),
        key: readFileSync(keyFile!),
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({ encoding: response.headers['content-encoding'], bytes: Buffer.concat(chunks) }),
        );
      },
    );
    sent.on('error', reject);
    sent.end();
  });
}

describe('a watch over HTTPS', () => {
  it('sends its headers at once, and ends well when the server stops', async () => {
    const own = await startServer(resources);
    // Somebody who never comes to speak of TLS: nobody waits for that.
    const mute = tcpConnect(own.port, '127.0.0.1').on('error', () => undefined);
    await once(mute, 'connect');
    const agent = new Agent({ keepAlive: true });
    const { certFile, keyFile } = own.certificates.admin;
    const opened = new Promise<{ status: number; ended: Promise<string> }>((resolve, reject) => {
      const sent = request(
        {
          host: '127.0.0.1',
          port: own.port,
          path: '/api/v1/namespaces?watch=true&allowWatchBookmarks=true&resourceVersion=1000000',
          agent,
          ca: readFileSync(own.certificates.caFile),
          cert: readFileSync(certFile),
          key: readFileSync(keyFile),
        },
        (response) => {
          let text = '';
          response.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
          const ended = new Promise<string>((done, failed) => {
            response.on('end', () => done(text));
            response.on('error', failed);
          });
          resolve({ status: response.statusCode ?? 0, ended });
        },
      );
      sent.on('error', reject);
      sent.end();
    });
    const { status, ended } = await opened;
    expect(status).toBe(200);
    const stopped = own.stop();
    expect(await ended).toBe('');
    await stopped;
    agent.destroy();
  });

  it('is cut off when its client takes nothing, and costs the others nothing', async () => {
    const clock = new HurriedClock();
    clock.hurry(limits.stalledMs);
    const own = await startServer([widgetResource, ...resources], undefined, clock);
    const { certFile, keyFile } = own.certificates.admin;
    const socket = connect({
      port: own.port,
      host: '127.0.0.1',
      ca: readFileSync(own.certificates.caFile),
      cert: readFileSync(certFile),
      key: readFileSync(keyFile),
    });
    await once(socket, 'secureConnect');
    socket.write(`GET ${widgets}?watch=true HTTP/1.1\r\nHost: x\r\n\r\n`);
    await once(socket, 'data');
    socket.pause();
    const transport = own.server.transport({ name: 'writer', groups: ['system:masters'] });
    const note = 'x'.repeat(200_000);
    for (let index = 0; own.complaints.length === 0 && index < 2_000; index += 1) {
      const body = {
        apiVersion: 'conformance.dev/v1',
        kind: 'Widget',
        metadata: { name: `w${index % 10}-${index}`, annotations: { note } },
        spec: { color: 'red' },
      };
      const answer = await transport.request({ method: 'POST', path: widgets, body });
      expect(answer.code).toBe(201);
      await transport.request({ method: 'DELETE', path: `${widgets}/w${index % 10}-${index}` });
      await sleep(clock, 1);
    }
    expect(own.complaints.join()).toMatch(/StalledClientError/);
    socket.destroy();
    await own.stop();
  });

  it('is cheap to leave: three hundred that come and go leave no trace', async () => {
    const before = running.complaints.length;
    const path = '/api/v1/namespaces?watch=true&timeoutSeconds=1';
    const agent = new Agent({ keepAlive: true, maxSockets: 100 });
    const codes = await Promise.all(
      Array.from({ length: 300 }, async () => {
        const answer = await exchange(running.port, admin, { method: 'GET', path, agent });
        return answer.status;
      }),
    );
    agent.destroy();
    expect(new Set(codes)).toEqual(new Set([200]));
    expect(running.complaints.slice(before)).toEqual([]);
  });
});
