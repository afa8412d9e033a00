import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../api/machinery/clock.ts';
import { isObject } from '../../api/machinery/json.ts';
import { systemRandom } from '../../api/machinery/random.ts';
import { EtcdStorage } from '../../api/storage/etcd/driver.ts';
import { resources } from '../../api/v1/resources.ts';
import { startEtcd, type EtcdServer } from '../support/etcd.ts';
import { exchange, type WireAnswer } from './golden/wire.ts';
import { startServer, type RunningServer } from './support/server.ts';

let etcd: EtcdServer;
let first: RunningServer;
let second: RunningServer;

const storage = (): EtcdStorage =>
  new EtcdStorage({
    endpoints: [etcd.endpoint],
    prefix: '/mesocosm/registry',
    clock: systemClock(),
    random: systemRandom(),
  });

beforeAll(async () => {
  etcd = await startEtcd();
  first = await startServer(resources, storage());
  second = await startServer(resources, storage());
});
afterAll(async () => {
  await Promise.all([first.stop(), second.stop()]);
  await etcd.stop();
});

const leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
const lease = (name: string, holder = 'a'): string =>
  JSON.stringify({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name },
    spec: { holderIdentity: holder },
  });

function send(server: RunningServer, method: string, path: string, body?: string, type = 'json') {
  return exchange(
    server.port,
    { caFile: server.certificates.caFile, ...server.certificates.admin },
    {
      method,
      path,
      headers: { 'content-type': `application/${type}` },
      ...(body === undefined ? {} : { body }),
    },
  );
}

function itemsOf(answer: WireAnswer): unknown[] {
  const list: unknown = JSON.parse(answer.text);
  return isObject(list) && Array.isArray(list['items']) ? list['items'] : [];
}

describe('two API servers on one etcd', () => {
  it('read each other’s writes at once', async () => {
    for (let index = 0; index < 20; index += 1) {
      const [writer, reader] = index % 2 === 0 ? [first, second] : [second, first];
      expect((await send(writer, 'POST', leases, lease(`l${index}`))).status).toBe(201);
      expect((await send(reader, 'GET', `${leases}/l${index}`)).status).toBe(200);
      expect(itemsOf(await send(reader, 'GET', leases))).toHaveLength(index + 1);
    }
    for (let index = 0; index < 20; index += 1) {
      const [writer, reader] = index % 2 === 0 ? [first, second] : [second, first];
      expect((await send(writer, 'DELETE', `${leases}/l${index}`)).status).toBe(200);
      expect((await send(reader, 'GET', `${leases}/l${index}`)).status).toBe(404);
      expect(itemsOf(await send(reader, 'GET', leases))).toHaveLength(19 - index);
    }
  });

  it('let no patch of theirs get lost', async () => {
    await send(first, 'POST', leases, lease('shared'));
    const codes = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const patch = JSON.stringify({ metadata: { labels: { [`k${index}`]: 'x' } } });
        const server = index % 2 === 0 ? first : second;
        return (await send(server, 'PATCH', `${leases}/shared`, patch, 'merge-patch+json')).status;
      }),
    );
    expect(new Set(codes)).toEqual(new Set([200]));
    const read: unknown = JSON.parse((await send(second, 'GET', `${leases}/shared`)).text);
    expect(JSON.stringify(read).match(/"k\d+":"x"/g)).toHaveLength(20);
  });

  it('let one of them create an object of a name', async () => {
    const codes = await Promise.all(
      [first, second, first, second].map(
        async (server, index) =>
          (await send(server, 'POST', leases, lease('one', `holder-${index}`))).status,
      ),
    );
    expect(codes.sort()).toEqual([201, 409, 409, 409]);
  });
});

describe('while etcd is away', () => {
  it('answers 503 or 504 to everything that needs it, says so, and comes back by itself', async () => {
    await send(first, 'POST', leases, lease('before'));
    await etcd.kill();
    const read = await send(first, 'GET', `${leases}/before`);
    expect([503, 504]).toContain(read.status);
    const written = await send(first, 'POST', leases, lease('during'));
    expect([503, 504]).toContain(written.status);
    const unready = await send(first, 'GET', '/readyz');
    expect(unready.status).toBe(500);
    expect(unready.text).toMatch(/\[-\]etcd failed/);
    expect((await send(first, 'GET', '/livez')).status).toBe(200);
    await etcd.restart();
    await expect.poll(async () => (await send(first, 'GET', '/readyz')).status).toBe(200);
    expect((await send(first, 'GET', `${leases}/before`)).status).toBe(200);
    // What was not acknowledged may or may not be there; what is there can be read and listed.
    const during = await send(first, 'GET', `${leases}/during`);
    expect([200, 404]).toContain(during.status);
    expect((await send(second, 'POST', leases, lease('after'))).status).toBe(201);
    const names = itemsOf(await send(first, 'GET', leases)).map((item) => JSON.stringify(item));
    expect(names.some((text) => text.includes('"after"'))).toBe(true);
  });
});

it('selects events by the object that they are about', async () => {
  const events = '/api/v1/namespaces/default/events';
  const event = JSON.stringify({
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: 'e.1' },
    involvedObject: { kind: 'Job', name: 'web', namespace: 'default' },
    reason: 'Tested',
  });
  expect((await send(first, 'POST', events, event)).status).toBe(201);
  const query = '?fieldSelector=involvedObject.name=web,reason=Tested';
  expect(itemsOf(await send(second, 'GET', `${events}${query}`))).toHaveLength(1);
});
