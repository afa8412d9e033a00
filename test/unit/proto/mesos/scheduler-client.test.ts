import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import type { CodecError } from '../../../../proto/mesos/errors.ts';
import { codec } from '../../../../proto/mesos/codec.ts';
import type { SchedulerCall, SchedulerEvent } from '../../../../proto/mesos/generated/messages.ts';
import { encodeRecord } from '../../../../proto/mesos/recordio.ts';
import { mesosSchedulerClient } from '../../../../proto/mesos/scheduler-client.ts';
import type { SchedulerClientOptions } from '../../../../proto/mesos/scheduler-client.ts';
import { MesosRequestError, SubscriptionLostError } from '../../../../proto/mesos/transport.ts';
import type { MesosAddress, Subscription } from '../../../../proto/mesos/transport.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';
import { jsonRecord, openStream, startServer } from './scripted-server.ts';
import type { Received, ScriptedServer } from './scripted-server.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function server(answer: (request: Received, index: number) => void): Promise<ScriptedServer> {
  const started = await startServer(answer);
  cleanups.push(() => started.close());
  return started;
}

/** A master that opens a stream, writes `records` to it, and hands every later call to `onCall`. */
function master(
  records: Uint8Array[],
  onCall: (request: Received) => void = ({ response }) => void response.writeHead(202).end(),
): Promise<ScriptedServer> {
  return server((request, index) => {
    if (index > 0) {
      onCall(request);
      return;
    }
    openStream(request.response);
    for (const record of records) request.response.write(record);
  });
}

const framework = { user: 'www', name: 'mesocosm-test' };
const subscribeCall: SchedulerCall = {
  type: 'SUBSCRIBE',
  subscribe: { framework_info: framework },
};
const subscribed: SchedulerEvent = {
  type: 'SUBSCRIBED',
  subscribed: { framework_id: { value: 'f' }, heartbeat_interval_seconds: 2 },
};
const heartbeat: SchedulerEvent = { type: 'HEARTBEAT' };
const kill: SchedulerCall = { type: 'KILL', kill: { task_id: { value: 't' } } };
const revive: SchedulerCall = { type: 'REVIVE' };
const acknowledge: SchedulerCall = {
  type: 'ACKNOWLEDGE',
  acknowledge: { agent_id: { value: 'a' }, task_id: { value: 't' }, uuid: 'AAAA' },
};

interface Subscriber {
  readonly subscribe: () => Promise<Subscription>;
  readonly clock: VirtualClock;
  readonly malformed: CodecError[];
  readonly abort: AbortController;
}

function subscriber(
  address: MesosAddress,
  options: Partial<SchedulerClientOptions> = {},
): Subscriber {
  const clock = new VirtualClock();
  const malformed: CodecError[] = [];
  const abort = new AbortController();
  cleanups.push(() => abort.abort());
  const client = mesosSchedulerClient({
    clock,
    format: 'json',
    detector: { detect: () => Promise.resolve(address) },
    onMalformedEvent: (error) => malformed.push(error),
    ...options,
  });
  return {
    clock,
    malformed,
    abort,
    subscribe: () => client.subscribe(subscribeCall, abort.signal),
  };
}

/** Reads events until the stream ends; the error it ended with, if any. */
async function drain(
  subscription: Subscription,
): Promise<{ events: SchedulerEvent[]; code: string }> {
  const events: SchedulerEvent[] = [];
  try {
    for await (const event of subscription.events) events.push(event);
  } catch (error) {
    if (error instanceof SubscriptionLostError) return { events, code: error.code };
    throw error;
  }
  return { events, code: 'quiet' };
}

