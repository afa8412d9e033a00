import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { Agent, request } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../api/machinery/clock.ts';
import { Metrics } from '../../../../api/machinery/metrics.ts';
import { systemRandom } from '../../../../api/machinery/random.ts';
import type { ApiServer } from '../../../../api/server/server.ts';
import { MemoryStorage } from '../../../../api/storage/memory.ts';
import { apiServerOf, reloadsOf } from '../../../../controllers/cosmd/api.ts';
import { parseConfig } from '../../../../controllers/cosmd/config.ts';
import { reloading } from '../../../../controllers/cosmd/reloading.ts';
import { runAll } from '../../../../controllers/runtime/manager.ts';
import { ensureCertificates, type Certificates } from '../../../../hack/local/certificates.ts';
import { OidcProvider } from '../../../support/oidc-provider.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'mesocosm-reload-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('files that are read again', () => {
  it('count once they have settled, and while they are broken what they said before', async () => {
    const file = join(directory, 'value');
    writeFileSync(file, 'one');
    const clock = new VirtualClock();
    const taken: string[] = [];
    const lines: string[] = [];
    const tell = (fields: unknown, message?: string): void => {
      lines.push(`${message ?? ''} ${JSON.stringify(fields)}`);
    };
    const stop = new AbortController();
    const done = reloading({
      what: 'value',
      files: [file],
      reload: () => {
        const text = readFileSync(file, 'utf8');
        if (text.includes('broken')) throw new Error('it is broken');
        if (taken.at(-1) === text) return false;
        taken.push(text);
        return true;
      },
      clock,
      logger: { info: tell, error: tell },
    }).run(stop.signal);
    // Time stands still while the files are really looked at.
    const until = async (condition: () => boolean): Promise<void> => {
      await expect.poll(() => clock.advance(5_000).then(condition), { interval: 5 }).toBe(true);
    };
    await until(() => taken.length === 1);
    writeFileSync(file, 'two!');
    await clock.advance(5_000);
    expect(taken).toEqual(['one']);
    await until(() => taken.length === 2);
    lines.length = 0;
    writeFileSync(file, 'broken');
    await until(() => lines.length === 1);
    for (let look = 0; look < 5; look += 1) await clock.advance(5_000);
    rmSync(file);
    await until(() => lines.length === 2);
    expect(taken).toEqual(['one', 'two!']);
    expect(lines[0]).toContain('it is broken');
    expect(lines[1]).toContain('ENOENT');
    writeFileSync(file, 'three');
    await until(() => taken.at(-1) === 'three');
    expect(lines).toHaveLength(3);
    stop.abort();
    await done;
  });
});

