import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../../api/machinery/clock.ts';
import { seededRandom } from '../../../../api/machinery/random.ts';
import { listDetector, zookeeperDetector } from '../../../../proto/mesos/detector.ts';
import { httpClient } from '../../../../proto/mesos/http.ts';
import type { MesosAddress } from '../../../../proto/mesos/transport.ts';
import { loadRecording } from '../../../golden/recordings.ts';
import { makeCertificates } from '../../api/client/certificates.ts';
import { startServer } from './scripted-server.ts';

const { signal } = new AbortController();

describe('the ZooKeeper detector', () => {
  const detect = (nodes: Record<string, string>, path = '/mesos'): Promise<MesosAddress> =>
    zookeeperDetector(
      {
        getChildren: (asked) => {
          expect(asked).toBe(path);
          return Promise.resolve({ children: Object.keys(nodes) });
        },
        getData: (asked) => {
          const data = nodes[asked.slice(asked.lastIndexOf('/') + 1)];
          return data === undefined
            ? Promise.reject(new Error(`no node ${asked}`))
            : Promise.resolve({ data: Buffer.from(data) });
        },
      },
      path,
    ).detect(signal);

  test('names the master with the smallest number in a recorded election', async () => {
    const nodes = recordedElection();
    expect(Object.keys(nodes).sort()).toStrictEqual([
      'json.info_0000000004',
      'json.info_0000000005',
      'log_replicas',
    ]);
    expect(await detect(nodes)).toStrictEqual({ hostname: '127.0.0.1', port: 5050 });
    delete nodes['json.info_0000000004'];
    expect(await detect(nodes)).toStrictEqual({ hostname: '127.0.0.1', port: 5052 });
  });

  const info = (extra: object): string => JSON.stringify({ id: 'm', ip: 1, port: 7, ...extra });

  test('compares numbers, not text', async () => {
    const nodes = {
      'json.info_10000000000': info({ hostname: 'late' }),
      'json.info_9999999999': info({ hostname: 'early' }),
    };
    expect((await detect(nodes, '/')).hostname).toBe('early');
  });

  test('prefers the address, and in it the name, since certificates carry names', async () => {
    const address = { hostname: 'm1.example', ip: '10.0.0.1', port: 5050 };
    const named = { 'json.info_0000000001': info({ address, hostname: 'old' }) };
    expect(await detect(named)).toStrictEqual({ hostname: 'm1.example', port: 5050 });
    const { ip, port } = address;
    const numbered = { 'json.info_0000000001': info({ address: { ip, port }, hostname: 'old' }) };
    expect(await detect(numbered)).toStrictEqual({ hostname: '10.0.0.1', port: 5050 });
    const old = { 'json.info_0000000001': info({ hostname: 'old' }) };
    expect(await detect(old)).toStrictEqual({ hostname: 'old', port: 7 });
  });

  test('has no leader where nobody stands for election', async () => {
    const others = { log_replicas: '', info_0000000001: '', 'json.info_x': '' };
    await expect(detect(others)).rejects.toMatchObject({ code: 'NoLeader' });
  });

  test('refuses data that is no MasterInfo, or names no host', async () => {
    const name = 'json.info_0000000001';
    await expect(detect({ [name]: '{' })).rejects.toMatchObject({ code: 'Malformed' });
    await expect(detect({ [name]: info({}) })).rejects.toMatchObject({ code: 'BadAnswer' });
  });
});

test('the list detector asks over TLS, and only servers of the given authority', async () => {
  const { ca, server } = makeCertificates();
  const { address, close } = await startServer(({ response }) => {
    response.writeHead(307, { location: '//leader.example:5050' }).end();
  }, server);
  const detect = (tls: { ca?: string }): Promise<MesosAddress> =>
    listDetector([address], httpClient({ clock: systemClock(), tls }), seededRandom(1)).detect(
      signal,
    );
  try {
    expect(await detect({ ca })).toStrictEqual({ hostname: 'leader.example', port: 5050 });
    await expect(detect({})).rejects.toMatchObject({ code: 'NoLeader' });
  } finally {
    await close();
  }
});

describe('the list detector', () => {
  const cleanups: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0)) await cleanup();
  });

  async function master(status: number, location?: string): Promise<MesosAddress> {
    const { address, close } = await startServer(({ response, path, method }) => {
      expect([method, path]).toStrictEqual(['GET', '/master/redirect']);
      response.writeHead(status, location === undefined ? {} : { location }).end();
    });
    cleanups.push(close);
    return address;
  }

  async function goneMaster(): Promise<MesosAddress> {
    const { address, close } = await startServer(() => undefined);
    await close();
    return address;
  }

  const detect = (masters: MesosAddress[], seed = 1): Promise<MesosAddress> =>
    listDetector(masters, httpClient({ clock: systemClock() }), seededRandom(seed)).detect(signal);

  test('takes the answer of any master that knows the leader', async () => {
    const masters = [
      await goneMaster(),
      await master(503),
      await master(307, '//10.1.2.3:5050'),
      await master(404),
    ];
    for (let seed = 0; seed < 8; seed++) {
      expect(await detect(masters, seed)).toStrictEqual({ hostname: '10.1.2.3', port: 5050 });
    }
  });

  test('reads an IPv6 address and a port left out', async () => {
    const v6 = await master(307, '//[fd00::1]:5050/master');
    expect(await detect([v6])).toStrictEqual({ hostname: 'fd00::1', port: 5050 });
    const bare = await master(307, '//leader.example');
    expect(await detect([bare])).toStrictEqual({ hostname: 'leader.example', port: 80 });
  });

  test('has no leader if no master names one, and says why', async () => {
    const masters = [await goneMaster(), await master(503)];
    const failure = detect(masters);
    await expect(failure).rejects.toMatchObject({ code: 'NoLeader' });
    const error: unknown = await failure.catch((thrown: unknown) => thrown);
    const cause = error instanceof Error ? error.cause : undefined;
    const codes = cause instanceof AggregateError ? cause.errors.map(codeOf).sort() : [];
    expect(codes).toStrictEqual(['NoLeader', 'Unreachable']);
  });
});

const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined;

/** The znodes of a recording with two masters: `== <path>`, its data, then its stat. */
function recordedElection(): Record<string, string> {
  const dump = loadRecording('json', 'masters').other?.['zookeeper-two-masters.txt'];
  const nodes: Record<string, string> = {};
  for (const section of String(dump).split('== ').slice(1)) {
    const [path = '', data = ''] = section.split('\n');
    nodes[path.slice(path.lastIndexOf('/') + 1)] = data.startsWith('{') ? data : '';
  }
  return nodes;
}
