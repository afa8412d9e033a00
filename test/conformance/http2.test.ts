import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import {
  connect,
  constants,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { connect as connectTls } from 'node:tls';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sleep } from '../../api/machinery/clock.ts';
import { Metrics } from '../../api/machinery/metrics.ts';
import type { AuditEvent } from '../../api/server/audit/event.ts';
import { limits } from '../../api/server/http/limits.ts';
import { resources } from '../../api/v1/resources.ts';
import { clientCertificate } from '../../hack/local/certificates.ts';
import { HurriedClock } from '../support/hurried-clock.ts';
import { widgetResource } from '../unit/api/server/support/widget.ts';
import { dialHttp2, flags, frame, requestHeaders } from './support/frames.ts';
import { kubectlVersions } from './support/kubectl.ts';
import { administrator } from './support/people.ts';
import { startServer, type RunningServer } from './support/server.ts';

const versions = await kubectlVersions();
const widgets = '/apis/conformance.dev/v1/namespaces/default/widgets';
const all = [widgetResource, ...resources];

let running: RunningServer;
let metrics: Metrics;
const audited: AuditEvent[] = [];
const open: ClientHttp2Session[] = [];

beforeAll(async () => {
  metrics = new Metrics();
  const write = (lines: string): Promise<void> => {
    const events = lines.trim().split('\n');
    audited.push(...events.map((line) => JSON.parse(line) as AuditEvent));
    return Promise.resolve();
  };
  running = await startServer(all, undefined, undefined, {
    metrics,
    audit: { sink: { write }, rules: [{ level: 'Metadata' }] },
    streams: { watches: 40, watchesPerUser: 3, sessionsPerUser: 2 },
  });
});
afterAll(async () => {
  for (const session of open) session.destroy();
  await running.stop();
});

/** A connection of an administrator, or of the owner of a certificate. */
function dial(server = running, files = server.certificates.admin): ClientHttp2Session {
  const session = connect(`https://127.0.0.1:${server.port}`, {
    ca: readFileSync(server.certificates.caFile),
    cert: readFileSync(files.certFile),
    key: readFileSync(files.keyFile),
  });
  session.on('error', () => undefined);
  open.push(session);
  return session;
}

interface Answered {
  status: number;
  headers: Record<string, unknown>;
  bytes: Buffer;
  /** How the stream ended. */
  code: number;
}

function answerOf(stream: ClientHttp2Stream): Promise<Answered> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let headers: Record<string, unknown> = {};
    stream.on('response', (received) => (headers = received));
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', () => undefined);
    stream.on('close', () =>
      resolve({
        status: Number(headers[':status'] ?? 0),
        headers,
        bytes: Buffer.concat(chunks),
        code: stream.rstCode,
      }),
    );
  });
}

function ask(
  session: ClientHttp2Session,
  path: string,
  { method = 'GET', headers = {}, body = undefined as string | Buffer | undefined } = {},
): Promise<Answered> {
  const given: OutgoingHttpHeaders = {
    'content-type': 'application/json',
    ...headers,
    ':method': method,
    ':path': path,
  };
  const stream = session.request(given, { endStream: body === undefined });
  const answer = answerOf(stream);
  if (body !== undefined) stream.end(body);
  return answer;
}

const widget = (name: string, note = ''): string =>
  JSON.stringify({
    apiVersion: 'conformance.dev/v1',
    kind: 'Widget',
    metadata: { name, annotations: { note } },
    spec: { color: 'red' },
  });

/** A watch, once it has begun; all that it said. */
async function watch(session: ClientHttp2Session, path: string) {
  const stream = session.request({ ':path': path });
  let text = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => (text += chunk));
  stream.on('error', () => undefined);
  const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
  return { stream, status: headers[':status'], text: () => text };
}

const eventually = (condition: () => boolean | Promise<boolean>): Promise<void> =>
  expect.poll(condition).toBe(true);

const openWatches = (): number =>
  [...metrics.text().matchAll(/^apiserver_registered_watchers\{.*\} (\d+)$/gm)]
    .map(([, count]) => Number(count))
    .reduce((sum, count) => sum + count, 0);

