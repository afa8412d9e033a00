import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KubeObject } from '../../../../api/machinery/metadata.ts';
import { ObjectStore } from '../../../../controllers/runtime/object-store.ts';

interface Thing extends KubeObject {
  colours: string[];
}

function thing(name: string, version: number, colours: string[] = []): Thing {
  return {
    apiVersion: 'v1',
    kind: 'Thing',
    metadata: { name, uid: name, resourceVersion: String(version), creationTimestamp: '' },
    colours,
  };
}

const byColour = { colour: (object: Thing) => object.colours };

describe('ObjectStore', () => {
  it('replaces its whole content at once and tells the difference, deletions first', () => {
    const store = new ObjectStore(byColour);
    store.replace([thing('a', 1), thing('b', 2), thing('c', 3)]);
    const changes = store.replace([thing('b', 2), thing('c', 5), thing('d', 4)]);
    expect(changes.map(({ type, object }) => `${type} ${object.metadata.name}`)).toEqual([
      'deleted a',
      'applied c',
      'applied d',
    ]);
    expect(store.list().map(({ metadata }) => metadata.name)).toEqual(['b', 'c', 'd']);
  });

  it('says nothing of an event that comes twice', () => {
    const store = new ObjectStore(byColour);
    expect(store.put(thing('a', 1))).toMatchObject({ type: 'applied' });
    expect(store.put(thing('a', 1))).toBeUndefined();
    expect(store.put(thing('a', 2))).toMatchObject({
      previous: { metadata: { resourceVersion: '1' } },
    });
    expect(store.remove(thing('a', 3))).toMatchObject({ type: 'deleted' });
    expect(store.remove(thing('a', 3))).toBeUndefined();
  });

  it('finds by index exactly the objects that have the value now', () => {
    const colours = fc.uniqueArray(fc.constantFrom('red', 'green', 'blue'));
    const write = fc.record({
      name: fc.constantFrom('a', 'b', 'c', 'd'),
      colours,
      gone: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(write), (writes) => {
        const store = new ObjectStore(byColour);
        for (const [version, { name, colours: has, gone }] of writes.entries()) {
          if (gone) store.remove(thing(name, version));
          else store.put(thing(name, version, has));
        }
        for (const colour of ['red', 'green', 'blue']) {
          const expected = store.list().filter((object) => object.colours.includes(colour));
          const found = store.byIndex('colour', colour);
          expect(new Set(found)).toEqual(new Set(expected));
        }
      }),
    );
  });

  it('refuses an index that nobody made', () => {
    expect(() => new ObjectStore({}).byIndex('colour', 'red')).toThrow(/no index "colour"/);
  });
});
