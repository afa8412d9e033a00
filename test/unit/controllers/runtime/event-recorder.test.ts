import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createClient } from '../../../../api/client/resource-client.ts';
import type { Namespace } from '../../../../api/v1/core.ts';
import { eventResource, namespaceResource } from '../../../../api/v1/core.ts';
import { BoundedMap } from '../../../../controllers/runtime/bounded-map.ts';
import { EventRecorder } from '../../../../controllers/runtime/event-recorder.ts';
import type { TestApi } from './api.ts';
import { silent, startApi } from './api.ts';
import { FaultyTransport } from './faulty-transport.ts';

let api: TestApi;
let transport: FaultyTransport;
let recorder: EventRecorder;
let object: Namespace;

beforeEach(async () => {
  api = await startApi();
  transport = new FaultyTransport(api.transport);
  recorder = new EventRecorder({
    client: createClient(transport),
    component: 'tester',
    clock: api.clock,
    random: api.random,
    logger: silent,
  });
  object = await api.client.of(namespaceResource).get({ name: 'prod' });
});

afterEach(() => api.stop());

async function written() {
  await recorder.idle();
  return (await api.client.of(eventResource).list()).items;
}

describe('EventRecorder', () => {
  it('writes what describe looks for', async () => {
    recorder.record(object, 'Warning', 'Broken', 'it broke');
    const [event] = await written();
    expect(event).toMatchObject({
      metadata: { namespace: 'default' },
      involvedObject: {
        apiVersion: 'v1',
        kind: 'Namespace',
        name: 'prod',
        uid: object.metadata.uid,
      },
      type: 'Warning',
      reason: 'Broken',
      message: 'it broke',
      count: 1,
      firstTimestamp: '2026-01-01T00:00:00Z',
      lastTimestamp: '2026-01-01T00:00:00Z',
      source: { component: 'tester' },
    });
  });

  it('counts the same report up, before and after it was written', async () => {
    recorder.record(object, 'Normal', 'Again', 'and again');
    recorder.record(object, 'Normal', 'Again', 'and again');
    expect(await written()).toMatchObject([{ count: 2 }]);
    await api.clock.advance(5000);
    recorder.record(object, 'Normal', 'Again', 'and again');
    recorder.record(object, 'Normal', 'Again', 'and another');
    const events = await written();
    expect(events.map(({ message, count }) => [message, count]).sort()).toEqual([
      ['and again', 3],
      ['and another', 1],
    ]);
    const again = events.find(({ count }) => count === 3);
    expect(again).toMatchObject({
      firstTimestamp: '2026-01-01T00:00:00Z',
      lastTimestamp: '2026-01-01T00:00:05Z',
    });
  });

  it('writes a new Event when the one it knew has expired', async () => {
    recorder.record(object, 'Normal', 'Again', 'and again');
    expect(await written()).toHaveLength(1);
    await api.clock.advance(7200_000);
    expect(await written()).toHaveLength(0);
    recorder.record(object, 'Normal', 'Again', 'and again');
    expect(await written()).toMatchObject([{ count: 1 }]);
  });

  it('drops what comes too often from one object, and lets others through', async () => {
    for (let n = 0; n < 100; n += 1) recorder.record(object, 'Normal', 'Busy', `number ${n}`);
    const other = await api.client.of(namespaceResource).get({ name: 'default' });
    recorder.record(other, 'Normal', 'Calm', 'once');
    expect(await written()).toHaveLength(26);
    expect(recorder.dropped).toBe(75);
    await api.clock.advance(60_000);
    recorder.record(object, 'Normal', 'Busy', 'a minute later');
    expect(await written()).toHaveLength(27);
  });

  it('never throws: a store that is away costs the Event only', async () => {
    transport.fault = () => 'away';
    recorder.record(object, 'Normal', 'Lost', 'nobody will know');
    expect(await written()).toHaveLength(0);
    transport.fault = () => undefined;
    recorder.record(object, 'Normal', 'Found', 'somebody will');
    expect(await written()).toHaveLength(1);
  });
});

describe('BoundedMap', () => {
  it('forgets what was used longest ago', () => {
    const map = new BoundedMap<string, number>(2);
    map.set('a', 1);
    map.set('b', 2);
    map.get('a');
    map.set('c', 3);
    expect([map.get('a'), map.get('b'), map.get('c'), map.size]).toEqual([1, undefined, 3, 2]);
    map.delete('a');
    expect(map.size).toBe(1);
  });
});