describe('one connection of HTTP/2', () => {
  it('answers many requests at a time, each with its own', async () => {
    const session = dial();
    const names = Array.from({ length: 60 }, (_none, index) => `many-${index}`);
    const made = await Promise.all(
      names.map((name) => ask(session, widgets, { method: 'POST', body: widget(name) })),
    );
    expect(new Set(made.map(({ status }) => status))).toEqual(new Set([201]));
    const read = await Promise.all(names.map((name) => ask(session, `${widgets}/${name}`)));
    expect(
      read.map(({ bytes }) => (JSON.parse(bytes.toString()) as { metadata: object }).metadata),
    ).toEqual(names.map((name) => expect.objectContaining({ name }) as object));
    expect(metrics.text()).toMatch(/^mesocosm_api_connections\{protocol="h2"\} [1-9]/m);
  });

  it('goes on for as long as its client likes', async () => {
    const session = dial();
    for (let round = 0; round < 30; round += 1) {
      const answers = await Promise.all(Array.from({ length: 50 }, () => ask(session, '/livez')));
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    }
    expect(session.closed).toBe(false);
  });

  it('tells a watch of what is written over it', async () => {
    const session = dial();
    const seen = await watch(session, `${widgets}?watch=true&resourceVersion=0`);
    expect(seen.status).toBe(200);
    await ask(session, widgets, { method: 'POST', body: widget('watched') });
    await eventually(() => seen.text().includes('"name":"watched"'));
    seen.stream.close(constants.NGHTTP2_CANCEL);
  });

  it('frees a watcher whose stream is reset, and serves on', async () => {
    await eventually(() => openWatches() === 0);
    const session = dial();
    const watches = await Promise.all(
      Array.from({ length: 20 }, () => watch(session, `${widgets}?watch=true`)),
    );
    await eventually(() => openWatches() === 20);
    for (const { stream } of watches) stream.close(constants.NGHTTP2_CANCEL);
    await eventually(() => openWatches() === 0);
    expect((await ask(session, '/readyz')).status).toBe(200);
    const cut = dial();
    await watch(cut, `${widgets}?watch=true`);
    cut.destroy();
    await eventually(() => openWatches() === 0);
  });

  it('has the headers of HTTP/2 alone, whatever the answer', async () => {
    const session = dial();
    const get = await ask(session, '/api/v1/namespaces/default');
    const head = await ask(session, '/api/v1/namespaces/default', { method: 'HEAD' });
    expect(head).toMatchObject({ status: 200, code: 0 });
    expect(head.bytes).toHaveLength(0);
    expect(head.headers['content-length']).toBe(String(get.bytes.length));
    const tag = String((await ask(session, '/openapi/v2')).headers['etag']);
    const again = await ask(session, '/openapi/v2', { headers: { 'if-none-match': tag } });
    expect(again).toMatchObject({ status: 304, code: 0 });
    const refused = await ask(session, '/api/v1/namespaces/default/pods/x/exec?command=a');
    expect(refused.status).toBe(404);
    for (const { headers } of [get, again, refused]) {
      expect(headers).not.toHaveProperty('connection');
      expect(headers).not.toHaveProperty('transfer-encoding');
    }
  });

  it('compresses what is long', async () => {
    const session = dial();
    const body = widget('long', 'x'.repeat(200_000));
    expect((await ask(session, widgets, { method: 'POST', body })).status).toBe(201);
    const zipped = await ask(session, `${widgets}/long`, {
      headers: { 'accept-encoding': 'gzip' },
    });
    expect(zipped.headers['content-encoding']).toBe('gzip');
    const plain = await ask(session, `${widgets}/long`);
    expect(gunzipSync(zipped.bytes).equals(plain.bytes)).toBe(true);
  });
});

