import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BatchAssembler, type WatchPart } from '../../../../api/storage/etcd/assembler.ts';
import type { KeyEvent, WatchBatch } from '../../../../api/storage/storage.ts';

const event = (modRevision: number, index: number): KeyEvent => ({
  type: 'put',
  key: `/${index}`,
  value: new Uint8Array(),
  previous: undefined,
  modRevision,
  createRevision: modRevision,
});

/** Revisions from 11 on, some of them with several events, some with none (others' writes). */
const revisions = fc
  .array(fc.nat(4), { maxLength: 30 })
  .map((counts) =>
    counts.map((count, index) => Array.from({ length: count }, (_, at) => event(11 + index, at))),
  );

/** Responses of whole revisions, each split anywhere into fragments. */
const sizes = fc.array(fc.nat(5), { minLength: 1, maxLength: 20 });
const parts = fc.tuple(revisions, sizes).map(([revisions, sizes]) => {
  let used = 0;
  const next = (): number => sizes[used++ % sizes.length] ?? 0;
  const parts: WatchPart[] = [];
  const all = revisions.flat();
  for (let rest = revisions; rest.length > 0;) {
    const taken = 1 + next();
    const response = rest.slice(0, taken).flat();
    rest = rest.slice(taken);
    const revision = 10 + revisions.length;
    if (response.length === 0) continue;
    for (let events = response; events.length > 0;) {
      const size = 1 + next();
      const fragment = events.length > size;
      parts.push({ revision, events: events.slice(0, size), fragment });
      events = events.slice(size);
    }
  }
  return { parts, all };
});

const assemble = (parts: readonly WatchPart[], complete: number): WatchBatch[] => {
  const assembler = new BatchAssembler(complete);
  return parts.flatMap((part) => assembler.add(part) ?? []);
};

describe('BatchAssembler', () => {
  it('delivers every event once, in order, and only whole revisions, however it was split', () => {
    fc.assert(
      fc.property(parts, ({ parts, all }) => {
        const batches = assemble(parts, 10);
        expect(batches.flatMap((batch) => batch.events)).toEqual(all);
        let complete = 10;
        for (const { revision, events } of batches) {
          expect(events[0]?.modRevision).toBeGreaterThan(complete);
          expect(events.at(-1)?.modRevision).toBe(revision);
          complete = revision;
        }
      }),
    );
  });

  it('never holds back more than the events of one revision', () => {
    const assembler = new BatchAssembler(10);
    const first = assembler.add({
      revision: 20,
      events: [event(11, 0), event(12, 0), event(12, 1)],
      fragment: true,
    });
    expect(first).toEqual({ revision: 11, events: [event(11, 0)] });
    const last = assembler.add({ revision: 20, events: [event(12, 2)], fragment: false });
    expect(last?.events).toHaveLength(3);
  });

  it('drops what has been delivered before: etcd repeats events and progress at times', () => {
    const [batch, ...more] = assemble(
      [
        { revision: 13, events: [event(9, 0), event(10, 0), event(11, 0)], fragment: false },
        { revision: 13, events: [event(11, 0)], fragment: false },
        { revision: 9, events: [], fragment: false },
        { revision: 11, events: [], fragment: false },
      ],
      10,
    );
    expect(batch).toEqual({ revision: 11, events: [event(11, 0)] });
    expect(more).toEqual([]);
  });

  it('takes an empty response for progress, but not within fragments', () => {
    expect(assemble([{ revision: 15, events: [], fragment: false }], 10)).toEqual([
      { revision: 15, events: [] },
    ]);
    const batches = assemble(
      [
        { revision: 15, events: [event(11, 0)], fragment: true },
        { revision: 15, events: [], fragment: true },
        { revision: 15, events: [event(11, 1)], fragment: false },
      ],
      10,
    );
    expect(batches).toEqual([{ revision: 11, events: [event(11, 0), event(11, 1)] }]);
  });

  it('refuses events out of order, so that the watch starts anew', () => {
    const assembler = new BatchAssembler(10);
    const part = { revision: 20, events: [event(13, 0), event(12, 0)], fragment: false };
    expect(() => assembler.add(part)).toThrow('out of order');
  });
});
