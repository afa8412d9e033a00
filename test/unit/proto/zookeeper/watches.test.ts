import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Watcher } from '../../../../proto/zookeeper/client.ts';
import { WatchRegistry } from '../../../../proto/zookeeper/watches.ts';

const kinds = ['data', 'exist', 'child'] as const;

describe('watches', () => {
  it.each([
    ['created', ['data', 'exist']],
    ['changed', ['data', 'exist']],
    ['deleted', ['data', 'exist', 'child']],
    ['children', ['child']],
  ] as const)('of a node that is %s fire if set by %j, once', (type, fired) => {
    const registry = new WatchRegistry();
    const byKind = Object.fromEntries(kinds.map((kind) => [kind, () => undefined]));
    for (const kind of kinds) registry.add(kind, '/a', byKind[kind]!);
    registry.add('data', '/b', () => undefined);
    expect(registry.take({ type, path: '/a' })).toEqual(fired.map((kind) => byKind[kind]));
    expect(registry.take({ type, path: '/a' })).toEqual([]);
    expect(registry.takeAll()).toHaveLength(kinds.length - fired.length + 1);
  });

  it('that are one function fire once, even when set in two ways', () => {
    const registry = new WatchRegistry();
    const watcher: Watcher = () => undefined;
    registry.add('data', '/a', watcher);
    registry.add('data', '/a', watcher);
    registry.add('child', '/a', watcher);
    expect(registry.takeAll()).toEqual([{ path: '/a', watcher }]);
    registry.add('data', '/a', watcher);
    registry.add('child', '/a', watcher);
    expect(registry.take({ type: 'deleted', path: '/a' })).toEqual([watcher]);
  });

  it('are set again in batches within the bound that leave none out', () => {
    const watched = fc.uniqueArray(
      fc.record({ kind: fc.constantFrom(...kinds), path: fc.stringMatching(/^\/[a-zä]{1,20}$/) }),
      { selector: ({ kind, path }) => `${kind}${path}` },
    );
    fc.assert(
      fc.property(watched, fc.integer({ min: 50, max: 200 }), (all, bound) => {
        const registry = new WatchRegistry();
        for (const { kind, path } of all) registry.add(kind, path, () => undefined);
        const batches = [...registry.batches(bound)];
        for (const batch of batches) {
          const paths = [...batch.data, ...batch.exist, ...batch.child];
          expect(paths.length).toBeGreaterThan(0);
          const bytes = paths.reduce((sum, path) => sum + 4 + Buffer.byteLength(path), 0);
          expect(bytes).toBeLessThanOrEqual(bound);
        }
        const seen = batches.flatMap((batch) =>
          kinds.flatMap((kind) => batch[kind].map((path) => ({ kind, path }))),
        );
        const byName = (a: object, b: object): number =>
          JSON.stringify(a) < JSON.stringify(b) ? -1 : 1;
        expect(seen.sort(byName)).toEqual([...all].sort(byName));
      }),
    );
  });
});
