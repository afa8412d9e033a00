import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fieldPathText, pathsOf, type FieldSet } from '../../../../api/machinery/field-set.ts';
import { deepFreeze, isObject } from '../../../../api/machinery/json.ts';
import type { Manager, Owner } from '../../../../api/machinery/managed-fields.ts';
import {
  applyConfiguration,
  fieldsAsApplied,
  ownersAfterUpdate,
  type Applied,
} from '../../../../api/machinery/server-side-apply.ts';
import { compare, fieldsOf, merge } from '../../../../api/machinery/structured-merge.ts';
import { configuration, gadget } from './apply-fixture.ts';

interface State {
  live: unknown;
  owners: readonly Owner[];
}

const nothing: State = { live: undefined, owners: [] };
const time = '2026-01-01T00:00:00Z';

function manager(name: string, operation: Manager['operation'] = 'Apply'): Manager {
  return { name, operation, subresource: '', apiVersion: 'v1' };
}

function tryApply(state: State, name: string, config: object, force = false): Applied {
  deepFreeze(state);
  return applyConfiguration({
    ...state,
    config,
    schema: gadget,
    by: manager(name),
    time,
    force,
  });
}

function apply(state: State, name: string, config: object, force = false): State {
  const applied = tryApply(state, name, config, force);
  if (applied.outcome === 'conflict') throw new Error(JSON.stringify(applied.disputes));
  return { live: applied.document, owners: applied.owners };
}

function update(state: State, name: string, after: unknown): State {
  deepFreeze(state);
  const { live: before, owners } = state;
  const by = manager(name, 'Update');
  return {
    live: after,
    owners: ownersAfterUpdate({ before, after, schema: gadget, owners, by, time }),
  };
}

function fieldsBy({ owners }: State, name: string): FieldSet | undefined {
  return owners.find((owner) => owner.name === name)?.fields;
}

/** The paths in dispute, by the manager that owns them. */
function disputed(applied: Applied): Record<string, string[]> {
  if (applied.outcome === 'applied') return {};
  return Object.fromEntries(
    applied.disputes.map(({ owner, fields }) => [
      owner.name,
      [...pathsOf(fields)].map(fieldPathText),
    ]),
  );
}

const spec = (value: object): object => ({ spec: value });