async function requestFailure(work: Promise<unknown>): Promise<MesosRequestError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof MesosRequestError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('subscribing', () => {
  test.each(['json', 'protobuf'] as const)('speaks %s', async (format) => {
    const event = encodeRecord(codec('mesos.v1.scheduler.Event', format).encode(subscribed));
    const { address, request } = await server(({ response }) => {
      openStream(response, 'application/x');
      response.write(event);
    });
    const credential = { principal: 'cosmd', secret: 's3cret' };
    const { subscribe } = subscriber(address, { format, credential });
    const subscription = await subscribe();
    const { headers, body, path, method } = await request(0);
    const type = format === 'json' ? 'application/json' : 'application/x-protobuf';
    expect([method, path]).toStrictEqual(['POST', '/api/v1/scheduler']);
    expect(headers).toMatchObject({
      'content-type': type,
      accept: type,
      authorization: `Basic ${Buffer.from('cosmd:s3cret').toString('base64')}`,
    });
    expect(codec('mesos.v1.scheduler.Call', format).decode(body)).toStrictEqual(subscribeCall);
    expect(subscription.streamId).toBe('stream-1');
    expect(subscription.master).toStrictEqual(address);
    for await (const first of subscription.events) {
      expect(first).toStrictEqual(subscribed);
      break;
    }
  });

  test.each(['/master/api/v1/scheduler', ''])(
    'follows a redirect to a host with the path %j',
    async (suffix) => {
      const leader = await master([jsonRecord(subscribed)]);
      const { port } = leader.address;
      const other = await server(({ response }) => {
        response.writeHead(307, { location: `//127.0.0.1:${port}${suffix}` }).end();
      });
      const subscription = await subscriber(other.address).subscribe();
      expect(subscription.master).toStrictEqual(leader.address);
      expect((await leader.request(0)).path).toBe('/api/v1/scheduler');
    },
  );

  test('gives up on masters that point at each other', async () => {
    const looping = await server(({ response }) => {
      response.writeHead(307, { location: `//127.0.0.1:${looping.address.port}` }).end();
    });
    const error = await requestFailure(subscriber(looping.address).subscribe());
    expect(error.code).toBe('TooManyRedirects');
  });

  test.each([
    ['NoLeader', 503, {}, 'No leader elected'],
    ['Refused', 401, {}, ''],
    ['Refused', 400, {}, 'Failed to validate'],
    ['Refused', 500, {}, 'oops'],
    ['BadAnswer', 200, {}, ''],
    ['BadAnswer', 307, {}, ''],
    ['BadAnswer', 307, { location: 'https://127.0.0.1:1/' }, ''],
    ['BadAnswer', 307, { location: '//:x:' }, ''],
  ] as const)('rejects with %s for %i %j %s', async (code, status, headers, text) => {
    const { address } = await server(({ response }) => {
      response.writeHead(status, headers).end(text);
    });
    const credential = { principal: 'cosmd', secret: 's3cret' };
    const error = await requestFailure(subscriber(address, { credential }).subscribe());
    expect(error.code).toBe(code);
    expect(error.message).toContain(text);
    expect(JSON.stringify(error) + error.message).not.toMatch(/s3cret|Basic/);
  });

  test('rejects with Unreachable if nobody listens', async () => {
    const gone = await startServer(() => undefined);
    await gone.close();
    const error = await requestFailure(subscriber(gone.address).subscribe());
    expect(error.code).toBe('Unreachable');
  });

  test('rejects with Unanswered if no answer comes in time, or the link is cut', async () => {
    const silent = await server(() => undefined);
    const { subscribe, clock } = subscriber(silent.address, { requestTimeoutMs: 5000 });
    const failure = requestFailure(subscribe());
    await silent.request(0);
    await clock.advance(5000);
    expect((await failure).code).toBe('Unanswered');
    const cutting = await server(({ response }) => response.destroy());
    expect((await requestFailure(subscriber(cutting.address).subscribe())).code).toBe('Unanswered');
  });

  test('rejects with the reason of the signal', async () => {
    const silent = await server(() => undefined);
    const { subscribe, abort } = subscriber(silent.address);
    const attempt = subscribe();
    await silent.request(0);
    const reason = new Error('deposed');
    abort.abort(reason);
    await expect(attempt).rejects.toBe(reason);
  });
});

