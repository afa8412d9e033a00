import { beforeEach, describe, expect, it } from 'vitest';
import type { WatchEvent, Watcher, ZooKeeperClient } from '../../../proto/zookeeper/client.ts';
import { failsWith, nothing, type ContractSubject } from './contract-subject.ts';
import { logEvents, until } from './event-log.ts';

/** What clients are told while sessions and their connections come and go. */
export function describeSessions(zk: ContractSubject): void {
  describe('watches', () => {
    let other: ZooKeeperClient;
    let events: WatchEvent[];
    let watch: Watcher;

    beforeEach(async () => {
      other = await zk.connected();
      events = [];
      watch = (event) => void events.push(event);
    });

    /** Everything that another client's write causes has arrived once this resolves. */
    const settled = (): Promise<void> => zk.client.sync(zk.root);

    it('of data fire once, with the next change', async () => {
      const path = await zk.client.create(`${zk.root}/a`, nothing);
      await zk.client.getData(path, { watch });
      await other.setData(path, nothing);
      await other.setData(path, nothing);
      await settled();
      expect(events).toEqual([{ type: 'changed', path }]);
    });

    it('of data fire when the node is deleted', async () => {
      const path = await zk.client.create(`${zk.root}/a`, nothing);
      await zk.client.getData(path, { watch });
      await other.delete(path);
      await settled();
      expect(events).toEqual([{ type: 'deleted', path }]);
    });

    it('of existence fire when the node is created, changed or deleted', async () => {
      const path = `${zk.root}/a`;
      expect(await zk.client.exists(path, { watch })).toBeUndefined();
      await other.create(path, nothing);
      await settled();
      await zk.client.exists(path, { watch });
      await other.setData(path, nothing);
      await settled();
      await zk.client.exists(path, { watch });
      await other.delete(path);
      await settled();
      expect(events.map(({ type }) => type)).toEqual(['created', 'changed', 'deleted']);
    });

    it('of children fire for a new and a lost child, not for a changed one', async () => {
      const path = await zk.client.create(`${zk.root}/a`, nothing);
      await zk.client.getChildren(zk.root, { watch });
      await other.setData(path, Buffer.from('x'));
      await settled();
      expect(events).toEqual([]);
      await other.create(`${zk.root}/b`, nothing);
      await settled();
      await zk.client.getChildren(zk.root, { watch });
      await other.delete(path);
      await settled();
      const children = { type: 'children', path: zk.root };
      expect(events).toEqual([children, children]);
    });

    it('are not set by a read that fails', async () => {
      const path = `${zk.root}/a`;
      await failsWith(zk.client.getData(path, { watch }), 'NO_NODE', 'not-applied');
      await other.create(path, nothing);
      await other.setData(path, nothing);
      await settled();
      expect(events).toEqual([]);
    });

    it('that are one function fire once for a path, and several each', async () => {
      const path = await zk.client.create(`${zk.root}/a`, nothing);
      const second: WatchEvent[] = [];
      await zk.client.getData(path, { watch });
      await zk.client.getData(path, { watch });
      await zk.client.getData(path, { watch: (event) => second.push(event) });
      await other.setData(path, nothing);
      await settled();
      expect(events).toHaveLength(1);
      expect(second).toHaveLength(1);
    });

    it('report, when the session is resumed, what changed meanwhile, and still fire later', async () => {
      const names = ['changed', 'deleted', 'created', 'parent', 'kept'] as const;
      const [changed, deleted, created, parent, kept] = names.map((name) => `${zk.root}/${name}`);
      for (const path of [changed!, deleted!, parent!, kept!])
        await zk.client.create(path, nothing);
      for (const path of [changed!, deleted!, kept!]) await zk.client.getData(path, { watch });
      await zk.client.exists(created!, { watch });
      await zk.client.getChildren(parent!, { watch });
      const log = logEvents(zk.client);
      zk.harness.keepAway(zk.client);
      await log.next('disconnected');
      await other.setData(changed!, nothing);
      await other.delete(deleted!);
      await other.create(created!, nothing);
      await other.create(`${parent!}/child`, nothing);
      expect(events).toEqual([]);
      zk.harness.admit(zk.client);
      expect(await log.next('connected')).toMatchObject({ resumed: true });
      await settled();
      const byPath = (a: WatchEvent, b: WatchEvent): number => (a.path < b.path ? -1 : 1);
      expect(events.sort(byPath)).toEqual([
        { type: 'changed', path: changed },
        { type: 'created', path: created },
        { type: 'deleted', path: deleted },
        { type: 'children', path: parent },
      ]);
      await other.setData(kept!, nothing);
      await settled();
      expect(events.at(-1)).toEqual({ type: 'changed', path: kept });
    });

    it('are lost with an expired session, and say so', async () => {
      await zk.client.getData(zk.root, { watch });
      await zk.client.exists(`${zk.root}/missing`, { watch: (event) => void events.push(event) });
      await zk.harness.expire(zk.client);
      await zk.client.whenConnected();
      expect(events).toContainEqual({ type: 'lost', path: zk.root });
      expect(events).toContainEqual({ type: 'lost', path: `${zk.root}/missing` });
      await other.setData(zk.root, nothing);
      await settled();
      expect(events).toHaveLength(2);
    });

    it('are lost when the client is closed', async () => {
      await zk.client.getData(zk.root, { watch });
      await zk.client.close();
      expect(events).toEqual([{ type: 'lost', path: zk.root }]);
    });
  });

  describe('sessions', () => {
    it('survive a broken connection with their ephemeral nodes', async () => {
      const path = await zk.client.create(`${zk.root}/e`, nothing, { ephemeral: true });
      const { sessionId } = zk.client;
      const log = logEvents(zk.client);
      zk.harness.cut(zk.client);
      await log.next('disconnected');
      expect(await log.next('connected')).toEqual({
        type: 'connected',
        sessionId,
        resumed: true,
      });
      expect(await zk.client.exists(path)).toMatchObject({ ephemeralOwner: sessionId });
      expect(log.types()).not.toContain('expired');
    });

    it('refuse requests at once while disconnected', async () => {
      const log = logEvents(zk.client);
      zk.harness.keepAway(zk.client);
      await log.next('disconnected');
      expect(zk.client.phase).toBe('connecting');
      await failsWith(zk.client.exists(zk.root), 'CONNECTION_LOSS', 'not-sent');
      zk.harness.admit(zk.client);
      await zk.client.whenConnected();
      expect(await zk.client.exists(zk.root)).toBeDefined();
    });

    it('that expire say so, lose their ephemeral nodes and are followed by a new one', async () => {
      const path = await zk.client.create(`${zk.root}/e`, nothing, { ephemeral: true });
      const { sessionId } = zk.client;
      const log = logEvents(zk.client);
      await zk.harness.expire(zk.client);
      const reconnected = await log.next('connected');
      expect(reconnected.resumed).toBe(false);
      expect(zk.client.sessionId).toBe(reconnected.sessionId);
      expect(zk.client.sessionId).not.toBe(sessionId);
      const types = log.types().filter((type) => type !== 'unreachable');
      expect(types).toEqual(['disconnected', 'expired', 'connected']);
      expect(log.events).toContainEqual({ type: 'expired', sessionId });
      expect(await zk.client.exists(path)).toBeUndefined();
      await zk.client.create(path, nothing, { ephemeral: true });
    });

    it('live on through silence', async () => {
      const idle = await zk.connected();
      const path = await idle.create(`${zk.root}/e`, nothing, { ephemeral: true });
      const log = logEvents(idle);
      const other = await zk.connected();
      await zk.harness.expire(other);
      expect(log.events).toEqual([]);
      expect(await zk.client.exists(path)).toBeDefined();
    });

    it('answer what was asked before they are closed, and refuse everything after', async () => {
      const log = logEvents(zk.client);
      const asked = zk.client.exists(zk.root);
      const closing = zk.client.close();
      await failsWith(zk.client.exists(zk.root), 'SESSION_CLOSED', 'not-sent');
      await closing;
      expect(await asked).toBeDefined();
      expect(zk.client.phase).toBe('closed');
      expect(log.types()).toEqual(['closed']);
      await failsWith(zk.client.whenConnected(), 'SESSION_CLOSED', 'not-sent');
      await zk.client.close();
    });

    it('close also while disconnected', async () => {
      const log = logEvents(zk.client);
      zk.harness.keepAway(zk.client);
      await log.next('disconnected');
      await zk.client.close();
      zk.harness.admit(zk.client);
      expect(log.types().filter((type) => type !== 'unreachable')).toEqual([
        'disconnected',
        'closed',
      ]);
    });

    it('are waited for until the caller gives up', async () => {
      const log = logEvents(zk.client);
      zk.harness.keepAway(zk.client);
      await log.next('disconnected');
      const giveUp = new AbortController();
      const waiting = zk.client.whenConnected(giveUp.signal);
      giveUp.abort();
      await expect(waiting).rejects.toThrow('given up');
      zk.harness.admit(zk.client);
      await until(() => zk.client.phase === 'connected', 'connected again');
    });
  });
}