describe('apply', () => {
  it('creates, and owns exactly what it said', () => {
    const state = apply(nothing, 'one', spec({ color: 'x', items: [{ name: 'a' }] }));
    expect(state.live).toEqual(spec({ color: 'x', items: [{ name: 'a' }] }));
    expect(fieldsBy(state, 'one')).toEqual({
      'f:spec': { 'f:color': {}, 'f:items': { 'k:{"name":"a"}': { '.': {}, 'f:name': {} } } },
    });
  });

  it('shares a field that has the same value', () => {
    const state = apply(apply(nothing, 'one', spec({ color: 'x' })), 'two', spec({ color: 'x' }));
    expect(state.owners.map(({ name }) => name)).toEqual(['one', 'two']);
  });

  it('removes what nobody owns any more, and leaves what somebody does', () => {
    let state = apply(nothing, 'one', spec({ color: 'x', replicas: 1, tags: ['a'] }));
    state = apply(state, 'two', spec({ replicas: 1 }));
    state = apply(state, 'one', spec({ color: 'x' }));
    expect(state.live).toEqual(spec({ color: 'x', replicas: 1 }));
    state = apply(state, 'two', {});
    expect(state.live).toEqual(spec({ color: 'x' }));
    expect(state.owners.map(({ name }) => name)).toEqual(['one']);
  });

  it('leaves what an update has set', () => {
    let state = apply(nothing, 'one', spec({ color: 'x', map: { k: '1' } }));
    state = update(state, 'editor', spec({ color: 'x', map: { k: '2' } }));
    state = apply(state, 'one', spec({ color: 'x' }));
    expect(state.live).toEqual(spec({ color: 'x', map: { k: '2' } }));
  });

  it.each<[string, object, object, string[]]>([
    ['a value', { color: 'x' }, { color: 'y' }, ['.spec.color']],
    [
      'a field of an item',
      { items: [{ name: 'a', image: '1' }] },
      { items: [{ name: 'a', image: '2' }] },
      ['.spec.items[name="a"].image'],
    ],
    ['an atomic list', { args: ['1'] }, { args: ['2'] }, ['.spec.args']],
    ['an atomic map', { atom: { p: '1' } }, { atom: { q: '2' } }, ['.spec.atom']],
    [
      'several',
      { color: 'x', map: { k: '1' } },
      { color: 'y', map: { k: '2' } },
      ['.spec.color', '.spec.map.k'],
    ],
  ])('conflicts over %s', (_what, one, two, paths) => {
    const state = apply(nothing, 'one', spec(one));
    const refused = tryApply(state, 'two', spec(two));
    expect(disputed(refused)).toEqual({ one: paths });
    const forced = apply(state, 'two', spec(two), true);
    expect(forced.live).toMatchObject(spec(two));
    const kept = [...pathsOf(fieldsBy(forced, 'one') ?? {})].map(fieldPathText);
    expect(kept.filter((path) => paths.includes(path))).toEqual([]);
  });

  it.each<[string, object, object]>([
    ['another item', { items: [{ name: 'a' }] }, { items: [{ name: 'b' }] }],
    [
      'another field of an item',
      { items: [{ name: 'a', image: '1' }] },
      { items: [{ name: 'a', weight: 2 }] },
    ],
    ['the same member of a set', { tags: ['a', 'b'] }, { tags: ['b', 'c'] }],
    ['another entry of a map', { map: { k: '1' } }, { map: { l: '2' } }],
  ])('does not conflict over %s', (_what, one, two) => {
    const state = apply(apply(nothing, 'one', spec(one)), 'two', spec(two));
    expect(state.owners).toHaveLength(2);
  });

  it('forgets a manager that owns nothing any more', () => {
    const state = apply(
      apply(nothing, 'one', spec({ color: 'x' })),
      'two',
      spec({ color: 'y' }),
      true,
    );
    expect(state.owners.map(({ name }) => name)).toEqual(['two']);
  });

  it('tells appliers and updaters of one name apart, and subresources', () => {
    const created = update(nothing, 'one', spec({ color: 'x' }));
    const refused = tryApply(created, 'one', spec({ color: 'y' }));
    expect(disputed(refused)).toEqual({ one: ['.spec.color'] });
  });
});

describe('an update', () => {
  it('owns what it changed and added, and nothing else', () => {
    let state = apply(nothing, 'one', spec({ color: 'x', replicas: 1 }));
    state = update(state, 'editor', spec({ color: 'x', replicas: 2, nested: { a: '1' } }));
    expect(fieldsBy(state, 'editor')).toEqual({
      'f:spec': { 'f:replicas': {}, 'f:nested': { '.': {}, 'f:a': {} } },
    });
    expect(fieldsBy(state, 'one')).toEqual({ 'f:spec': { 'f:color': {} } });
  });

  it('takes from everybody what it removes, with all below', () => {
    let state = apply(nothing, 'one', spec({ color: 'x', items: [{ name: 'a', image: '1' }] }));
    state = update(state, 'editor', spec({ color: 'x', items: [] }));
    expect(fieldsBy(state, 'one')).toEqual({ 'f:spec': { 'f:color': {} } });
  });

  it('that changes nothing leaves the list of owners as it is', () => {
    const state = apply(nothing, 'one', spec({ tags: ['a', 'b'] }));
    expect(update(state, 'editor', spec({ tags: ['b', 'a'] })).owners).toBe(state.owners);
  });

  it('that only removes makes nobody an owner', () => {
    const state = apply(nothing, 'one', spec({ color: 'x', replicas: 1 }));
    expect(update(state, 'editor', spec({ color: 'x' })).owners.map(({ name }) => name)).toEqual([
      'one',
    ]);
  });
});

describe('what was applied on the client side', () => {
  it('is what the live document still says', () => {
    const live = spec({ color: 'x', replicas: 5, map: { k: '1', l: '2' } });
    const applied = spec({ color: 'x', replicas: 1, map: { k: '1', m: '3' } });
    expect(fieldsAsApplied(live, applied, gadget)).toEqual({
      'f:spec': { 'f:color': {}, 'f:map': { 'f:k': {} } },
    });
  });
});

