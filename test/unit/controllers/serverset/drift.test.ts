import { describe, expect, it } from 'vitest';
import { DriftWatch, type Drift } from '../../../../controllers/serverset/drift.ts';
import { Unreported } from '../../../../controllers/serverset/unreported.ts';

const deleted: Drift = { path: '/p/member_1', change: 'Deleted' };
const added: Drift = { path: '/p/member_2', change: 'Added' };

describe('a change of a member', () => {
  it('is somebody else’s if we wrote nothing, until it is mended', () => {
    const watch = new DriftWatch();
    watch.readBegins();
    watch.saw('member_1', deleted);
    watch.saw('member_2', added);
    expect(watch.found()).toEqual([deleted, added]);
    watch.mended([deleted]);
    expect(watch.found()).toEqual([added]);
  });

  it('is ours while a write of ours is under way, and until the next read begins', () => {
    const watch = new DriftWatch();
    const ended = watch.began({ name: 'member_1' });
    watch.readBegins();
    watch.saw('member_1', deleted);
    ended(false);
    watch.saw('member_1', deleted);
    expect(watch.found()).toEqual([]);
    watch.readBegins();
    watch.saw('member_1', deleted);
    expect(watch.found()).toEqual([deleted]);
  });

  it('is ours as long as one of two writes is under way', () => {
    const watch = new DriftWatch();
    const [first] = [watch.began({ name: 'member_1' }), watch.began({ name: 'member_1' })];
    first(false);
    watch.readBegins();
    watch.saw('member_1', deleted);
    expect(watch.found()).toEqual([]);
  });

  it('may be ours after an answer was lost, until all has been read', () => {
    const watch = new DriftWatch();
    watch.began({ name: 'member_1', creates: true })(true);
    watch.readBegins();
    watch.saw('member_1', deleted);
    watch.saw('member_2', added);
    expect(watch.found()).toEqual([]);
    watch.readAll();
    watch.readBegins();
    watch.saw('member_2', added);
    expect(watch.found()).toEqual([added]);
  });

  it('is not ours because another node was written, and a new one only if we create', () => {
    const watch = new DriftWatch();
    watch.began({ name: 'member_9' });
    watch.saw('member_1', deleted);
    const ended = watch.began({ creates: true });
    watch.saw('member_2', added);
    expect(watch.found()).toEqual([deleted]);
    ended(false);
    watch.saw('member_2', added);
    expect(watch.found()).toEqual([deleted, added]);
  });
});

describe('what is not reported yet', () => {
  it('is added to what the status says, once', () => {
    const unreported = new Unreported();
    unreported.mended('prod/web', [deleted, added], 't1');
    unreported.mended('prod/web', [deleted], 't2');
    const before = { mended: 4, lastTime: 't0', lastPath: '/p/x', lastChange: 'Edited' as const };
    const after = {
      mended: 7,
      lastTime: 't2',
      lastPath: '/p/member_1',
      lastChange: 'Deleted' as const,
    };
    expect(unreported.drift('prod/web', before)).toEqual(after);
    unreported.forget('prod/web');
    expect(unreported.drift('prod/web', after)).toBe(after);
  });

  it('is nothing where nobody touched anything', () => {
    const unreported = new Unreported();
    unreported.mended('prod/web', [], 't1');
    unreported.wrote('prod/web', 't1');
    expect(unreported.drift('prod/web', undefined)).toBeUndefined();
    expect(unreported.lastWriteTime('prod/web')).toBe('t1');
    expect(unreported.lastWriteTime('prod/api')).toBeUndefined();
  });
});
