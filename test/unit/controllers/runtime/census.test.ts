import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { KubeObject } from '../../../../api/machinery/metadata.ts';
import { Census } from '../../../../controllers/runtime/census.ts';
import { ObjectStore, type Change } from '../../../../controllers/runtime/object-store.ts';

interface Thing extends KubeObject {
  sort: string | undefined;
}

const things = fc.array(
  fc.record({
    name: fc.constantFrom('a', 'b', 'c', 'd'),
    sort: fc.constantFrom('red', 'green', undefined),
    gone: fc.boolean(),
  }),
);

it('a census agrees with a count of what there is, after any changes', () => {
  fc.assert(
    fc.property(things, (writes) => {
      const store = new ObjectStore<Thing>({});
      let tell: ((change: Change<Thing>) => void) | undefined;
      const informer = {
        onChange: (handler: typeof tell): (() => void) => {
          tell = handler;
          return () => undefined;
        },
      };
      const census = new Census<Thing>(informer, ({ sort }) => sort);
      for (const [version, { name, sort, gone }] of writes.entries()) {
        const metadata = { name, uid: `${name}${version}`, creationTimestamp: '' };
        const thing: Thing = {
          apiVersion: 'v1',
          kind: 'Thing',
          metadata: { ...metadata, resourceVersion: String(version) },
          sort,
        };
        const change = gone ? store.remove(thing) : store.put(thing);
        if (change !== undefined) tell?.(change);
      }
      for (const sort of ['red', 'green']) {
        const there = store.list().filter((thing) => thing.sort === sort);
        expect(census.counts.get(sort) ?? 0).toBe(there.length);
      }
    }),
  );
});