/** Without empty objects and lists, which stand for the fields that they do not have. */
function full(value: unknown): unknown {
  if (!isObject(value)) return value;
  const entries = Object.entries(value).map(([name, child]) => [name, full(child)] as const);
  const isFull = (child: unknown): boolean =>
    typeof child !== 'object' || child === null || Object.keys(child).length > 0;
  return Object.fromEntries(entries.filter(([, child]) => isFull(child)));
}

const fullConfiguration = configuration.map((config) => full(config) as object);

/** The document with lists whose order means nothing in one order. */
function normalised(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map(normalised);
    return items.every((item) => isObject(item) && 'name' in item) || items.every(isLetter)
      ? items.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
      : items;
  }
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([k, child]) => [k, normalised(child)]));
}

function isLetter(item: unknown): boolean {
  return item === 'a' || item === 'b' || item === 'c';
}

function ownership({ owners }: State): Record<string, string[]> {
  return Object.fromEntries(
    owners.map(({ name, fields }) => [name, [...pathsOf(fields)].map((p) => p.join('/'))] as const),
  );
}

describe('whatever is applied', () => {
  const steps = fc.array(
    fc.record({
      name: fc.constantFrom('one', 'two', 'three', 'editor'),
      config: configuration,
    }),
    { maxLength: 5 },
  );

  function reached(history: readonly { name: string; config: object }[]): State {
    return history.reduce<State>(
      (state, { name, config }) =>
        name === 'editor'
          ? update(state, name, merge(state.live ?? {}, config, gadget))
          : apply(state, name, config, true),
      nothing,
    );
  }

  it('changes nothing when it is applied again', () => {
    fc.assert(
      fc.property(steps, configuration, (history, config) => {
        const once = apply(reached(history), 'one', config, true);
        const twice = tryApply(once, 'one', config, false);
        if (twice.outcome === 'conflict') throw new Error('a conflict with itself');
        expect(twice.document).toBe(once.live);
        expect(ownership({ live: 0, owners: twice.owners })).toEqual(ownership(once));
      }),
    );
  });

  it('is in the document afterwards', () => {
    fc.assert(
      fc.property(steps, configuration, (history, config) => {
        const { live } = apply(reached(history), 'one', config, true);
        const { added, modified } = compare(live, merge(live, config, gadget), gadget);
        expect([added, modified]).toEqual([{}, {}]);
      }),
    );
  });

  it('commutes with what another applier says about other fields', () => {
    fc.assert(
      fc.property(steps, configuration, configuration, (history, left, right) => {
        const start = reached(history.map((step) => ({ ...step, name: 'editor' })));
        const ab = tryApply(start, 'one', left);
        const ba = tryApply(start, 'two', right);
        fc.pre(ab.outcome === 'applied' && ba.outcome === 'applied');
        const first = tryApply({ live: ab.document, owners: ab.owners }, 'two', right);
        const second = tryApply({ live: ba.document, owners: ba.owners }, 'one', left);
        expect(first.outcome).toBe(second.outcome);
        if (first.outcome !== 'applied' || second.outcome !== 'applied') return;
        expect(normalised(first.document)).toEqual(normalised(second.document));
        expect(ownership({ live: 0, owners: first.owners })).toEqual(
          ownership({ live: 0, owners: second.owners }),
        );
      }),
    );
  });

  it('goes with its manager exactly if nobody else owns it', () => {
    const appliers = fc.array(
      fc.record({ name: fc.constantFrom('one', 'two', 'three'), config: fullConfiguration }),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(appliers, fullConfiguration, fullConfiguration, (history, before, after) => {
        const state = apply(reached(history), 'one', before, true);
        const others = state.owners.filter(({ name }) => name !== 'one');
        const kept = [fieldsOf(after, gadget), ...others.map(({ fields }) => fields)];
        const held = [...pathsOf(fieldsOf(state.live, gadget))];
        const { live } = apply(state, 'one', after, true);
        const left = new Set([...pathsOf(fieldsOf(live, gadget))].map(String));
        for (const path of held) {
          const owned = kept.some((set) => [...pathsOf(set)].map(String).includes(String(path)));
          expect([String(path), left.has(String(path))]).toEqual([String(path), owned]);
        }
      }),
    );
  });
});
