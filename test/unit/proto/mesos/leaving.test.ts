import { afterEach, expect, test } from 'vitest';
import type { SchedulerCall } from '../../../../proto/mesos/generated/messages.ts';
import { mesosSchedulerClient } from '../../../../proto/mesos/scheduler-client.ts';
import type { MesosAddress, SchedulerTransport } from '../../../../proto/mesos/transport.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';
import { openStream, startServer, type Received, type ScriptedServer } from './scripted-server.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function server(answer: (request: Received, index: number) => void): Promise<ScriptedServer> {
  const started = await startServer(answer);
  cleanups.push(() => started.close());
  return started;
}

/** A master that opens a stream and takes every later call. */
const master = (): Promise<ScriptedServer> =>
  server(({ response }, index) => {
    if (index === 0) openStream(response);
    else response.writeHead(202).end();
  });

const subscribeCall: SchedulerCall = {
  type: 'SUBSCRIBE',
  subscribe: { framework_info: { user: 'www', name: 'mesocosm-test' } },
};
const kill: SchedulerCall = { type: 'KILL', kill: { task_id: { value: 't' } } };

interface Scheduler {
  transport: SchedulerTransport;
  signal: AbortSignal;
  /** What has happened, in order. */
  steps: string[];
}

function schedulerOf(leader: MesosAddress): Scheduler {
  const abort = new AbortController();
  cleanups.push(() => abort.abort());
  const steps: string[] = [];
  const detect = (): Promise<MesosAddress> => {
    steps.push('detected');
    return Promise.resolve(leader);
  };
  const transport = mesosSchedulerClient({
    clock: new VirtualClock(),
    format: 'json',
    detector: { detect },
    onMalformedEvent: () => undefined,
  });
  return { transport, signal: abort.signal, steps };
}

test('whether SUBSCRIBE may leave is asked once the leader is found and reached, for each hop', async () => {
  const leader = await master();
  const { port } = leader.address;
  const follower = await server(({ response }) => {
    response.writeHead(307, { location: `//127.0.0.1:${port}` }).end();
  });
  const { transport, signal, steps } = schedulerOf(follower.address);
  await transport.subscribe(subscribeCall, signal, () => {
    steps.push(`asked after ${follower.received.length} and ${leader.received.length} requests`);
    return Promise.resolve(true);
  });
  expect(steps).toEqual([
    'detected',
    'asked after 0 and 0 requests',
    'asked after 1 and 0 requests',
  ]);
});

test.each([
  ['says no', () => Promise.resolve(false), { code: 'Unreachable' }],
  ['fails', () => Promise.reject(new Error('the store is away')), { message: /store is away/ }],
] as const)('SUBSCRIBE does not leave if who is asked %s', async (_what, mayLeave, error) => {
  const { address, received } = await master();
  const { transport, signal } = schedulerOf(address);
  const subscribing = transport.subscribe(subscribeCall, signal, mayLeave);
  await expect(subscribing).rejects.toMatchObject(
    'code' in error ? error : { message: expect.stringMatching(error.message) as string },
  );
  expect(received).toEqual([]);
});

test('a call does not leave if leadership ends while its connection is made', async () => {
  const { address, received } = await master();
  const { transport, signal } = schedulerOf(address);
  const subscription = await transport.subscribe(subscribeCall, signal);
  let asked = 0;
  const outcome = await subscription.call(kill, () => {
    asked += 1;
    return asked === 1;
  });
  expect(outcome).toMatchObject({ kind: 'unsent' });
  expect(received).toHaveLength(1);
  expect(await subscription.call(kill, () => true)).toEqual({ kind: 'accepted' });
  expect(received).toHaveLength(2);
});
