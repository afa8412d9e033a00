import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SortedMap } from '../../../../api/storage/sorted-map.ts';

interface Entry {
  readonly key: string;
  readonly value: number;
}

const key = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 4 });
const write = fc.record({ key, value: fc.nat(), remove: fc.boolean() });

function modelOf(writes: readonly (Entry & { remove: boolean })[]): Map<string, number> {
  const model = new Map<string, number>();
  for (const { key, value, remove } of writes) {
    if (remove) model.delete(key);
    else model.set(key, value);
  }
  return model;
}

const sorted = (model: Map<string, number>): Entry[] =>
  [...model].map(([key, value]) => ({ key, value })).sort((a, b) => (a.key < b.key ? -1 : 1));

describe('SortedMap', () => {
  it('holds what was written, in order of key, for any writes', () => {
    fc.assert(
      fc.property(fc.array(write, { maxLength: 200 }), key, key, (writes, prefix, from) => {
        let map = SortedMap.empty<Entry>();
        for (const { key, value, remove } of writes) {
          map = remove ? map.delete(key) : map.set({ key, value });
        }
        const model = modelOf(writes);
        expect([...map.range()]).toEqual(sorted(model));
        expect(map.size).toBe(model.size);
        expect(map.get(prefix)?.value).toBe(model.get(prefix));
        expect([...map.range(prefix, from)]).toEqual(
          sorted(model).filter((entry) => entry.key.startsWith(prefix) && entry.key >= from),
        );
      }),
    );
  });

  it('keeps an old map as it was while new ones are made of it', () => {
    let map = SortedMap.empty<Entry>();
    const snapshots: { map: SortedMap<Entry>; expected: Entry[] }[] = [];
    const model = new Map<string, number>();
    for (let index = 0; index < 3000; index += 1) {
      const key = String((index * 7919) % 2003);
      if (index % 5 === 4) {
        map = map.delete(key);
        model.delete(key);
      } else {
        map = map.set({ key, value: index });
        model.set(key, index);
      }
      if (index % 500 === 0) snapshots.push({ map, expected: sorted(model) });
    }
    for (const { map: snapshot, expected } of snapshots) {
      expect([...snapshot.range()]).toEqual(expected);
    }
  });

  it('is built of sorted values and written to like any other', () => {
    const values = Array.from({ length: 1500 }, (_, index) => ({
      key: String(10_000 + index),
      value: index,
    }));
    const map = SortedMap.fromSorted(values);
    expect([...map.range()]).toEqual(values);
    expect(map.get('10777')?.value).toBe(777);
    const next = map.set({ key: '105', value: -1 }).delete('11499').delete('none');
    expect(next.size).toBe(1500);
    expect([...next.range('105')].map((entry) => entry.key).slice(0, 2)).toEqual(['105', '10500']);
    expect([...next.range('1149', '11498')].map((entry) => entry.key)).toEqual(['11498']);
  });
});
