import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createClient } from '../../../../api/client/resource-client.ts';
import type { Draft } from '../../../../api/machinery/metadata.ts';
import type { Lease } from '../../../../api/v1/core.ts';
import { eventResource, leaseResource } from '../../../../api/v1/core.ts';
import { Informer } from '../../../../controllers/runtime/informer.ts';
import { settle } from '../../../support/virtual-clock.ts';
import type { TestApi } from './api.ts';
import { silent, startApi, startServer, tester, until } from './api.ts';
import { FaultyTransport } from './faulty-transport.ts';

let api: TestApi;
let transport: FaultyTransport;
let stop: AbortController;
let running: Promise<void>;

beforeEach(async () => {
  api = await startApi();
  transport = new FaultyTransport(api.transport);
  stop = new AbortController();
  running = Promise.resolve();
});

afterEach(async () => {
  stop.abort();
  await running;
  await api.stop();
});

function draft(name: string, holderIdentity = 'me'): Draft<Lease> {
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name, namespace: 'prod' },
    spec: { holderIdentity },
  };
}

const leases = () => api.client.of(leaseResource);

function start(options: { pageSize?: number } = {}): Informer<Lease> {
  const informer = new Informer({
    client: createClient(transport).of(leaseResource),
    clock: api.clock,
    random: api.random,
    logger: silent,
    indexers: { holder: (lease) => [lease.spec?.holderIdentity ?? ''] },
    ...options,
  });
  running = informer.run(stop.signal);
  return informer;
}

const names = (informer: Informer<Lease>): string[] =>
  informer
    .list()
    .map(({ metadata }) => metadata.name)
    .sort();

describe('Informer', () => {
  it('is empty, then lists all pages, then watches', async () => {
    for (const name of ['a', 'b', 'c']) await leases().create(draft(name));
    const informer = start({ pageSize: 2 });
    expect(informer.state).toBe('Empty');
    expect(informer.hasSynced).toBe(false);
    await informer.synced(stop.signal);
    expect(names(informer)).toEqual(['a', 'b', 'c']);
    await settle();
    expect(informer.state).toBe('Watching');
    expect(transport.lists).toHaveLength(2);
  });

  it('follows creates, changes and deletes, and keeps its indexes', async () => {
    const informer = start();
    await informer.synced(stop.signal);
    const heard: string[] = [];
    informer.onChange((change) => heard.push(`${change.type} ${change.object.metadata.name}`));
    const stored = await leases().create(draft('a'));
    await leases().update({ ...stored, spec: { holderIdentity: 'you' } });
    await settle();
    expect(informer.byIndex('holder', 'you')).toHaveLength(1);
    expect(informer.byIndex('holder', 'me')).toHaveLength(0);
    await leases().delete({ namespace: 'prod', name: 'a' });
    await settle();
    expect(informer.get('prod/a')).toBeUndefined();
    expect(heard).toEqual(['applied a', 'applied a', 'deleted a']);
  });

  it('tells a new handler of everything that is there', async () => {
    await leases().create(draft('a'));
    const informer = start();
    await informer.synced(stop.signal);
    const heard: string[] = [];
    const unsubscribe = informer.onChange(({ object }) => heard.push(object.metadata.name));
    expect(heard).toEqual(['a']);
    unsubscribe();
    await leases().create(draft('b'));
    await settle();
    expect(heard).toEqual(['a']);
  });

  it('tells nobody of a list that comes after its end', async () => {
    await leases().create(draft('a'));
    const informer = start();
    const heard: string[] = [];
    informer.onChange(({ object }) => heard.push(object.metadata.name));
    transport.fault = () => {
      stop.abort();
      return undefined;
    };
    await running;
    expect(transport.lists).toHaveLength(1);
    expect(heard).toEqual([]);
  });

  it('tells whether a write has arrived', async () => {
    const informer = start();
    await informer.synced(stop.signal);
    await settle();
    const release = transport.holdWatches();
    const { metadata } = await leases().create(draft('a'));
    await settle();
    expect(informer.seen(metadata.resourceVersion)).toBe(false);
    release();
    await settle();
    expect(informer.seen(metadata.resourceVersion)).toBe(true);
    expect(informer.get('prod/a')?.metadata.uid).toBe(metadata.uid);
  });

  it('resumes a cut watch where it was, without listing again and without missing anything', async () => {
    const informer = start();
    await informer.synced(stop.signal);
    await leases().create(draft('a'));
    await settle();
    transport.cutWatches();
    await leases().create(draft('b'));
    await leases().delete({ namespace: 'prod', name: 'a' });
    await until(api.clock, () => names(informer).join() === 'b');
    expect(transport.lists).toHaveLength(1);
  });

  it('loses nothing when the link is cut between two events of one revision', async () => {
    const events = api.client.of(eventResource);
    for (const name of ['a', 'b', 'c']) {
      await events.create({
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { name, namespace: 'prod' },
        involvedObject: {},
      });
    }
    const informer = new Informer({
      client: createClient(transport).of(eventResource),
      clock: api.clock,
      random: api.random,
      logger: silent,
    });
    running = informer.run(stop.signal);
    await informer.synced(stop.signal);
    const gone: string[] = [];
    const revisions = new Set<string>();
    informer.onChange(({ type, object: { metadata } }) => {
      if (type !== 'deleted') return;
      if (gone.length === 0) transport.cutAfter = 1;
      gone.push(metadata.name);
      revisions.add(metadata.resourceVersion);
    });
    await until(api.clock, () => gone.length === 3, 7200_000);
    expect(revisions.size).toBe(1);
    expect(informer.list()).toEqual([]);
    expect(transport.lists).toHaveLength(1);
  });

  it('lists again after 410 and tells of what was deleted meanwhile', async () => {
    const informer = start();
    await informer.synced(stop.signal);
    await leases().create(draft('a'));
    await settle();
    const heard: string[] = [];
    informer.onChange((change) => heard.push(`${change.type} ${change.object.metadata.name}`));
    transport.fault = () => 'away';
    transport.cutWatches();
    await leases().delete({ namespace: 'prod', name: 'a' });
    const { metadata } = await leases().create(draft('b'));
    await api.storage.compact(Number(metadata.resourceVersion));
    const other = await startServer(api);
    transport.inner = other.transport(tester);
    transport.fault = () => undefined;
    await until(api.clock, () => names(informer).join() === 'b');
    await other.stop();
    expect(heard).toEqual(['applied a', 'deleted a', 'applied b']);
  });

  it('backs off while the server is away, keeps what it had, and comes back', async () => {
    await leases().create(draft('a'));
    transport.fault = () => 'away';
    const informer = start();
    await api.clock.advance(60_000);
    expect(transport.lists.length).toBeGreaterThan(5);
    expect(transport.lists.length).toBeLessThan(20);
    transport.fault = () => undefined;
    await until(api.clock, () => informer.hasSynced);
    transport.fault = () => 'away';
    transport.cutWatches();
    await api.clock.advance(60_000);
    expect(names(informer)).toEqual(['a']);
  });

  it('keeps going when a handler throws', async () => {
    const informer = start();
    const heard: string[] = [];
    informer.onChange(() => {
      throw new Error('a bug');
    });
    informer.onChange(({ object }) => heard.push(object.metadata.name));
    await informer.synced(stop.signal);
    await leases().create(draft('a'));
    await settle();
    expect(heard).toEqual(['a']);
  });

  it('ends when its signal aborts, whatever it was doing', async () => {
    const informer = start();
    await informer.synced(stop.signal);
    stop.abort();
    await running;
    expect(informer.state).toBe('Empty');
  });
});