describe('a body over HTTP/2', () => {
  const spaces = Buffer.alloc(3 * 1024 * 1024 + 1, 0x20);

  it('that is too long is refused with 413, declared or not, and leaves an audit line', async () => {
    const session = dial();
    for (const headers of [{}, { 'content-length': String(spaces.length) }]) {
      const id = `too-long-${Object.keys(headers).length}`;
      const answer = await ask(session, widgets, {
        method: 'POST',
        headers: { ...headers, 'audit-id': id },
        body: spaces,
      });
      expect(answer).toMatchObject({ status: 413, headers: { 'audit-id': id } });
      await eventually(() => audited.some(({ auditID }) => auditID === id));
      expect(audited.find(({ auditID }) => auditID === id)).toMatchObject({
        verb: 'create',
        stage: 'ResponseComplete',
        user: { groups: expect.arrayContaining(['system:masters']) as object },
        objectRef: { resource: 'widgets', namespace: 'default' },
        responseStatus: { code: 413, reason: 'RequestEntityTooLarge' },
      });
    }
    expect((await ask(session, '/readyz')).status).toBe(200);
  });

  it('of nobody whom we know is not read', async () => {
    const { caFile } = running.certificates;
    const session = connect(`https://127.0.0.1:${running.port}`, { ca: readFileSync(caFile) });
    open.push(session);
    const answer = await ask(session, widgets, { method: 'POST', body: spaces });
    expect(answer.status).toBe(401);
  });

  it.each([
    ['CANCEL', constants.NGHTTP2_CANCEL],
    ['NO_ERROR', constants.NGHTTP2_NO_ERROR],
  ])('that is cut off, with %s, is never taken for a whole one', async (name, code) => {
    const id = `cut-off-${name}`;
    const { caFile, admin } = running.certificates;
    const socket = await dialHttp2(running.port, { caFile, ...admin });
    const head = requestHeaders('POST', widgets, {
      'content-type': 'application/yaml',
      'audit-id': id,
    });
    const text =
      'apiVersion: conformance.dev/v1\nkind: Widget\nmetadata: {name: half}\nspec: {color: red}\n';
    socket.write(frame('headers', { stream: 1, flags: flags.endHeaders, payload: head }));
    socket.write(frame('data', { stream: 1, payload: Buffer.from(text) }));
    // By then the other end has begun to read.
    expect((await ask(dial(), '/readyz')).status).toBe(200);
    socket.write(frame('resetStream', { stream: 1, payload: Buffer.from([0, 0, 0, code]) }));
    const line = (): AuditEvent | undefined => audited.find(({ auditID }) => auditID === id);
    await eventually(() => line() !== undefined);
    expect(line()?.responseStatus).toMatchObject({ code: 400 });
    expect((await ask(dial(), `${widgets}/half`)).status).toBe(404);
    socket.destroy();
  });
});

describe('the bounds of what is open', () => {
  it('hold one user and not the others, and say how to go on', async () => {
    const ann = clientCertificate(running.directory, 'ann', ['system:masters-not']);
    const group = { apiGroup: 'rbac.authorization.k8s.io' };
    const binding = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: 'ann' },
      roleRef: { ...group, kind: 'ClusterRole', name: 'cluster-admin' },
      subjects: [{ ...group, kind: 'User', name: 'ann' }],
    };
    const bindings = '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings';
    const admin = dial();
    const bound = await ask(admin, bindings, { method: 'POST', body: JSON.stringify(binding) });
    expect(bound.status).toBe(201);
    const session = dial(running, ann);
    const watches = await Promise.all(
      Array.from({ length: 3 }, () => watch(session, `${widgets}?watch=true`)),
    );
    expect(watches.map(({ status }) => status)).toEqual([200, 200, 200]);
    const headers = { 'audit-id': 'one-too-many' };
    const refused = await ask(session, `${widgets}?watch=true`, { headers });
    expect(refused).toMatchObject({ status: 429, headers: { 'retry-after': '5' } });
    expect(JSON.parse(refused.bytes.toString())).toMatchObject({
      reason: 'TooManyRequests',
      message: expect.stringMatching(
        /"ann" has 3 watches open.*api\.limits\.watchesPerUser/,
      ) as string,
      details: { retryAfterSeconds: 5 },
    });
    const line = (): AuditEvent | undefined =>
      audited.find(({ auditID }) => auditID === 'one-too-many');
    await eventually(() => line() !== undefined);
    expect(line()).toMatchObject({ user: { username: 'ann' }, responseStatus: { code: 429 } });
    expect((await ask(session, widgets)).status).toBe(200);
    const others = await Promise.all(
      Array.from({ length: 10 }, () => watch(admin, `${widgets}?watch=true`)),
    );
    expect(new Set(others.map(({ status }) => status))).toEqual(new Set([200]));
    watches[0]?.stream.close(constants.NGHTTP2_CANCEL);
    await eventually(async () => {
      const again = await watch(session, `${widgets}?watch=true`);
      return again.status === 200;
    });
    for (const { stream } of others) stream.close(constants.NGHTTP2_CANCEL);
    session.destroy();
  });
});