describe('the certificates and keys of the API', () => {
  let first: Certificates;
  let second: Certificates;
  let server: ApiServer;
  let log = '';
  let stop: () => Promise<void>;
  const live = (name: string): string => join(directory, name);

  let provider: OidcProvider;

  beforeAll(async () => {
    const authorities = mkdtempSync(join(tmpdir(), 'mesocosm-authorities-'));
    first = ensureCertificates(join(authorities, 'first'));
    second = ensureCertificates(join(authorities, 'second'));
    const { certFile, keyFile } = second.server;
    provider = new OidcProvider({ cert: readFileSync(certFile), key: readFileSync(keyFile) });
    provider.newKey('only');
    await provider.start();
  });
  afterAll(() => {
    provider.stop();
    rmSync(join(first.caFile, '../..'), { recursive: true, force: true });
  });

  beforeEach(async () => {
    log = '';
    install(first, 'server', 'ca', 'key');
    copyFileSync(first.caFile, live('oidc.crt'));
    const config = parseConfig(
      `
clusterName: dev
storage: memory
api:
  listen: 127.0.0.1:0
  certFile: ${live('server.crt')}
  keyFile: ${live('server.key')}
  clientCaFile: ${live('ca.crt')}
  serviceAccounts: {issuer: "https://api.test", signingKeyFile: ${live('sa.key')}}
  oidc: {issuer: "${provider.issuer}", clientId: mesocosm, caFile: ${live('oidc.crt')}}
`,
      'cosmd.yaml',
      ['api'],
    );
    const clock = systemClock();
    const logger = pino({ level: 'info' }, { write: (line: string) => (log += line) });
    server = apiServerOf({
      config,
      storage: new MemoryStorage({ clock }),
      metrics: new Metrics(),
      clock,
      random: systemRandom(),
      logger,
      readyChecks: [],
      reporters: {},
    });
    await server.start();
    const over = new AbortController();
    const hurried = {
      ...clock,
      after: (ms: number, run: () => void) => clock.after(ms / 250, run),
    };
    const done = runAll(reloadsOf({ config, clock: hurried, logger }, server), over.signal, logger);
    stop = async () => {
      over.abort();
      await done;
      await server.stop();
    };
  });
  afterEach(() => stop());

  function install(from: Certificates, ...what: ('server' | 'ca' | 'key')[]): void {
    if (what.includes('server')) {
      copyFileSync(from.server.certFile, live('server.crt'));
      copyFileSync(from.server.keyFile, live('server.key'));
    }
    if (what.includes('ca')) copyFileSync(from.caFile, live('ca.crt'));
    if (what.includes('key')) copyFileSync(from.serviceAccountKeyFile, live('sa.key'));
  }

  const logged = (words: string): Promise<void> =>
    expect.poll(() => log, { interval: 10 }).toContain(words);
  const nowCounts = (): Promise<void> => logged('what the files say now counts');

  const identity = (of: Certificates, trusted: Certificates): ConnectionOptions => ({
    host: '127.0.0.1',
    port: server.address?.port ?? 0,
    ca: readFileSync(trusted.caFile),
    cert: readFileSync(of.admin.certFile),
    key: readFileSync(of.admin.keyFile),
  });

  /** The code of an answer that only somebody known gets. */
  function ask(options: ConnectionOptions, agent: Agent | false = false): Promise<number> {
    return new Promise((resolve, reject) => {
      const sent = request({ ...options, path: '/api', agent });
      sent.once('error', reject);
      sent.once('response', (response) => {
        response.resume().once('end', () => resolve(response.statusCode ?? 0));
      });
      sent.end();
    });
  }

  /** A watch of two seconds over a connection that would be kept. */
  async function watchNamespaces(
    options: ConnectionOptions,
  ): Promise<{ ended: Promise<unknown>; text: () => string }> {
    const socket = connect(options);
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const ended = new Promise((resolve) => socket.once('end', resolve));
    socket.write('GET /api/v1/namespaces?watch=true&timeoutSeconds=2 HTTP/1.1\r\nHost: x\r\n\r\n');
    await expect.poll(() => text, { interval: 10 }).toContain('ADDED');
    return { ended, text: () => text };
  }

  /** A connection with half the head of a request on it. */
  async function beginning(): Promise<{ socket: TLSSocket; cut: Promise<unknown> }> {
    const socket = connect(identity(first, first));
    const cut = new Promise((resolve) => socket.on('error', resolve).once('close', resolve));
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    socket.write('GET /livez HTTP/1.1\r\nHost: x\r\n');
    return { socket, cut };
  }

  it('are others for new connections once the files are', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const open = identity(first, first);
    expect(await ask(open, agent)).toBe(200);
    install(second, 'server');
    await nowCounts();
    expect(await ask(identity(first, second))).toBe(200);
    await expect(ask(identity(first, first))).rejects.toThrow(/certificate/);
    // A connection of before goes on: nobody has lost any right.
    expect(await ask(open, agent)).toBe(200);
    agent.destroy();
  });

  it('let nobody in by authorities that have gone, nor go on by them', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    expect(await ask(identity(first, first), agent)).toBe(200);
    const watched = await watchNamespaces(identity(first, first));
    const { port } = server.address ?? { port: 0 };
    const session = connectHttp2(`https://127.0.0.1:${port}`, identity(first, first));
    const left = new Promise((resolve) => session.once('goaway', resolve));
    await new Promise((resolve) => session.once('connect', resolve));
    const begun = await Promise.all([beginning(), beginning()]);
    const ticket = await new Promise<Buffer>((resolve, reject) => {
      const socket: TLSSocket = connect(identity(first, first));
      socket.once('session', (saved) => {
        resolve(saved);
        socket.destroy();
      });
      socket.once('error', reject);
    });
    install(second, 'ca');
    await nowCounts();
    await left;
    expect(await ask(identity(second, first))).toBe(200);
    expect(await ask(identity(first, first))).toBe(401);
    // What was under way goes on to its end, and its connection ends with it.
    await watched.ended;
    expect(watched.text()).toContain('default');
    expect(await ask({ ...identity(first, first), session: ticket })).toBe(401);
    expect(await ask(identity(first, first), agent)).toBe(401);
    // A request that had begun is no way to an answer, nor to a session.
    for (const [index, rest] of ['', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'].entries()) {
      begun[index]?.socket.write(`${rest}\r\n`);
      await begun[index]?.cut;
      expect(begun[index]?.socket.bytesRead).toBe(0);
    }
    agent.destroy();
    session.destroy();
  });

  it('let nobody in who was about to come by authorities that have gone', async () => {
    const { port } = server.address ?? { port: 0 };
    const socket = connectTcp(port, '127.0.0.1').on('error', () => undefined);
    await once(socket, 'connect');
    const watching = connect(identity(first, first)).on('error', () => undefined);
    watching.write('GET /api/v1/namespaces?watch=true HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(watching, 'data');
    // By then the server has taken the connection on.
    expect(await ask(identity(first, first))).toBe(200);
    install(second, 'ca');
    await nowCounts();
    const outcome = await new Promise((resolve) => {
      const cut = (): void => resolve('cut');
      socket.once('close', cut);
      const late = connect({ ...identity(first, first), socket }, () => resolve('let in'));
      late.on('error', cut);
      if (socket.destroyed) cut();
    });
    socket.destroy();
    expect(outcome).toBe('cut');
    // What is under way goes on.
    expect(watching.readyState).toBe('open');
    watching.destroy();
  });

  it('stay as they are while the files cannot be used, which is logged', async () => {
    copyFileSync(second.server.keyFile, live('server.key'));
    await logged('api.certFile, api.keyFile, api.clientCaFile: the key and the certificate');
    expect(await ask(identity(first, first))).toBe(200);
    install(first, 'server');
    writeFileSync(live('ca.crt'), 'nothing');
    await logged('the authorities of clients hold no certificate');
    expect(await ask(identity(first, first))).toBe(200);
    writeFileSync(live('sa.key'), 'nothing');
    await logged('api.serviceAccounts.signingKeyFile: is no private key in PEM');
    expect(log).not.toContain('PRIVATE');
    writeFileSync(live('oidc.crt'), 'nothing');
    await logged('api.oidc.caFile: the authorities of the provider hold no certificate');
  });

  it('ask the provider of ID tokens by the authorities that the file has', async () => {
    const api = server.transport({ name: 'root', groups: ['system:masters'] });
    const counts = async (): Promise<boolean | undefined> => {
      const path = '/apis/authentication.k8s.io/v1/tokenreviews';
      const exp = Math.floor(systemClock().now() / 1000) + 300;
      const token = await provider.sign({ iss: provider.issuer, aud: 'mesocosm', sub: 'ann', exp });
      const body = { spec: { token } };
      const answer = await api.request({ method: 'POST', path, body });
      return (answer.body as { status: { authenticated?: boolean } }).status.authenticated;
    };
    expect(await counts()).not.toBe(true);
    copyFileSync(second.caFile, live('oidc.crt'));
    await nowCounts();
    expect(await counts()).toBe(true);
  });

  it('sign tokens by the key that the file has', async () => {
    const api = server.transport({ name: 'root', groups: ['system:masters'] });
    const accounts = '/api/v1/namespaces/default/serviceaccounts';
    await api.request({ method: 'POST', path: accounts, body: { metadata: { name: 'ci' } } });
    const token = async (): Promise<string> => {
      const path = `${accounts}/ci/token`;
      const { body } = await api.request({ method: 'POST', path, body: {} });
      return (body as { status: { token: string } }).status.token;
    };
    const counts = async (text: string): Promise<boolean | undefined> => {
      const path = '/apis/authentication.k8s.io/v1/tokenreviews';
      const { body } = await api.request({ method: 'POST', path, body: { spec: { token: text } } });
      return (body as { status: { authenticated?: boolean } }).status.authenticated;
    };
    const keys = async (): Promise<string> =>
      JSON.stringify((await api.request({ method: 'GET', path: '/openid/v1/jwks' })).body);
    const [old, published] = [await token(), await keys()];
    expect(await counts(old)).toBe(true);
    install(second, 'key');
    await nowCounts();
    expect(await counts(old)).not.toBe(true);
    expect(await counts(await token())).toBe(true);
    expect(await keys()).not.toBe(published);
  });
});
