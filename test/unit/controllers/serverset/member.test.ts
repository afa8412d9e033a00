import { describe, expect, it } from 'vitest';
import { memberBody, recognise } from '../../../../controllers/serverset/body.ts';
import { endpointsOf } from '../../../../controllers/serverset/member.ts';
import { clusterName, network, task } from './objects.ts';

const dev = { network: 'dev-net', primaryPort: 'http' };

function body(of: ReturnType<typeof task>, wish = dev, shard?: number, stoppingSince?: string) {
  const endpoints = endpointsOf(of, wish);
  if ('reason' in endpoints) throw new Error(endpoints.reason);
  const taskUid = of.metadata.uid;
  return memberBody({ clusterName, taskUid, endpoints, shard, stoppingSince });
}

describe('the bytes of a member', () => {
  it('follow the order of the fields of Finagle, with every address of the task', () => {
    expect(body(task(), dev, 0)).toBe(
      '{"serviceEndpoint":{"host":"172.29.11.10","port":8080},"additionalEndpoints":{' +
        '"http":{"host":"172.29.11.10","port":8080,"inet":"172.29.11.10"},' +
        '"http.data-net":{"host":"172.29.12.10","port":8080,"inet":"172.29.12.10"},' +
        '"http.data-net.ipv6":{"host":"fd29:12::10","port":8080,"inet6":"fd29:12::10"},' +
        '"admin":{"host":"172.29.11.10","port":9990,"inet":"172.29.11.10"},' +
        '"admin.data-net":{"host":"172.29.12.10","port":9990,"inet":"172.29.12.10"},' +
        '"admin.data-net.ipv6":{"host":"fd29:12::10","port":9990,"inet6":"fd29:12::10"}},' +
        '"status":"ALIVE","shard":0,' +
        '"metadata":{"mesocosm.dev/cluster":"east","mesocosm.dev/task":"uid-web-0"}}',
    );
  });

  it('have no shard unless one is given', () => {
    expect(JSON.parse(body(task()))).not.toHaveProperty('shard');
  });

  it('say since when the member is STOPPING', () => {
    const text = body(task(), dev, undefined, '2026-01-01T00:00:05.250000Z');
    expect(JSON.parse(text)).toMatchObject({
      status: 'STOPPING',
      metadata: { 'mesocosm.dev/stopping-since': '2026-01-01T00:00:05.250000Z' },
    });
    expect(recognise(text, clusterName)).toEqual({
      taskUid: 'uid-web-0',
      isStopping: true,
      stoppingSince: '2026-01-01T00:00:05.250000Z',
    });
  });
});

describe('the published address', () => {
  it('is the IPv6 one of the chosen network if the set says so', () => {
    const endpoints = endpointsOf(task(), { ...dev, network: 'data-net', family: 'IPv6' });
    expect(endpoints).toMatchObject({
      service: { host: 'fd29:12::10', port: 8080 },
      additional: {
        http: { host: '172.29.12.10' },
        'http.ipv6': { host: 'fd29:12::10' },
        'http.dev-net': { host: '172.29.11.10' },
      },
    });
  });

  it('is that of the only network if the set names none', () => {
    const alone = task({
      spec: { networks: [{ name: 'dev-net' }] },
      status: { networks: [network('dev-net', ['10.0.0.1'])] },
    });
    expect(endpointsOf(alone, { primaryPort: 'http' })).toMatchObject({
      service: { host: '10.0.0.1', port: 8080 },
    });
  });

  it('is found by the name of the network, whatever the order of the status', () => {
    const shuffled = task();
    shuffled.status?.networks?.reverse();
    expect(body(shuffled)).toBe(body(task()));
  });

  const onAgent = {
    spec: {
      networks: [],
      containers: [
        {
          name: 'main',
          script: 'x',
          ports: [
            { name: 'http', hostPort: 0 },
            { name: 'admin', hostPort: 9990 },
          ],
        },
      ],
    },
  };

  it('is never published with port 0, the wish for any port', () => {
    const status = {
      networks: [],
      ports: [],
      mesos: { taskId: 't', agentHostname: 'agent1.example' },
    };
    const without = task({ ...onAgent, status });
    expect(endpointsOf(without, { primaryPort: 'http' })).toEqual({
      reason: 'has no number for port http',
    });
    expect(endpointsOf(without, { primaryPort: 'admin' })).toMatchObject({
      additional: { admin: { port: 9990 } },
    });
    expect(endpointsOf(without, { primaryPort: 'admin' })).not.toHaveProperty('additional.http');
  });

  it('is the host name of the agent and the port from the offer without networks', () => {
    const status = {
      networks: [],
      ports: [{ name: 'http', hostPort: 31007 }],
      mesos: {
        taskId: 't',
        agentHostname: 'agent1.example',
        agentAddress: { hostname: 'agent1.example', ip: '10.1.1.1', port: 5051 },
      },
    };
    expect(endpointsOf(task({ ...onAgent, status }), { primaryPort: 'http' })).toEqual({
      service: { host: 'agent1.example', port: 31007 },
      additional: {
        http: { host: 'agent1.example', port: 31007, inet: '10.1.1.1' },
        admin: { host: 'agent1.example', port: 9990, inet: '10.1.1.1' },
      },
    });
  });

  it.each([
    ['the port of a host task is not yet known', onAgent, { primaryPort: 'http' }, 'no number'],
    ['the set wants a network and the task has none', onAgent, dev, 'network of its agent'],
    [
      'the task joins several networks and the set chooses none',
      {},
      { primaryPort: 'http' },
      'not say whose',
    ],
    [
      'the task does not join the network',
      {},
      { ...dev, network: 'x-net' },
      'not join network x-net',
    ],
    ['the family is missing there', {}, { ...dev, family: 'IPv6' as const }, 'no IPv6 address'],
    ['no port has the name', {}, { ...dev, primaryPort: 'grpc' }, 'no port grpc'],
  ])('is missing, with the reason, if %s', (_, wish, set, reason) => {
    expect(endpointsOf(task(wish), set)).toEqual({
      reason: expect.stringContaining(reason) as string,
    });
  });
});

describe('a node', () => {
  it('is ours if its metadata name our cluster and a task', () => {
    expect(recognise(body(task()), clusterName)).toMatchObject({ taskUid: 'uid-web-0' });
  });

  it.each([
    ['of another cluster', body(task()).replace('"east"', '"west"')],
    [
      'of an Aurora executor',
      '{"status":"ALIVE","additionalEndpoints":{},"serviceEndpoint":{"host":"h","port":1},"shard":7}',
    ],
    ['without a task', '{"status":"ALIVE","metadata":{"mesocosm.dev/cluster":"east"}}'],
    ['with metadata that are no map', '{"metadata":["mesocosm.dev/task"]}'],
    ['in Thrift', '\u000b\u0000\u0001mesocosm.dev/task'],
    ['that is empty', ''],
    ['that is null', 'null'],
  ])('%s is foreign', (_, text) => {
    expect(recognise(text, clusterName)).toBeUndefined();
  });
});
