import { describe, expect, it } from 'vitest';
import { Keyspace, revisionOf } from '../../../../api/storage/etcd/codec.ts';
import { hasWatchBugs } from '../../../../api/storage/etcd/health.ts';
import { writeFailureOf } from '../../../../api/storage/etcd/errors.ts';
import { StorageError } from '../../../../api/storage/storage.ts';

const pair = (key: string, mod: string, create: string) => ({
  key: Buffer.from(key),
  value: Buffer.from('v'),
  mod_revision: mod,
  create_revision: create,
  version: '1',
  lease: '0',
});

describe('Keyspace', () => {
  it('puts its prefix before keys and takes it off again', () => {
    const keyspace = new Keyspace('/mesocosm/registry');
    expect(keyspace.key('/core/x').toString()).toBe('/mesocosm/registry/core/x');
    expect(keyspace.stored(pair('/mesocosm/registry/core/x', '7', '5'))).toEqual({
      key: '/core/x',
      value: Buffer.from('v'),
      modRevision: 7,
      createRevision: 5,
    });
  });

  it('ranges over what begins with a prefix and nothing else', () => {
    const { key, range_end } = new Keyspace('/r').range('/core/');
    expect([key.toString(), range_end.toString()]).toEqual(['/r/core/', '/r/core0']);
    expect(new Keyspace('/r').range('/core/', '/core/x\0').key.toString()).toBe('/r/core/x\0');
    expect(new Keyspace('/r').range('/core/', '/a').key.toString()).toBe('/r/core/');
  });

  it('refuses a prefix that would not stay within its folder', () => {
    for (const prefix of ['', '/', 'r', '/r/', '/a b', '//r']) {
      expect(() => new Keyspace(prefix)).toThrow('absolute path');
    }
  });

  it('asks for a new list when etcd could not say what an event replaced', () => {
    const keyspace = new Keyspace('/r');
    // proto-loader decodes a message that was not sent as null.
    const event = (type: string, mod: string, create: string) =>
      JSON.parse(JSON.stringify({ type, prev_kv: null, kv: { mod, create } }), (key, value) =>
        key === 'kv' ? pair('/r/x', mod, create) : (value as unknown),
      ) as Parameters<Keyspace['event']>[0];
    expect(keyspace.event(event('PUT', '7', '7')).previous).toBeUndefined();
    for (const lost of [event('PUT', '7', '5'), event('DELETE', '7', '0')]) {
      expect(() => keyspace.event(lost)).toThrow('compacted');
    }
    // Nobody asked, so nothing is missing.
    expect(keyspace.event(event('PUT', '7', '5'), false).createRevision).toBe(5);
    expect(keyspace.event(event('DELETE', '7', '0'), false)).toMatchObject({
      type: 'delete',
      modRevision: 7,
      createRevision: 0,
    });
  });
});

describe('revisionOf', () => {
  it('reads revisions exactly, and refuses those that a number cannot hold', () => {
    expect(revisionOf('9007199254740991')).toBe(Number.MAX_SAFE_INTEGER);
    expect(() => revisionOf('9007199254740993')).toThrow(StorageError);
    expect(() => revisionOf('x')).toThrow(StorageError);
  });
});

describe('hasWatchBugs', () => {
  it('knows the release lines', () => {
    const buggy = ['3.3.27', '3.4.23', '3.4.35', '3.5.9', '3.5.32', '2.3.8'];
    const sound = ['3.4.36', '3.4.40', '3.5.33', '3.6.0', '3.6.0-rc.1', '4.0.0'];
    expect(buggy.filter((version) => !hasWatchBugs(version))).toEqual([]);
    expect(sound.filter(hasWatchBugs)).toEqual([]);
  });
});

describe('writeFailureOf', () => {
  it('takes for refused only what can never be applied', () => {
    const kind = (message: string) => {
      const failure = writeFailureOf(new Error(message));
      return `${failure.kind} ${failure.error.code}`;
    };
    expect(kind('14 UNAVAILABLE: No connection established. Last error: x')).toBe(
      'refused unavailable',
    );
    expect(kind('8 RESOURCE_EXHAUSTED: etcdserver: too many requests')).toBe('refused unavailable');
    expect(kind('3 INVALID_ARGUMENT: etcdserver: request is too large')).toBe('refused too-large');
    expect(kind('7 PERMISSION_DENIED: etcdserver: permission denied')).toBe('refused denied');
    expect(kind('8 RESOURCE_EXHAUSTED: etcdserver: mvcc: database space exceeded')).toBe(
      'answered no-space',
    );
    for (const message of [
      '14 UNAVAILABLE: Connection dropped',
      '14 UNAVAILABLE: etcdserver: request timed out',
      '14 UNAVAILABLE: etcdserver: leader changed',
      '4 DEADLINE_EXCEEDED: Deadline exceeded',
      '13 INTERNAL: Received RST_STREAM with code 2',
      '1 CANCELLED: Call cancelled',
      '2 UNKNOWN: something new',
    ]) {
      expect(kind(message)).toBe('lost unavailable');
    }
  });
});