describe('a server that stops', () => {
  it('says GOAWAY, ends watches well, and lets what has begun finish', async () => {
    const own = await startServer(all);
    const session = dial(own);
    const goAway = new Promise<number>((resolve) => session.once('goaway', resolve));
    const seen = await watch(session, `${widgets}?watch=true&allowWatchBookmarks=true`);
    const ended = once(seen.stream, 'end');
    const closed = once(session, 'close');
    const stopped = own.stop();
    expect(await goAway).toBe(constants.NGHTTP2_NO_ERROR);
    await ended;
    expect(seen.stream.rstCode).toBe(constants.NGHTTP2_NO_ERROR);
    expect(seen.text()).toContain('"type":"BOOKMARK"');
    await closed;
    await stopped;
    expect(own.complaints).toEqual([]);
  });
});

describe('a server that speaks no HTTP/2', () => {
  it('agrees on HTTP/1.1 with those who offer both, and on nothing with the others', async () => {
    const own = await startServer(all, undefined, undefined, { http2: false });
    const offer = (...protocols: string[]): Promise<string> =>
      new Promise((resolve) => {
        const ca = readFileSync(own.certificates.caFile);
        const given = { host: '127.0.0.1', port: own.port, ca, ALPNProtocols: protocols };
        const socket = connectTls(given, () => {
          resolve(String(socket.alpnProtocol));
          socket.destroy();
        });
        socket.on('error', () => resolve('nothing'));
      });
    expect(await offer('h2', 'http/1.1')).toBe('http/1.1');
    expect(await offer('h2')).toBe('nothing');
    await own.stop();
  });
});

describe('a server whose patience is short', () => {
  it('cuts off who reads nothing, who sends slowly, and who does not answer to a ping', async () => {
    const clock = new HurriedClock();
    clock.hurry(limits.stalledMs);
    const own = await startServer(all, undefined, clock);
    const deaf = dial(own);
    const watching = await watch(deaf, `${widgets}?watch=true`);
    watching.stream.pause();
    const transport = own.server.transport({ name: 'writer', groups: ['system:masters'] });
    const note = 'x'.repeat(200_000);
    for (let index = 0; own.complaints.length === 0 && index < 500; index += 1) {
      const body: unknown = JSON.parse(widget(`deaf-${index}`, note));
      await transport.request({ method: 'POST', path: widgets, body });
      await transport.request({ method: 'DELETE', path: `${widgets}/deaf-${index}` });
      await sleep(clock, 1);
    }
    expect(own.complaints.join()).toMatch(/StalledClientError/);
    // Its own stream alone: the connection is fine.
    expect((await ask(deaf, '/readyz')).status).toBe(200);

    const slow = dial(own);
    await once(slow, 'connect');
    clock.hurry(limits.requestMs);
    const half = slow.request({ ':method': 'POST', ':path': widgets, 'content-length': '100' });
    half.on('error', () => undefined);
    half.write('{');
    await once(half, 'close');
    expect(half.rstCode).toBe(constants.NGHTTP2_CANCEL);

    clock.hurry(limits.glanceMs);
    const silent = await dialHttp2(own.port, { caFile: own.certificates.caFile });
    const gone = once(silent, 'close');
    silent.resume();
    silent.write(
      frame('headers', { stream: 1, flags: flags.endHeaders, payload: requestHeaders('GET', '/') }),
    );
    await gone;
    await own.stop();
  });

  it('soon finds out who broke the rules while a watch is open, of which Node tells nothing', async () => {
    const clock = new HurriedClock();
    clock.hurry(limits.glanceMs);
    const own = await startServer(all, undefined, clock);
    const socket = await dialHttp2(own.port, {
      caFile: own.certificates.caFile,
      ...own.certificates.admin,
    });
    const closed = once(socket, 'close');
    const payload = requestHeaders('GET', `${widgets}?watch=true`);
    socket.resume();
    clock.hurry(limits.stalledMs);
    socket.write(
      frame('headers', { stream: 1, flags: flags.endHeaders | flags.endStream, payload }),
    );
    // Data that belong to no stream.
    socket.write(frame('data', { payload: Buffer.from('x') }));
    await closed;
    await own.stop();
  });
});

describe.each(versions)('kubectl 1.$minor', ({ file }) => {
  it('speaks HTTP/2, and is told so', async () => {
    const kubectl = administrator(file, running);
    for (const session of open) session.destroy();
    const text = await kubectl.run('get', '--raw', '/metrics');
    expect(text).toMatch(/^mesocosm_api_connections\{protocol="h2"\} [1-9]/m);
    expect(text).toMatch(/^mesocosm_api_connections\{protocol="http\/1\.1"\} 0$/m);
  });
});
