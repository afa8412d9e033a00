import { describe, expect, it } from 'vitest';
import {
  ancientChanges,
  bounded,
  managedFieldsOf,
  ownersOf,
  parseManagedFields,
  sameButForTimes,
  type Owner,
} from '../../../../api/machinery/managed-fields.ts';

const color = { 'f:spec': { 'f:color': {} } };

function owner(name: string, given: Partial<Owner> = {}): Owner {
  return {
    name,
    operation: 'Apply',
    subresource: '',
    apiVersion: 'v1',
    time: '2026-01-01T00:00:00Z',
    fields: color,
    ...given,
  };
}

const v1: ReadonlySet<string> = new Set(['v1']);

describe('stored managers', () => {
  it('come back as they were, in Kubernetes order', () => {
    const owners = [
      owner('b', { operation: 'Update', time: '2026-01-01T00:00:00Z' }),
      owner('z', { time: '2026-01-01T00:00:00Z' }),
      owner('a', { time: '2026-01-02T00:00:00Z' }),
      owner('a', { operation: 'Update', subresource: 'status' }),
      owner('a', { operation: 'Update' }),
    ];
    const entries = managedFieldsOf(owners);
    expect(entries?.map((each) => [each.manager, each.operation, each.subresource])).toEqual([
      ['z', 'Apply', undefined],
      ['a', 'Apply', undefined],
      ['a', 'Update', undefined],
      ['a', 'Update', 'status'],
      ['b', 'Update', undefined],
    ]);
    expect(entries?.[0]).toEqual({
      manager: 'z',
      operation: 'Apply',
      apiVersion: 'v1',
      time: '2026-01-01T00:00:00Z',
      fieldsType: 'FieldsV1',
      fieldsV1: color,
    });
    expect(managedFieldsOf(ownersOf(entries, v1))).toEqual(entries);
  });

  it('are none if there is nobody', () => {
    expect(managedFieldsOf([])).toBeUndefined();
    expect(ownersOf(undefined, v1)).toEqual([]);
  });

  it('own nothing by fields that make no sense', () => {
    const entries = managedFieldsOf([owner('a')])!.map((entry) => ({
      ...entry,
      fieldsV1: { 'f:spec': null },
    }));
    expect(ownersOf(entries, v1)).toEqual([owner('a', { fields: {} })]);
  });

  it('say nothing in a version that is no longer there, and the same in the others', () => {
    const entries = managedFieldsOf([owner('a', { apiVersion: 'v2' })]);
    expect(ownersOf(entries, v1)).toEqual([]);
    expect(ownersOf(entries, new Set(['v1', 'v2']))).toEqual([owner('a', { apiVersion: 'v2' })]);
  });

  it('are compared whatever their times and order', () => {
    const left = managedFieldsOf([owner('a'), owner('b')]);
    const later = [owner('b'), owner('a', { time: '2027-01-01T00:00:00Z' })];
    expect(sameButForTimes(left, managedFieldsOf(later))).toBe(true);
    expect(sameButForTimes(left, managedFieldsOf([owner('a')]))).toBe(false);
    expect(sameButForTimes(left, undefined)).toBe(false);
    const other = [owner('a', { fields: {} }), owner('b')];
    expect(sameButForTimes(left, managedFieldsOf(other))).toBe(false);
  });
});

describe('managers that a client sets', () => {
  const entry = {
    manager: 'm',
    operation: 'Apply',
    apiVersion: 'v1',
    fieldsType: 'FieldsV1',
    fieldsV1: { 'f:spec': { 'k:{"b":1,"a":2}': {} } },
  };

  it('are taken with their fields in canonical form', () => {
    expect(parseManagedFields([entry])).toEqual({
      kind: 'owners',
      owners: [owner('m', { time: undefined, fields: { 'f:spec': { 'k:{"a":2,"b":1}': {} } } })],
    });
  });

  it('are one each: the last entry of a manager counts', () => {
    const again = { ...entry, fieldsV1: color };
    expect(parseManagedFields([entry, again])).toMatchObject({ owners: [{ fields: color }] });
  });

  it.each([[[]], [[{}]]])('are reset by %j', (sent) => {
    expect(parseManagedFields(sent)).toEqual({ kind: 'reset' });
  });

  it.each([
    ['nothing', undefined],
    ['another operation', [{ ...entry, operation: 'Delete' }]],
    ['another type of fields', [{ ...entry, fieldsType: 'FieldsV2' }]],
    ['a time that is none', [{ ...entry, time: 'yesterday' }]],
    ['a day that is none', [{ ...entry, time: '2026-13-01T00:00:00Z' }]],
    ['no version', [{ ...entry, apiVersion: undefined }]],
    ['fields that are none', [{ ...entry, fieldsV1: { 'k:x': {} } }]],
    ['an entry that is none', ['m']],
    ['too many of them', Array.from({ length: 300 }, (_, n) => ({ ...entry, manager: `m${n}` }))],
  ])('stay as they are stored after %s', (_what, sent) => {
    expect(parseManagedFields(sent)).toEqual({ kind: 'keep' });
  });
});

describe('too many managers by update', () => {
  const updaters = Array.from({ length: 12 }, (_, n) =>
    owner(`u${n}`, {
      operation: 'Update',
      time: `2026-01-${20 - n < 10 ? '0' : ''}${20 - n}T00:00:00Z`,
      fields: { [`f:${n}`]: {} },
    }),
  );

  it('are remembered as ten, the oldest of them together', () => {
    const result = bounded([owner('applier'), ...updaters]);
    const names = result.map(({ name }) => name);
    expect(result.filter(({ operation }) => operation === 'Update')).toHaveLength(10);
    expect(names).toContain('applier');
    expect(names).not.toContain('u9');
    expect(result.find(({ name }) => name === ancientChanges)).toEqual(
      owner(ancientChanges, {
        operation: 'Update',
        time: '2026-01-11T00:00:00Z',
        fields: { 'f:9': {}, 'f:10': {}, 'f:11': {} },
      }),
    );
  });

  it('do not include appliers', () => {
    const appliers = Array.from({ length: 20 }, (_, n) => owner(`a${n}`));
    expect(bounded(appliers)).toBe(appliers);
  });
});
