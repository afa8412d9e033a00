import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../api/machinery/clock.ts';
import { systemRandom } from '../../../api/machinery/random.ts';
import type { Acl, WatchEvent, ZooKeeperClient } from '../../../proto/zookeeper/client.ts';
import { openZooKeeper, type ZooKeeperOptions } from '../../../proto/zookeeper/network-client.ts';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts';
import { startZooKeeper, type RealZooKeeper } from '../../support/zookeeper.ts';
import { failsWith, nothing } from './contract-subject.ts';
import { logEvents, until } from './event-log.ts';

/** Short enough to wait for its end, and for a silent link to be noticed. */
const briefSessionMs = 3000;

let server: RealZooKeeper;
let proxy: TcpProxy;

beforeEach(async () => {
  server = await startZooKeeper({ tickTime: 250 });
  proxy = await startTcpProxy(server);
});
afterEach(async () => {
  await proxy.stop();
  await server.stop();
});

async function connected(options: Partial<ZooKeeperOptions> = {}): Promise<ZooKeeperClient> {
  const client = openZooKeeper({
    connectString: `${proxy.host}:${proxy.port}`,
    // Who is not to lose it is to outlast a server, or a process, that stands still for a moment.
    sessionTimeoutMs: 20_000,
    clock: systemClock(),
    random: systemRandom(),
    ...options,
  });
  onTestFinished(() => client.close());
  await client.whenConnected();
  return client;
}

/** A client that reaches the server whatever the proxy does. */
function observer(): Promise<ZooKeeperClient> {
  return connected({ connectString: server.connectString });
}

