import { describe, expect, test } from 'vitest';
import type { KubeObject } from '../../../../api/machinery/metadata.ts';
import { encodeObject } from '../../../../api/server/registry/item.ts';
import { Outbox, type Outgoing } from '../../../../api/server/registry/outbox.ts';
import { isObject } from '../../../../api/machinery/json.ts';
import { startHarness, widget, widgets } from './support/harness.ts';

const key = '/conformance.dev/widgets/default/a';

function outgoing(color: string): Outgoing {
  const object = {
    apiVersion: 'conformance.dev/v1',
    kind: 'Widget',
    metadata: { name: 'a', namespace: 'default', uid: 'u', creationTimestamp: 't' },
    spec: { color },
  } as unknown as KubeObject;
  return { key, object, bytes: encodeObject(object) };
}

describe('what comes back by the watch', () => {
  test.each(['answer', 'watch'])('is the object that was sent if the %s comes first', (first) => {
    const outbox = new Outbox();
    const sent = outbox.add(outgoing('red'));
    const answer = (): KubeObject => {
      const object = sent.at(7);
      outbox.answered(sent, true);
      return object;
    };
    const watch = (): KubeObject => outbox.decode(key, Buffer.from(sent.outgoing.bytes), 7);
    const objects = first === 'answer' ? [answer(), watch()] : [watch(), answer()];
    expect(objects[0]).toBe(objects[1]);
    expect(objects[0]).toStrictEqual({
      ...sent.outgoing.object,
      metadata: { ...sent.outgoing.object.metadata, resourceVersion: '7' },
    });
    // It is forgotten then: the same bytes, written by somebody else, are decoded.
    const again = outbox.decode(key, sent.outgoing.bytes, 8);
    expect(again).not.toBe(objects[0]);
    expect(again.metadata.resourceVersion).toBe('8');
  });

  test('is decoded if somebody else wrote something different', () => {
    const outbox = new Outbox();
    const sent = outbox.add(outgoing('red'));
    const other = outgoing('blue');
    expect(outbox.decode(key, other.bytes, 7)).toMatchObject({ spec: { color: 'blue' } });
    expect(sent.at(8)).toMatchObject({ spec: { color: 'red' } });
  });

  test('is decoded if our write was refused', () => {
    const outbox = new Outbox();
    const sent = outbox.add(outgoing('red'));
    outbox.answered(sent, false);
    const object = outbox.decode(key, sent.outgoing.bytes, 9);
    expect(object).toMatchObject({ spec: { color: 'red' }, metadata: { resourceVersion: '9' } });
    expect(object).not.toBe(sent.at(9));
  });

  test('is bounded: what never comes back is let go', () => {
    const outbox = new Outbox();
    const first = outbox.add(outgoing('red'));
    outbox.answered(first, true);
    for (let index = 0; index < 5_000; index += 1) {
      outbox.add({ ...outgoing('red'), key: `${key}${index}` });
    }
    expect(outbox.decode(key, first.outgoing.bytes, 7)).not.toBe(first.at(7));
  });
});

test('a watcher in this process gets the very objects that their writer got', async () => {
  const harness = await startHarness();
  try {
    const stop = new AbortController();
    const seen: unknown[] = [];
    const watching = (async (): Promise<void> => {
      const request = { method: 'GET' as const, path: widgets, query: { watch: 'true' } };
      for await (const event of harness.transport.watch(request, stop.signal)) {
        if (isObject(event)) seen.push(event['object']);
        if (seen.length === 2) return;
      }
    })();
    const created = await harness.send('POST', widgets, { body: widget('a') });
    const { metadata } = created.body as KubeObject;
    const updated = await harness.send('PUT', `${widgets}/a`, {
      body: widget('a', { color: 'red' }, { ...metadata, labels: { a: 'b' } }),
    });
    await watching;
    expect(seen[0]).toBe(created.body);
    expect(seen[1]).toBe(updated.body);
  } finally {
    await harness.stop();
  }
});