describe('the event stream', () => {
  test('gives events in order; a type we do not know is absent', async () => {
    const records = [subscribed, { type: 'NOVEL' }, heartbeat].map(jsonRecord);
    const { address, request } = await master(records);
    const subscription = await subscriber(address).subscribe();
    (await request(0)).response.end();
    expect(await drain(subscription)).toStrictEqual({
      events: [subscribed, {}, heartbeat],
      code: 'Ended',
    });
  });

  test('an event that does not decode is reported and skipped', async () => {
    const broken = encodeRecord(Buffer.from('{"type":"RESCIND","rescind":{}}'));
    const { address, request } = await master([broken, jsonRecord(heartbeat)]);
    const { subscribe, malformed } = subscriber(address);
    const subscription = await subscribe();
    (await request(0)).response.end();
    expect((await drain(subscription)).events).toStrictEqual([heartbeat]);
    expect(malformed.map(({ code }) => code)).toStrictEqual(['MissingRequired']);
  });

  test.each([
    ['what is no RecordIO', 'nonsense'],
    ['a record above the bound', '101\n'],
    ['half a record and the end', '20\n{"type"'],
  ])('%s breaks it after the events before', async (_, text) => {
    const { address, request } = await master([jsonRecord(heartbeat), Buffer.from(text)]);
    const subscription = await subscriber(address, { maxEventBytes: 100 }).subscribe();
    (await request(0)).response.end();
    expect(await drain(subscription)).toStrictEqual({ events: [heartbeat], code: 'Broken' });
  });

  test('a cut connection breaks it, also while nobody reads', async () => {
    const { address, request } = await master([jsonRecord(heartbeat)]);
    const subscription = await subscriber(address).subscribe();
    const { response } = await request(0);
    const gone = once(response, 'close');
    response.destroy();
    await gone;
    expect((await subscription.call(kill)).kind).toBe('accepted');
    expect((await drain(subscription)).code).toBe('Broken');
  });

  test('it is silent after three heartbeats of the length that the master announced', async () => {
    const { address, request } = await master([jsonRecord(subscribed)]);
    const { subscribe, clock } = subscriber(address);
    const events = (await subscribe()).events[Symbol.asyncIterator]();
    expect((await events.next()).value).toStrictEqual(subscribed);
    const second = events.next();
    await clock.advance(5999);
    (await request(0)).response.write(jsonRecord(heartbeat));
    expect((await second).value).toStrictEqual(heartbeat);
    const third = events.next();
    await clock.advance(5999);
    const pending = Symbol('pending');
    expect(await Promise.race([third, Promise.resolve(pending)])).toBe(pending);
    await clock.advance(1);
    await expect(third).rejects.toMatchObject({ code: 'Silent' });
  });

  test('a slow reader is no silent master', async () => {
    const { address, request } = await master([subscribed, heartbeat].map(jsonRecord));
    const { subscribe, clock } = subscriber(address);
    const events = (await subscribe()).events[Symbol.asyncIterator]();
    await events.next();
    await clock.advance(60_000);
    expect((await events.next()).value).toStrictEqual(heartbeat);
    (await request(0)).response.write(jsonRecord(heartbeat));
    expect((await events.next()).value).toStrictEqual(heartbeat);
  });

  test.each(['close', 'abort'] as const)('%s ends it quietly and closes it', async (way) => {
    const { address, request } = await master([jsonRecord(subscribed)]);
    const { subscribe, abort } = subscriber(address);
    const subscription = await subscribe();
    const { response } = await request(0);
    const gone = once(response, 'close');
    const drained = drain(subscription);
    if (way === 'close') subscription.close();
    else abort.abort();
    expect((await drained).code).toBe('quiet');
    await gone;
  });

  test('leaving the loop closes the connection', async () => {
    const { address, request } = await master([jsonRecord(subscribed)]);
    const subscription = await subscriber(address).subscribe();
    const { response } = await request(0);
    const gone = once(response, 'close');
    for await (const event of subscription.events) if (event.type === 'SUBSCRIBED') break;
    await gone;
  });
});

