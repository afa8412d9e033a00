import { describe, expect, it } from 'vitest';
import type { MultiOperation, WatchEvent } from '../../../proto/zookeeper/client.ts';
import { ensurePath } from '../../../proto/zookeeper/ensure-path.ts';
import { MultiError } from '../../../proto/zookeeper/errors.ts';
import { failsWith, nothing, type ContractSubject } from './contract-subject.ts';
import { logEvents } from './event-log.ts';

/** What requests do to the tree of nodes. */
export function describeNodes(zk: ContractSubject): void {
  describe('nodes', () => {
    it('are created with data and read back with their Stat', async () => {
      const before = Date.now();
      expect(await zk.client.create(`${zk.root}/a`, Buffer.from('hello'))).toBe(`${zk.root}/a`);
      const { data, stat } = await zk.client.getData(`${zk.root}/a`);
      expect(data.toString()).toBe('hello');
      expect(stat).toMatchObject({
        version: 0,
        cversion: 0,
        ephemeralOwner: 0n,
        dataLength: 5,
        numChildren: 0,
      });
      expect(stat.mzxid).toBe(stat.czxid);
      expect(Math.abs(stat.ctime - before)).toBeLessThan(60_000);
      expect(await zk.client.exists(`${zk.root}/a`)).toEqual(stat);
    });

    it('may be empty, and may be as large as a request allows', async () => {
      await zk.client.create(`${zk.root}/empty`, nothing);
      expect((await zk.client.getData(`${zk.root}/empty`)).data).toHaveLength(0);
      const large = Buffer.alloc(1_000_000, 7);
      await zk.client.create(`${zk.root}/large`, large);
      expect((await zk.client.getData(`${zk.root}/large`)).data.equals(large)).toBe(true);
    });

    it('beyond the size of a request are refused without disturbing the session', async () => {
      const log = logEvents(zk.client);
      const tooLarge = zk.client.create(`${zk.root}/a`, Buffer.alloc(1_048_575));
      await failsWith(tooLarge, 'REQUEST_TOO_LARGE', 'not-sent');
      expect(await zk.client.exists(`${zk.root}/a`)).toBeUndefined();
      expect(log.events).toEqual([]);
    });

    it('exist once and only below an existing parent', async () => {
      await failsWith(zk.client.create(zk.root, nothing), 'NODE_EXISTS', 'not-applied');
      await failsWith(zk.client.create(`${zk.root}/a/b`, nothing), 'NO_NODE', 'not-applied');
    });

    it('that are missing are undefined to exists and an error to everything else', async () => {
      const missing = `${zk.root}/missing`;
      expect(await zk.client.exists(missing)).toBeUndefined();
      await failsWith(zk.client.getData(missing), 'NO_NODE', 'not-applied');
      await failsWith(zk.client.getChildren(missing), 'NO_NODE', 'not-applied');
      await failsWith(zk.client.setData(missing, nothing), 'NO_NODE', 'not-applied');
      await failsWith(zk.client.delete(missing), 'NO_NODE', 'not-applied');
    });

    it('change only at the version that the writer names', async () => {
      const path = await zk.client.create(`${zk.root}/a`, Buffer.from('0'));
      expect(await zk.client.setData(path, Buffer.from('1'), 0)).toMatchObject({ version: 1 });
      await failsWith(zk.client.setData(path, Buffer.from('x'), 0), 'BAD_VERSION', 'not-applied');
      expect(await zk.client.setData(path, Buffer.from('2'))).toMatchObject({ version: 2 });
      await failsWith(zk.client.delete(path, 1), 'BAD_VERSION', 'not-applied');
      expect((await zk.client.getData(path)).data.toString()).toBe('2');
      await zk.client.delete(path, 2);
      expect(await zk.client.exists(path)).toBeUndefined();
    });

    it('list their children, and go only without any', async () => {
      await Promise.all(
        ['b', 'a', 'c'].map((name) => zk.client.create(`${zk.root}/${name}`, nothing)),
      );
      const { children, stat } = await zk.client.getChildren(zk.root);
      expect(children.sort()).toEqual(['a', 'b', 'c']);
      expect(stat).toMatchObject({ numChildren: 3, cversion: 3 });
      await failsWith(zk.client.delete(zk.root), 'NOT_EMPTY', 'not-applied');
    });

    it('take a number from a counter that all children of a parent share', async () => {
      const sequential = { sequential: true };
      expect(await zk.client.create(`${zk.root}/member_`, nothing, sequential)).toBe(
        `${zk.root}/member_0000000000`,
      );
      expect(await zk.client.create(`${zk.root}/other_`, nothing, sequential)).toBe(
        `${zk.root}/other_0000000001`,
      );
      expect(await zk.client.create(`${zk.root}/`, nothing, sequential)).toBe(
        `${zk.root}/0000000002`,
      );
      await zk.client.delete(`${zk.root}/0000000002`);
      const next = await zk.client.create(`${zk.root}/member_`, nothing, sequential);
      expect(Number(next.slice(-10))).toBeGreaterThan(2);
    });

    it('that are ephemeral belong to the session, have no children and go with it', async () => {
      const owner = await zk.connected();
      const path = await owner.create(`${zk.root}/e`, nothing, { ephemeral: true });
      expect(await zk.client.exists(path)).toMatchObject({ ephemeralOwner: owner.sessionId });
      await failsWith(
        zk.client.create(`${path}/child`, nothing),
        'NO_CHILDREN_FOR_EPHEMERALS',
        'not-applied',
      );
      await owner.close();
      expect(await zk.client.exists(path)).toBeUndefined();
    });

    it('with a name that no server takes are refused here', async () => {
      await failsWith(zk.client.create('a', nothing), 'BAD_ARGUMENTS', 'not-sent');
      await failsWith(zk.client.getData(`${zk.root}/`), 'BAD_ARGUMENTS', 'not-sent');
      await failsWith(
        zk.client.multi([{ type: 'check', path: '/a//b', version: 0 }]),
        'BAD_ARGUMENTS',
        'not-sent',
      );
    });
  });

  describe('requests', () => {
    it('take effect in the order in which they were made', async () => {
      const path = await zk.client.create(`${zk.root}/a`, nothing);
      const writes = Array.from({ length: 50 }, (_, n) =>
        zk.client.setData(path, Buffer.from(String(n)), n),
      );
      const read = zk.client.getData(path);
      const stats = await Promise.all(writes);
      expect(stats.map(({ version }) => version)).toEqual(writes.map((_, n) => n + 1));
      expect((await read).data.toString()).toBe('49');
    });

    it('see after a sync what others wrote before it', async () => {
      const other = await zk.connected();
      const path = await other.create(`${zk.root}/a`, Buffer.from('new'));
      await zk.client.sync(path);
      expect((await zk.client.getData(path)).data.toString()).toBe('new');
    });

    it('know only what is below the chroot', async () => {
      await zk.client.create(`${zk.root}/inner`, nothing);
      const confined = await zk.connected({ chroot: `${zk.root}/inner` });
      const events: WatchEvent[] = [];
      await confined.getChildren('/', { watch: (event) => events.push(event) });
      expect(await confined.create('/a', nothing)).toBe('/a');
      expect(events).toEqual([{ type: 'children', path: '/' }]);
      expect(await confined.multi([{ type: 'create', path: '/b', data: nothing }])).toEqual([
        { type: 'create', path: '/b' },
      ]);
      const { children } = await zk.client.getChildren(`${zk.root}/inner`);
      expect(children.sort()).toEqual(['a', 'b']);
    });

    it('make a path with all that is missing above it, also at the same time', async () => {
      const path = `${zk.root}/a/b/c`;
      const other = await zk.connected();
      await Promise.all([zk.client, other, zk.client].map((each) => ensurePath(each, path)));
      expect(await zk.client.exists(path)).toBeDefined();
      await ensurePath(zk.client, path);
      await ensurePath(zk.client, '/');
    });
  });

  describe('multi', () => {
    it('applies all operations and answers each', async () => {
      await zk.client.create(`${zk.root}/epoch`, Buffer.from('7'));
      await zk.client.create(`${zk.root}/old`, nothing);
      const results = await zk.client.multi([
        { type: 'check', path: `${zk.root}/epoch`, version: 0 },
        { type: 'create', path: `${zk.root}/member_`, data: Buffer.from('m'), sequential: true },
        { type: 'setData', path: `${zk.root}/epoch`, data: Buffer.from('8'), version: 0 },
        { type: 'delete', path: `${zk.root}/old` },
      ]);
      const epoch = await zk.client.getData(`${zk.root}/epoch`);
      const member = `${zk.root}/member_0000000002`;
      expect(results).toEqual([
        { type: 'check' },
        { type: 'create', path: member },
        { type: 'setData', stat: epoch.stat },
        { type: 'delete' },
      ]);
      expect(epoch.data.toString()).toBe('8');
      expect((await zk.client.getData(member)).data.toString()).toBe('m');
      expect(await zk.client.exists(`${zk.root}/old`)).toBeUndefined();
    });

    const refusals: [string, string, number, (root: string) => MultiOperation[]][] = [
      [
        'a check fails',
        'BAD_VERSION',
        1,
        (root) => [
          { type: 'create', path: `${root}/a`, data: nothing },
          { type: 'check', path: root, version: 5 },
          { type: 'delete', path: `${root}/b` },
        ],
      ],
      [
        'a checked node is missing',
        'NO_NODE',
        0,
        (root) => [
          { type: 'check', path: `${root}/epoch`, version: 0 },
          { type: 'create', path: `${root}/a`, data: nothing },
        ],
      ],
      [
        'a created node exists, though a create before it would have been new',
        'NODE_EXISTS',
        1,
        (root) => [
          { type: 'create', path: `${root}/a`, data: nothing },
          { type: 'create', path: root, data: nothing },
        ],
      ],
    ];
    it.each(refusals)('applies nothing when %s', async (_, code, index, operations) => {
      const error: unknown = await zk.client.multi(operations(zk.root)).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(MultiError);
      expect(error).toMatchObject({ code, index, outcome: 'not-applied' });
      expect((await zk.client.getChildren(zk.root)).children).toEqual([]);
    });

    it('of nothing does nothing', async () => {
      expect(await zk.client.multi([])).toEqual([]);
    });
  });
}
