import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ServerSet } from '../../../../api/v1/serverset.ts';
import { ownerOf, rolesOf } from '../../../../controllers/serverset/paths.ts';
import { serverSet } from './objects.ts';

const path = '/aurora/prod/web';
const young = serverSet({ name: 'young', createdAt: '2026-02-01T00:00:00Z' });
const old = serverSet({ name: 'old', createdAt: '2026-01-01T00:00:00Z' });

function roles(set: ServerSet, ...others: ServerSet[]): ReturnType<typeof rolesOf> {
  return rolesOf(set, (each) => ownerOf(each, [set, ...others]));
}

describe('the owner of a path', () => {
  it('is the oldest set that wants it', () => {
    expect(ownerOf(path, [young, old])).toBe(old);
  });

  it('is the one with the lower uid of two that are equally old', () => {
    const twin = serverSet({ name: 'a-twin', uid: 'uid-a' });
    expect(ownerOf(path, [old, twin])).toBe(twin);
  });

  it('is the one that publishes there, though an older one wants it', () => {
    const incumbent = { ...young, status: { publishedPaths: [path] } };
    expect(ownerOf(path, [old, incumbent])).toBe(incumbent);
  });

  it('is the one that wants it once the one that publishes there is being deleted', () => {
    const going = serverSet({ name: 'old', deleted: true, status: { publishedPaths: [path] } });
    expect(ownerOf(path, [going, young])).toBe(young);
    expect(roles(going, young)).toEqual({ active: undefined, leaving: [], conflict: undefined });
    expect(roles(young, going)).toEqual({ active: path, leaving: [], conflict: undefined });
    expect(ownerOf(path, [going])).toBe(going);
  });

  it('is one and the same whoever asks, in whatever order', () => {
    const anySet = fc
      .record({ day: fc.integer({ min: 10, max: 12 }), uid: fc.uuid(), isIn: fc.boolean() })
      .map(({ day, uid, isIn }) =>
        serverSet({
          uid,
          createdAt: `2026-01-${day}T00:00:00Z`,
          ...(isIn ? { status: { publishedPaths: [path] } } : {}),
        }),
      );
    fc.assert(
      fc.property(fc.array(anySet, { minLength: 1, maxLength: 5 }), (sets) => {
        expect(ownerOf(path, [...sets].reverse())).toBe(ownerOf(path, sets));
      }),
    );
  });
});

describe('a set', () => {
  it('publishes on the path that it wants', () => {
    expect(roles(old)).toEqual({ active: path, leaving: [], conflict: undefined });
  });

  it('moves: it publishes on the new path and leaves the old one', () => {
    const moving = serverSet({
      spec: { zkPath: '/aurora/prod/new' },
      status: { publishedPaths: [path] },
    });
    expect(roles(moving)).toMatchObject({ active: '/aurora/prod/new', leaving: [path] });
  });

  it('publishes nowhere if another has its path', () => {
    expect(roles(young, old)).toEqual({ active: undefined, leaving: [], conflict: old });
  });

  it('stays where it is if another has the path that it would move to', () => {
    const moving = { ...young, status: { publishedPaths: ['/aurora/prod/before'] } };
    expect(roles(moving, old)).toEqual({
      active: '/aurora/prod/before',
      leaving: [],
      conflict: old,
    });
  });

  it('that is deleted leaves every path of its own, and none of others', () => {
    const deleted = serverSet({
      name: 'young',
      createdAt: '2026-02-01T00:00:00Z',
      deleted: true,
      status: { publishedPaths: ['/aurora/prod/before'] },
    });
    expect(roles(deleted, old)).toMatchObject({
      active: undefined,
      leaving: ['/aurora/prod/before'],
    });
  });
});