describe('calls', () => {
  test('carry the stream id and are accepted with 202 and 200', async () => {
    const { address, request } = await master([], ({ response }) => {
      response.writeHead(address.port % 2 === 0 ? 202 : 200).end();
    });
    const subscription = await subscriber(address).subscribe();
    expect(await subscription.call(kill)).toStrictEqual({ kind: 'accepted' });
    const { headers, body } = await request(1);
    expect(headers['mesos-stream-id']).toBe('stream-1');
    expect(JSON.parse(body.toString())).toStrictEqual(kill);
  });

  test.each([
    [400, "didn't match the stream ID"],
    [403, 'Framework is not subscribed'],
    [307, ''],
    [503, 'No leader elected'],
  ])('are rejected with %i and its text', async (status, message) => {
    const { address } = await master([], ({ response }) => {
      response.writeHead(status).end(message);
    });
    const subscription = await subscriber(address).subscribe();
    expect(await subscription.call(kill)).toStrictEqual({ kind: 'rejected', status, message });
  });

  test('a cut before the answer is unknown, and gives the subscription up', async () => {
    const { address, received } = await master([], ({ response }) => void response.destroy());
    const subscription = await subscriber(address).subscribe();
    const drained = drain(subscription);
    const [first, second] = await Promise.all([subscription.call(kill), subscription.call(revive)]);
    expect(first.kind).toBe('unknown');
    expect(second.kind).toBe('unsent');
    expect(received.length).toBe(2);
    expect((await drained).code).toBe('CallUnanswered');
    expect((await subscription.call(kill)).kind).toBe('unsent');
  });

  test('an answer that does not come in time is unknown', async () => {
    const { address, request } = await master([], () => undefined);
    const { subscribe, clock } = subscriber(address, { requestTimeoutMs: 1000 });
    const subscription = await subscribe();
    const outcome = subscription.call(kill);
    await request(1);
    await clock.advance(1000);
    expect((await outcome).kind).toBe('unknown');
  });

  test("a gateway's 502 is unknown", async () => {
    const { address } = await master([], ({ response }) => void response.writeHead(502).end());
    const subscription = await subscriber(address).subscribe();
    expect((await subscription.call(kill)).kind).toBe('unknown');
  });

  test('a lost answer to an acknowledgement leaves the subscription alone', async () => {
    const { address } = await master([], ({ body, response }) => {
      if (body.includes('ACKNOWLEDGE')) response.destroy();
      else response.writeHead(202).end();
    });
    const subscription = await subscriber(address).subscribe();
    expect((await subscription.call(acknowledge)).kind).toBe('unknown');
    expect((await subscription.call(kill)).kind).toBe('accepted');
  });

  test('a refused connection is unsent', async () => {
    const { address, request, close } = await startServer(({ response }) => openStream(response));
    const subscription = await subscriber(address).subscribe();
    await request(0);
    await close();
    expect((await subscription.call(kill)).kind).toBe('unsent');
  });

  test('a call that does not encode is unsent, with the reason', async () => {
    const { address } = await master([]);
    const subscription = await subscriber(address).subscribe();
    const outcome = await subscription.call({ type: 'UNKNOWN' });
    expect(outcome).toMatchObject({ kind: 'unsent', cause: { code: 'UnknownCallType' } });
    expect(await subscription.call(kill)).toStrictEqual({ kind: 'accepted' });
  });

  test('leave one after the other, acknowledgements beside them', async () => {
    const { address, received, request } = await master([], () => undefined);
    const subscription = await subscriber(address).subscribe();
    const outcomes = [kill, revive, kill].map((call) => subscription.call(call));
    const answer = async (index: number): Promise<string> => {
      const { body, response } = await request(index);
      response.writeHead(202).end();
      return String(codec('mesos.v1.scheduler.Call', 'json').decode(body).type);
    };
    await request(1);
    const aside = subscription.call(acknowledge);
    expect(await answer(2)).toBe('ACKNOWLEDGE');
    expect((await aside).kind).toBe('accepted');
    expect(received.length).toBe(3);
    expect([await answer(1), await answer(3), await answer(4)]).toStrictEqual([
      'KILL',
      'REVIVE',
      'KILL',
    ]);
    const kinds = (await Promise.all(outcomes)).map(({ kind }) => kind);
    expect(kinds).toStrictEqual(['accepted', 'accepted', 'accepted']);
  });

  test('more calls than may wait are unsent', async () => {
    const { address, request } = await master([], () => undefined);
    const subscription = await subscriber(address, { maxWaitingCalls: 1 }).subscribe();
    const first = subscription.call(kill);
    const { response } = await request(1);
    const second = subscription.call(kill);
    expect((await subscription.call(kill)).kind).toBe('unsent');
    response.writeHead(202).end();
    (await request(2)).response.writeHead(202).end();
    expect([(await first).kind, (await second).kind]).toStrictEqual(['accepted', 'accepted']);
  });

  test('closing leaves the call in flight its answer and sends no more', async () => {
    const { address, request, received } = await master([], () => undefined);
    const subscription = await subscriber(address).subscribe();
    const [inFlight, waiting] = [subscription.call({ type: 'TEARDOWN' }), subscription.call(kill)];
    const { response } = await request(1);
    subscription.close();
    response.writeHead(202).end();
    expect((await inFlight).kind).toBe('accepted');
    expect((await waiting).kind).toBe('unsent');
    expect(received.length).toBe(2);
  });
});
