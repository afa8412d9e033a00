import { afterEach, describe, expect, test } from 'vitest';
import { codec } from '../../../../proto/mesos/codec.ts';
import type { SchedulerCall } from '../../../../proto/mesos/generated/messages.ts';
import { mesosSchedulerClient } from '../../../../proto/mesos/scheduler-client.ts';
import type { CallOutcome, Subscription } from '../../../../proto/mesos/transport.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';
import { openStream, startServer, type Received, type ScriptedServer } from './scripted-server.ts';

const undo: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const connections = 4;

/** A master that opens the stream; calls are left without an answer unless `onCall` gives one. */
async function subscribed(
  onCall: (request: Received, index: number) => void = () => undefined,
): Promise<{ server: ScriptedServer; subscription: Subscription }> {
  const server = await startServer((request, index) => {
    if (index === 0) openStream(request.response);
    else onCall(request, index);
  });
  undo.push(() => server.close());
  const client = mesosSchedulerClient({
    clock: new VirtualClock(),
    format: 'json',
    detector: { detect: () => Promise.resolve(server.address) },
    onMalformedEvent: () => undefined,
    acknowledgementConnections: connections,
  });
  const subscription = await client.subscribe(
    { type: 'SUBSCRIBE', subscribe: { framework_info: { name: 'n', user: 'u' } } },
    new AbortController().signal,
  );
  undo.push(() => {
    subscription.close();
  });
  return { server, subscription };
}

/** The nth acknowledgement of a task. */
function acknowledgement(task: number, n: number): SchedulerCall {
  const uuid = Buffer.from([n]).toString('base64');
  return {
    type: 'ACKNOWLEDGE',
    acknowledge: { agent_id: { value: 'a' }, task_id: { value: `prod.web-${task}` }, uuid },
  };
}

/** Which acknowledgement a request is. */
function read({ body }: Received): { task: string; n: number } {
  const { acknowledge } = codec('mesos.v1.scheduler.Call', 'json').decode(body);
  if (acknowledge === undefined) throw new Error('it is no acknowledgement');
  const [n = 0] = Buffer.from(acknowledge.uuid, 'base64');
  return { task: acknowledge.task_id.value, n };
}

/** Runs `work` after so many turns of the event loop. */
function after(turns: number, work: () => void): void {
  if (turns === 0) work();
  else setImmediate(() => after(turns - 1, work));
}

async function kindsOf(outcomes: readonly Promise<CallOutcome>[]): Promise<Set<string>> {
  return new Set((await Promise.all(outcomes)).map(({ kind }) => kind));
}

describe('acknowledgements', () => {
  test('of different tasks do not wait for each other, on a bounded number of connections', async () => {
    const { server, subscription } = await subscribed();
    const count = 50;
    const outcomes = Array.from({ length: count }, (_, task) =>
      subscription.call(acknowledgement(task, 0)),
    );
    // Without a single answer every connection has one in flight.
    await server.request(connections);
    for (let index = 1; index <= count; index += 1) {
      expect(server.received.length - index).toBeLessThanOrEqual(connections);
      (await server.request(index)).response.writeHead(202).end();
    }
    expect(await kindsOf(outcomes)).toStrictEqual(new Set(['accepted']));
  });

  test('of one task arrive in their order, each once the one before is answered', async () => {
    const arrived = new Map<string, number[]>();
    const open = new Set<string>();
    const beside: string[] = [];
    const { subscription } = await subscribed((request, index) => {
      const { task, n } = read(request);
      if (open.has(task)) beside.push(task);
      open.add(task);
      arrived.set(task, [...(arrived.get(task) ?? []), n]);
      // Some answers take longer, so that a call could overtake others if any could.
      after(index % 7, () => {
        open.delete(task);
        request.response.writeHead(202).end();
      });
    });
    const [tasks, each] = [10, 5];
    const outcomes = Array.from({ length: tasks * each }, (_, index) =>
      subscription.call(acknowledgement(index % tasks, Math.floor(index / tasks))),
    );
    expect(await kindsOf(outcomes)).toStrictEqual(new Set(['accepted']));
    expect(beside).toStrictEqual([]);
    const inOrder = Array.from({ length: each }, (_, n) => n);
    expect([...arrived.values()]).toStrictEqual(Array.from({ length: tasks }, () => inOrder));
  });

  test('like all calls are judged when they leave, not when they are made', async () => {
    const { server, subscription } = await subscribed();
    let leading = true;
    const kill: SchedulerCall = { type: 'KILL', kill: { task_id: { value: 'prod.web-0' } } };
    const made = [kill, acknowledgement(0, 0), kill, acknowledgement(0, 1)].map((call) =>
      subscription.call(call, () => leading),
    );
    const inFlight = [await server.request(1), await server.request(2)];
    leading = false;
    for (const { response } of inFlight) response.writeHead(202).end();
    expect(await kindsOf(made.slice(0, 2))).toStrictEqual(new Set(['accepted']));
    expect(await kindsOf(made.slice(2))).toStrictEqual(new Set(['unsent']));
    expect(server.received.length).toBe(3);
  });
});
