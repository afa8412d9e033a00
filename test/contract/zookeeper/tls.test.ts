import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../api/machinery/clock.ts';
import { systemRandom } from '../../../api/machinery/random.ts';
import { ensureCertificates, type Certificates } from '../../../hack/local/certificates.ts';
import type { WatchEvent, ZooKeeperClient } from '../../../proto/zookeeper/client.ts';
import { openZooKeeper } from '../../../proto/zookeeper/network-client.ts';
import { tlsDial, type TlsOptions } from '../../../proto/zookeeper/tls-dial.ts';
import { startTcpProxy } from '../../support/tcp-proxy.ts';
import { startZooKeeper, type RealZooKeeper } from '../../support/zookeeper.ts';
import { failsWith, nothing } from './contract-subject.ts';
import { logEvents } from './event-log.ts';

let directory: string;
let certificates: Certificates;
let server: RealZooKeeper;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'mesocosm-zookeeper-tls-'));
  certificates = ensureCertificates(directory);
  server = await startServer('none');
});
afterAll(async () => {
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

function startServer(clientAuth: 'none' | 'need'): Promise<RealZooKeeper> {
  const { caFile, server: pair } = certificates;
  return startZooKeeper({ tickTime: 250, tls: { caFile, ...pair, clientAuth } });
}

function ours(more: Partial<TlsOptions> = {}): TlsOptions {
  return { ca: readFileSync(certificates.caFile), ...more };
}

function open(
  tls: TlsOptions,
  { host, port }: { host: string; port: number } = { host: server.host, port: server.securePort },
  sessionTimeoutMs = 20_000,
): ZooKeeperClient {
  const client = openZooKeeper({
    connectString: `${host}:${port}`,
    sessionTimeoutMs,
    dial: tlsDial(tls),
    clock: systemClock(),
    random: systemRandom(),
  });
  onTestFinished(() => client.close());
  return client;
}

/** Why the first attempt failed. */
async function refusal(client: ZooKeeperClient): Promise<Error> {
  const { reason } = await logEvents(client).next('unreachable');
  await failsWith(client.exists('/'), 'CONNECTION_LOSS', 'not-sent');
  return reason;
}

/** An authority that signed nothing of the server's. */
function stranger(): Buffer {
  const file = join(directory, 'stranger.crt');
  execFileSync('openssl', [
    ...['req', '-x509', '-days', '1', '-subj', '/CN=stranger', '-newkey', 'ec', '-nodes'],
    ...['-pkeyopt', 'ec_paramgen_curve:prime256v1', '-keyout', `${file}.key`, '-out', file],
  ]);
  return readFileSync(file);
}

describe('a session over TLS', () => {
  it('reads, writes, watches and takes large bodies', async () => {
    const client = open(ours());
    await client.whenConnected();
    const events: WatchEvent[] = [];
    const large = Buffer.alloc(900_000, 'x');
    await client.create('/large', large);
    const read = await client.getData('/large', { watch: (event) => events.push(event) });
    expect(read.data.equals(large)).toBe(true);
    await client.setData('/large', nothing);
    expect(events).toEqual([{ type: 'changed', path: '/large' }]);
  });

  it('is resumed on a new link', async () => {
    const proxy = await startTcpProxy({ host: server.host, port: server.securePort });
    onTestFinished(() => proxy.stop());
    const client = open(ours(), proxy);
    await client.whenConnected();
    await client.create('/resumed', nothing, { ephemeral: true });
    const log = logEvents(client);
    proxy.cut();
    expect(await log.next('connected')).toMatchObject({ resumed: true });
    expect(await client.exists('/resumed')).toMatchObject({ ephemeralOwner: client.sessionId });
  });

  it('shows its certificate where the server wants one', async () => {
    const strict = await startServer('need');
    onTestFinished(() => strict.stop());
    const to = { host: strict.host, port: strict.securePort };
    const { certFile, keyFile } = certificates.admin;
    const identity = { cert: readFileSync(certFile), key: readFileSync(keyFile) };
    const client = open(ours({ identity }), to);
    await client.whenConnected();
    expect(await client.exists('/')).toBeDefined();

    expect(await refusal(open(ours(), to))).toMatchObject({ code: 'TLS_FAILED' });
  });
});

describe('a server over TLS', () => {
  it('that an unknown authority signed is refused, and it is said why', async () => {
    const reason = await refusal(open(ours({ ca: stranger() })));
    expect(reason).toMatchObject({ code: 'TLS_FAILED', outcome: 'not-sent' });
    expect(reason.message).toMatch(
      new RegExp(
        `^TLS_FAILED: no TLS connection to ${server.host}:${server.securePort}: .*certificate`,
      ),
    );
    expect(reason.message).toMatch(/\(\w*(SIGNATURE|ISSUER|SELF_SIGNED)\w*\)$/);
  });

  it('whose certificate is for another name is refused', async () => {
    const other = await refusal(open(ours({ serverName: 'zk.example' })));
    expect(other).toMatchObject({ code: 'TLS_FAILED' });
    expect(other.message).toContain('zk.example');
    const address = await refusal(open(ours({ serverName: '10.9.9.9' })));
    expect(address.message).toContain('10.9.9.9');
  });

  it('is known by the name that is asked for, whatever the address', async () => {
    const client = open(ours({ serverName: 'localhost' }));
    await client.whenConnected();
    expect(await client.exists('/')).toBeDefined();
  });

  it('without TLS on its port is refused', async () => {
    const reason = await refusal(open(ours(), { host: server.host, port: server.port }));
    expect(reason).toMatchObject({ code: 'TLS_FAILED' });
  });

  it('that is not there is no fault of TLS', async () => {
    const proxy = await startTcpProxy(server);
    const { host, port } = proxy;
    await proxy.stop();
    const reason = await refusal(open(ours(), { host, port }));
    expect(reason).toMatchObject({ code: 'CONNECTION_LOSS', cause: { code: 'ECONNREFUSED' } });
  });
});

describe('a black hole under TLS', () => {
  it('is noticed within two thirds of the session timeout, and left when it ends', async () => {
    const proxy = await startTcpProxy({ host: server.host, port: server.securePort });
    onTestFinished(() => proxy.stop());
    const client = open(ours(), proxy, 3000);
    await client.whenConnected();
    const log = logEvents(client);
    proxy.blackHole();
    await failsWith(client.create('/hole', nothing), 'CONNECTION_LOSS', 'unknown');
    await log.next('disconnected');
    // New connections are accepted by the proxy, but no handshake ends.
    const { reason } = await log.next('unreachable');
    expect(reason).toMatchObject({ code: 'CONNECTION_LOSS' });
    expect(String(reason.cause)).toContain('took too long');
    proxy.resume();
    await log.next('connected');
    expect(await client.exists('/')).toBeDefined();
  });
});

describe('certificates that cannot be used', () => {
  it('are refused at once', () => {
    const bad = Buffer.from('no certificate');
    expect(() => tlsDial(ours({ identity: { cert: bad, key: bad } }))).toThrow(
      /BAD_ARGUMENTS: the certificates or the key for TLS cannot be used: /,
    );
  });
});
