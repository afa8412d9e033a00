import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createClient } from '../../../../api/client/resource-client.ts';
import { seededRandom } from '../../../../api/machinery/random.ts';
import { leaseResource, namespaceResource } from '../../../../api/v1/core.ts';
import { LeaderElection } from '../../../../controllers/runtime/leader-election.ts';
import type { Leadership } from '../../../../controllers/runtime/leadership.ts';
import { Manager } from '../../../../controllers/runtime/manager.ts';
import { settle } from '../../../support/virtual-clock.ts';
import type { TestApi } from './api.ts';
import { silent, startApi, until } from './api.ts';
import { FaultyTransport } from './faulty-transport.ts';

const ref = { namespace: 'mesocosm-system', name: 'leader' };
const termMs = 15_000;

let api: TestApi;
const candidates: Candidate[] = [];

beforeEach(async () => {
  api = await startApi();
});

afterEach(async () => {
  for (const candidate of candidates.splice(0)) {
    candidate.transport.fault = () => undefined;
    await candidate.stop();
  }
  await api.stop();
});

interface Candidate {
  transport: FaultyTransport;
  /** Present while it leads. */
  leadership: Leadership | undefined;
  epochs: number[];
  stop(): Promise<void>;
}

function campaign(identity: string, work?: (leadership: Leadership) => Promise<void>): Candidate {
  const transport = new FaultyTransport(api.transport);
  const election = new LeaderElection({
    ...ref,
    client: createClient(transport),
    identity,
    leaseDurationSeconds: termMs / 1000,
    clock: api.clock,
    random: seededRandom(candidates.length + 7),
    logger: silent,
  });
  const abort = new AbortController();
  const candidate: Candidate = {
    transport,
    leadership: undefined,
    epochs: [],
    stop: async () => {
      abort.abort();
      await running;
    },
  };
  const running = election.run(abort.signal, async (leadership) => {
    candidate.leadership = leadership;
    candidate.epochs.push(leadership.epoch);
    await (work?.(leadership) ?? ended(leadership.signal));
    candidate.leadership = undefined;
  });
  candidates.push(candidate);
  return candidate;
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

const lease = () => api.client.of(leaseResource).get(ref);

describe('LeaderElection', () => {
  it('wins a free Lease; the epoch is the revision of its create', async () => {
    const one = campaign('one');
    await until(api.clock, () => one.leadership !== undefined);
    const stored = await lease();
    expect(stored.spec?.holderIdentity).toBe('one');
    expect(one.leadership?.epoch).toBe(Number(stored.metadata.resourceVersion));
    expect(await one.leadership?.verify()).toBe(true);
  });

  it('renews for as long as it runs, under one epoch, while another waits', async () => {
    const one = campaign('one');
    await until(api.clock, () => one.leadership !== undefined);
    const two = campaign('two');
    await api.clock.advance(20 * termMs);
    expect(one.epochs).toHaveLength(1);
    expect(one.leadership?.stillHolding()).toBe(true);
    expect(two.epochs).toEqual([]);
    expect((await lease()).metadata.resourceVersion).not.toBe(String(one.epochs[0]));
  });

  it('stops at two thirds of the term when it cannot renew, before another takes over', async () => {
    const one = campaign('one');
    await until(api.clock, () => one.leadership !== undefined);
    const two = campaign('two');
    await api.clock.advance(termMs);
    const { leadership } = one;
    one.transport.fault = () => 'away';
    const cutAt = api.clock.monotonic();
    await until(api.clock, () => leadership?.signal.aborted === true);
    expect(api.clock.monotonic() - cutAt).toBeLessThanOrEqual((termMs * 2) / 3);
    expect(leadership?.stillHolding()).toBe(false);
    expect(two.epochs).toEqual([]);
    await until(api.clock, () => two.leadership !== undefined);
    expect(api.clock.monotonic() - cutAt).toBeGreaterThan(termMs * 0.7);
    expect(two.epochs[0]).toBeGreaterThan(one.epochs[0]!);
    expect((await lease()).spec).toMatchObject({ holderIdentity: 'two', leaseTransitions: 1 });
  });

  it('refuses every write of a deposed leader that does not know it yet', async () => {
    const one = campaign('one');
    await until(api.clock, () => one.leadership !== undefined);
    const deposed = one.leadership!;
    await deposed.client
      .of(namespaceResource)
      .create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'before' } });
    one.transport.fault = () => 'away';
    const two = campaign('two');
    await until(api.clock, () => two.leadership !== undefined);
    one.transport.fault = () => undefined;
    const late = deposed.client
      .of(namespaceResource)
      .create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'after' } });
    await expect(late).rejects.toMatchObject({ reason: 'LeaderChanged' });
    expect(await deposed.verify()).toBe(false);
    await two
      .leadership!.client.of(namespaceResource)
      .create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'theirs' } });
  });

  it('believes in nothing after it was frozen for longer than its term', async () => {
    const one = campaign('one');
    await until(api.clock, () => one.leadership !== undefined);
    const frozen = one.leadership!;
    let elapsed = 0;
    const monotonic = api.clock.monotonic.bind(api.clock);
    api.clock.monotonic = () => monotonic() + elapsed;
    expect(frozen.stillHolding()).toBe(true);
    elapsed = termMs;
    expect(frozen.stillHolding()).toBe(false);
    expect(await frozen.verify()).toBe(false);
  });

  it('notices by reading back that somebody else has taken the Lease', async () => {
    const one = campaign('one');
    await until(api.clock, () => one.leadership !== undefined);
    const leadership = one.leadership!;
    const leases = api.client.of(leaseResource);
    const { spec } = await leases.get(ref);
    await leases.delete(ref);
    await leases.create({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: ref,
      spec: { ...spec, holderIdentity: 'thief' },
    });
    expect(await leadership.verify()).toBe(false);
    expect(leadership.signal.aborted).toBe(true);
    await settle();
    // It does not give back what is not its own.
    expect((await lease()).spec?.holderIdentity).toBe('thief');
  });

  it('throws from verify when it cannot tell', async () => {
    const one = campaign('one');
    await until(api.clock, () => one.leadership !== undefined);
    one.transport.fault = () => 'away';
    await expect(one.leadership!.verify()).rejects.toMatchObject({ name: 'TransportError' });
    expect(one.leadership?.stillHolding()).toBe(true);
  });

  it('gives the Lease back when it stops, once its work has ended, so that the next need not wait', async () => {
    const order: string[] = [];
    const one = campaign('one', async (leadership) => {
      await ended(leadership.signal);
      order.push(`work ended, lease of ${(await lease()).spec?.holderIdentity ?? ''}`);
    });
    await until(api.clock, () => one.leadership !== undefined);
    const two = campaign('two');
    await settle();
    const stoppedAt = api.clock.monotonic();
    await one.stop();
    expect(order).toEqual(['work ended, lease of one']);
    await until(api.clock, () => two.leadership !== undefined);
    expect(api.clock.monotonic() - stoppedAt).toBeLessThan(termMs / 2);
  });

  it('survives lost answers: of the create, of renewals', async () => {
    let lose = 1;
    const one = campaign('one');
    one.transport.fault = ({ method }) => (method === 'POST' && lose-- > 0 ? 'lost' : undefined);
    await until(api.clock, () => one.leadership !== undefined);
    expect(one.epochs).toHaveLength(1);
    let renewals = 0;
    one.transport.fault = ({ method }) => {
      if (method === 'PUT') renewals += 1;
      // Now and then the read back fails as well.
      return method === 'PUT' || renewals % 3 === 0 ? 'lost' : undefined;
    };
    await api.clock.advance(10 * termMs);
    expect(renewals).toBeGreaterThan(20);
    expect(one.epochs).toHaveLength(1);
    expect(one.leadership?.stillHolding()).toBe(true);
  });

  it('ends the term when its work fails, and may win again', async () => {
    const one = campaign('one', () => Promise.reject(new Error('a bug')));
    await api.clock.advance(termMs);
    expect(one.epochs.length).toBeGreaterThan(1);
    expect(new Set(one.epochs).size).toBe(one.epochs.length);
  });

  it('never has two that may act, with links cut at random', async () => {
    let terms = 0;
    for (const seed of [1, 2, 3, 4, 5]) {
      const random = seededRandom(seed);
      const group = ['a', 'b', 'c'].map((name) => campaign(`${name}${seed}`));
      for (let step = 0; step < 400; step += 1) {
        for (const candidate of group) {
          if (random.next() < 0.06) {
            const fault = random.next();
            const kind = fault < 0.4 ? 'away' : fault < 0.6 ? 'lost' : undefined;
            candidate.transport.fault = () => kind;
          }
        }
        await api.clock.advance(500);
        const acting = group.filter(({ leadership }) => leadership?.stillHolding() === true);
        expect(acting.length).toBeLessThanOrEqual(1);
      }
      for (const { epochs } of group) terms += epochs.length;
      const all = group.flatMap(({ epochs }) => epochs);
      expect(new Set(all).size).toBe(all.length);
      for (const candidate of group) {
        candidate.transport.fault = () => undefined;
        await candidate.stop();
      }
    }
    // The faults did depose leaders.
    expect(terms).toBeGreaterThan(20);
  });
});

describe('Manager', () => {
  it('builds anew for each term, and stops all parts of a term when one fails', async () => {
    const built: number[] = [];
    const log: string[] = [];
    let failing = true;
    const manager = new Manager({
      election: new LeaderElection({
        ...ref,
        client: api.client,
        identity: 'one',
        clock: api.clock,
        random: api.random,
        logger: silent,
      }),
      logger: silent,
      build: ({ epoch }) => {
        built.push(epoch);
        return [
          {
            name: 'steady',
            run: async (signal) => {
              await ended(signal);
              log.push('steady ended');
            },
          },
          {
            name: 'fragile',
            run: (signal) => (failing ? Promise.reject(new Error('a bug')) : ended(signal)),
          },
        ];
      },
    });
    const abort = new AbortController();
    const running = manager.run(abort.signal);
    await until(api.clock, () => built.length === 2);
    expect(log).toEqual(['steady ended', 'steady ended']);
    failing = false;
    await until(api.clock, () => built.length === 3);
    await api.clock.advance(termMs * 3);
    expect(built).toHaveLength(3);
    expect(built[2]).toBeGreaterThan(built[1]!);
    abort.abort();
    await running;
    expect(log).toHaveLength(3);
  });
});