describe('a server that is killed and started again', () => {
  it('finds the session, its ephemeral nodes and its watches as they were', async () => {
    const client = await connected();
    await client.create('/e', nothing, { ephemeral: true });
    const events: WatchEvent[] = [];
    await client.getData('/e', { watch: (event) => events.push(event) });
    const log = logEvents(client);
    await server.kill();
    const { reason } = await log.next('disconnected');
    expect(reason).toMatchObject({ code: 'CONNECTION_LOSS' });
    await server.restart();
    expect(await log.next('connected')).toMatchObject({ resumed: true });
    expect(await client.exists('/e')).toMatchObject({ ephemeralOwner: client.sessionId });
    await client.setData('/e', nothing);
    expect(events).toEqual([{ type: 'changed', path: '/e' }]);
  });

  it('is reported as unreachable while it is away', async () => {
    const client = await connected({ connectString: server.connectString });
    const log = logEvents(client);
    await server.kill();
    const { reason } = await log.next('unreachable');
    expect(reason.message).toBe(`CONNECTION_LOSS: cannot connect to ${server.connectString}`);
    expect(reason.cause).toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('without its data ends the session, and the client begins anew', async () => {
    const client = await connected({ sessionTimeoutMs: 6_000 });
    await client.create('/a', nothing);
    const events: WatchEvent[] = [];
    await client.getData('/a', { watch: (event) => events.push(event) });
    const { sessionId } = client;
    const log = logEvents(client);
    await server.restart({ wipe: true });
    expect(await log.next('connected')).toMatchObject({ resumed: false });
    const told = log.types().filter((type) => type !== 'unreachable');
    expect(told).toEqual(['disconnected', 'expired', 'connected']);
    expect(client.sessionId).not.toBe(sessionId);
    expect(events).toEqual([{ type: 'lost', path: '/a' }]);
    expect(await client.exists('/a')).toBeUndefined();
  });
});

describe('a black hole', () => {
  it('is noticed though nothing says so; what was sent is unknown', async () => {
    const client = await connected({ sessionTimeoutMs: briefSessionMs });
    const log = logEvents(client);
    proxy.blackHole();
    await failsWith(client.create('/a', nothing), 'CONNECTION_LOSS', 'unknown');
    const { reason } = await log.next('disconnected');
    expect(reason.message).toMatch(/nothing heard from the server for \d+ ms/);
    await failsWith(client.exists('/a'), 'CONNECTION_LOSS', 'not-sent');
  });

  it('for answers only leaves writes that happened, and says that they may have', async () => {
    const client = await connected({ sessionTimeoutMs: briefSessionMs });
    const outside = await observer();
    proxy.blackHole('toClient');
    const lost = failsWith(client.create('/a', nothing), 'CONNECTION_LOSS', 'unknown');
    await until(async () => (await outside.exists('/a')) !== undefined, 'the write arrives');
    await lost;
    proxy.resume();
    await client.whenConnected();
    await failsWith(client.create('/a', nothing), 'NODE_EXISTS', 'not-applied');
  });

  it('that ends in time costs nothing but time', async () => {
    const client = await connected();
    const log = logEvents(client);
    proxy.blackHole();
    const created = client.create('/a', nothing);
    const outside = await observer();
    await outside.create('/b', nothing);
    proxy.resume();
    expect(await created).toBe('/a');
    expect(log.events).toEqual([]);
  });

  it('on every new connection does not keep the client from trying again', async () => {
    const client = await connected({ sessionTimeoutMs: briefSessionMs });
    const log = logEvents(client);
    proxy.blackHole();
    proxy.cut();
    await until(() => log.types().filter((type) => type === 'unreachable').length >= 1, 'a try');
    expect(log.events.at(-1)).toMatchObject({
      reason: { message: 'CONNECTION_LOSS: no answer to the connect request within 2000 ms' },
    });
    proxy.resume();
    await log.next('connected');
  });
});

describe('a request whose time is up', () => {
  it('is unknown; its late answer disturbs nobody and sets no watch', async () => {
    const client = await connected({ requestTimeoutMs: 3_000 });
    const outside = await observer();
    await client.create('/a', nothing);
    const log = logEvents(client);
    const events: WatchEvent[] = [];
    proxy.blackHole('toClient');
    const read = client.getData('/a', { watch: (event) => events.push(event) });
    await failsWith(read, 'OPERATION_TIMEOUT', 'unknown');
    proxy.resume();
    await client.sync('/a');
    await outside.setData('/a', nothing);
    await client.sync('/a');
    expect((await client.getData('/a')).stat.version).toBe(1);
    expect(events).toEqual([]);
    expect(log.events).toEqual([]);
  });
});

describe('several servers', () => {
  it('are tried one after another, on connecting and after a loss', async () => {
    const second = await startTcpProxy(server);
    onTestFinished(() => second.stop());
    const away = await startTcpProxy(server);
    const addresses = [away, second, proxy].map(({ host, port }) => `${host}:${port}`);
    await away.stop();
    const client = await connected({ connectString: addresses.join(',') });
    await client.create('/e', nothing, { ephemeral: true });
    const log = logEvents(client);
    const [used, other] = proxy.connections > 0 ? [proxy, second] : [second, proxy];
    used.refuse();
    expect(await log.next('connected')).toMatchObject({ resumed: true });
    expect(other.connections).toBe(1);
  });
});

describe('a bound', () => {
  it('on requests in flight refuses what is above it, and only that', async () => {
    const client = await connected({ maxInFlight: 2 });
    const first = [client.exists('/'), client.exists('/')];
    await failsWith(client.exists('/'), 'TOO_MANY_REQUESTS', 'not-sent');
    await Promise.all(first);
    expect(await client.exists('/')).toBeDefined();
  });
});

describe('identities', () => {
  const identity = { scheme: 'digest', credentials: Buffer.from('mesocosm:secret') };
  const own: Acl[] = [{ permissions: 31, scheme: 'auth', id: '' }];

  it('open protected nodes to their owner alone, also after a reconnect', async () => {
    const client = await connected({ authentications: [identity] });
    await client.create('/own', Buffer.from('x'), { acl: own });
    const stranger = await observer();
    await failsWith(stranger.getData('/own'), 'NO_AUTH', 'not-applied');
    await failsWith(stranger.setData('/own', nothing), 'NO_AUTH', 'not-applied');
    const log = logEvents(client);
    proxy.cut();
    await log.next('connected');
    expect((await client.getData('/own')).data.toString()).toBe('x');
  });

  it('that the server does not take are reported, without their secret, and not in a rush', async () => {
    const client = openZooKeeper({
      connectString: server.connectString,
      clock: systemClock(),
      random: systemRandom(),
      authentications: [{ ...identity, scheme: 'no-such-scheme' }],
    });
    onTestFinished(() => client.close());
    const log = logEvents(client);
    const { reason } = await log.next('disconnected');
    expect(reason).toMatchObject({ code: 'AUTH_FAILED' });
    expect(reason.message).not.toContain('secret');
    const losses = (): number => log.types().filter((type) => type === 'disconnected').length;
    const from = performance.now();
    await until(() => losses() >= 5, 'further attempts');
    expect(performance.now() - from).toBeGreaterThan(500);
  });
});
