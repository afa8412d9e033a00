import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AddressClaim } from '../../../../api/v1/address-claim.ts';
import { claimName } from '../../../../api/v1/address-claim.ts';
import { isDead, type Task } from '../../../../api/v1/task.ts';
import { planClaim } from '../../../../controllers/network/claim-plan.ts';
import { addressGate, claimNames } from '../../../../controllers/network/claims.ts';
import { began, claimOf, lookup, waitingTask, withStatus } from './claim-objects.ts';

/** All that is stored, as a value: what a cache shows is one of an earlier time. */
interface Stored {
  tasks: Readonly<Record<string, Task>>;
  claims: Readonly<Record<string, AddressClaim>>;
}

const addresses = ['10.0.0.1', '10.0.0.2'];
const jobs = ['web', 'db', 'mail'];
const graceMs = 45_000;

const step = fc.record({
  kind: fc.constantFrom(
    ...Array<'create'>(3).fill('create'),
    ...Array<'plan'>(8).fill('plan'),
    ...Array<'launch'>(6).fill('launch'),
    ...Array<'die'>(3).fill('die'),
    'lose',
    'return',
    'vanish',
    'delete',
    'stop',
  ),
  job: fc.nat(2),
  address: fc.nat(1),
  pick: fc.nat(20),
  /** How old the caches are that are read, in writes. */
  staleTasks: fc.constantFrom(0, 0, 0, 0, 1, 2, 5),
  staleClaims: fc.constantFrom(0, 0, 1, 2, 5),
  isKept: fc.boolean(),
  isCrash: fc.boolean(),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function without<T>(objects: Readonly<Record<string, T>>, key: string): Record<string, T> {
  return Object.fromEntries(Object.entries(objects).filter(([name]) => name !== key));
}

class Model {
  readonly history: Stored[] = [{ tasks: {}, claims: {} }];
  now = began;
  version = 1;
  launches = 0;
  handOvers = 0;

  get stored(): Stored {
    return this.history.at(-1) ?? { tasks: {}, claims: {} };
  }

  cached(age: number): Stored {
    return this.history[Math.max(0, this.history.length - 1 - age)] ?? this.stored;
  }

  putTask(task: Task): void {
    const metadata = { ...task.metadata, resourceVersion: String(++this.version) };
    const tasks = { ...this.stored.tasks, [task.metadata.uid]: { ...task, metadata } };
    this.history.push({ ...this.stored, tasks });
  }

  /** As the store does: only on the version that was looked at. */
  putClaim(claim: AddressClaim, basis: AddressClaim | undefined): boolean {
    const { name } = claim.metadata;
    const current = this.stored.claims[name];
    if (current?.metadata.resourceVersion !== basis?.metadata.resourceVersion) return false;
    const metadata = { ...claim.metadata, resourceVersion: String(++this.version) };
    const claims = { ...this.stored.claims, [name]: { ...claim, metadata } };
    this.history.push({ ...this.stored, claims });
    return true;
  }

  removeClaim(name: string): void {
    this.history.push({ ...this.stored, claims: without(this.stored.claims, name) });
  }

  run(taken: Step): void {
    this.now += 30_000;
    const { tasks } = this.stored;
    const task = Object.values(tasks)[taken.pick % Math.max(1, Object.keys(tasks).length)];
    switch (taken.kind) {
      case 'create':
        this.#create(taken);
        break;
      case 'plan':
        this.#plan(taken);
        break;
      case 'launch':
        this.#launch(taken);
        break;
      case 'delete':
        this.#deleteClaim(taken);
        break;
      default:
        if (task !== undefined) this.#befall(taken.kind, task, taken.isCrash);
    }
  }

  #befall(kind: 'lose' | 'return' | 'die' | 'vanish' | 'stop', task: Task, isGone: boolean): void {
    const isLaunched = task.status?.mesos !== undefined;
    if (kind === 'vanish') {
      if (!isDead(task)) return;
      const tasks = without(this.stored.tasks, task.metadata.uid);
      this.history.push({ ...this.stored, tasks });
      return;
    }
    if (isDead(task)) return;
    if (kind === 'stop')
      this.putTask({ ...task, spec: { ...task.spec, stop: { reason: 'Update' } } });
    if (kind === 'lose' && isLaunched) this.putTask(withStatus(task, { phase: 'Unreachable' }));
    if (kind === 'return' && isLaunched) this.putTask(withStatus(task, { phase: 'Running' }));
    if (kind !== 'die') return;
    const finishTime = new Date(this.now).toISOString();
    const state = isGone ? 'TASK_GONE' : 'TASK_KILLED';
    const mesos = { taskId: `prod.${task.metadata.name}`, state };
    this.putTask(withStatus(task, { phase: 'Killed', finishTime, mesos }));
  }

  #create({ job, address }: Step): void {
    const name = `${jobs[job] ?? ''}-0-${++this.version}`;
    const ips = [addresses[address] ?? ''];
    this.putTask(waitingTask(name, jobs[job] ?? '', { ips }, this.now));
  }

  #deleteClaim({ address }: Step): void {
    const claim = this.stored.claims[claimName('dev-net', addresses[address] ?? '')];
    if (claim === undefined) return;
    const deletionTimestamp = new Date(this.now).toISOString();
    this.putClaim({ ...claim, metadata: { ...claim.metadata, deletionTimestamp } }, claim);
  }

  /** One round of the claims loop, from caches of any age; absence is read from the store. */
  #plan({ address, staleTasks, staleClaims, isKept, isCrash }: Step): void {
    const ip = addresses[address] ?? '';
    const name = claimName('dev-net', ip);
    const claim = this.cached(staleClaims).claims[name];
    const seen = this.cached(staleTasks).tasks;
    const uid = claim?.spec.holder.taskUid ?? '';
    const contenders = Object.values(seen).filter(
      (task) => claimNames(task).includes(name) && task.spec.stop === undefined,
    );
    const plan = planClaim({
      network: 'dev-net',
      ip,
      claim,
      holder: seen[uid] ?? this.stored.tasks[uid],
      isKept,
      cniNameOf: () => 'dev-net',
      contenders,
      now: this.now,
      agentLostGraceMs: graceMs,
      endedForMs: this.now - (Date.parse(claim?.status?.releaseTime ?? '') - graceMs) || 0,
    });
    if (plan.action === 'Create') {
      const made = claimOf(ip, '', '', { spec: plan.spec });
      const metadata = { ...made.metadata, uid: `uid-${++this.version}` };
      this.putClaim({ ...made, metadata }, undefined);
    }
    if (plan.action === 'Say') this.putClaim({ ...plan.claim, status: plan.status }, plan.claim);
    if (plan.action === 'HandOver') {
      const spec = { ...plan.claim.spec, holder: plan.holder };
      if (this.putClaim({ ...plan.claim, spec }, plan.claim)) this.handOvers += 1;
    }
    if (plan.action === 'Release') this.#release(plan.claim, isCrash);
  }

  /** Two writes, and perhaps a crash between them. */
  #release(claim: AddressClaim, isCrash: boolean): void {
    const { name } = claim.metadata;
    if (claim.metadata.deletionTimestamp === undefined) {
      const metadata = { ...claim.metadata, deletionTimestamp: 'now' };
      if (!this.putClaim({ ...claim, metadata }, claim) || isCrash) return;
    } else if (
      this.stored.claims[name]?.metadata.resourceVersion !== claim.metadata.resourceVersion
    ) {
      return;
    }
    this.removeClaim(name);
  }

  /** The scheduler: gate from a cache of any age, bind on the version of the Task that it saw. */
  #launch({ pick, staleTasks, staleClaims }: Step): void {
    const seen = Object.values(this.cached(staleTasks).tasks);
    const task = seen[pick % Math.max(1, seen.length)];
    if (task === undefined || task.status?.mesos !== undefined || isDead(task)) return;
    const { uid, resourceVersion } = task.metadata;
    const claims = Object.values(this.cached(staleClaims).claims);
    const gate = addressGate(task, lookup(...claims), (network) => network);
    if (gate.kind === 'Closed') return;
    if (this.stored.tasks[uid]?.metadata.resourceVersion !== resourceVersion) return;
    this.launches += 1;
    this.putTask(withStatus(task, { phase: 'Running' }));
  }

  /** Tasks that may be alive on some agent with the address. */
  live(ip: string): string[] {
    return Object.values(this.stored.tasks)
      .filter((task) => task.status?.mesos !== undefined && !isDead(task))
      .filter((task) => task.spec.networks?.[0]?.ips?.includes(ip) === true)
      .map(({ metadata }) => metadata.name);
  }
}

describe('however plans, launches, stale caches and crashes come to pass', () => {
  it('an address has one live holder at most', () => {
    let launches = 0;
    let handOvers = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 60, maxLength: 120, size: 'max' }), (steps) => {
        const model = new Model();
        for (const taken of steps) {
          model.run(taken);
          for (const ip of addresses) {
            const live = model.live(ip);
            if (live.length > 1) throw new Error(`${ip} is held by ${live.join(' and ')}`);
          }
        }
        launches += model.launches;
        handOvers += model.handOvers;
      }),
      { numRuns: 600 },
    );
    // The law holds of something: addresses were used, and changed hands.
    expect(launches).toBeGreaterThan(600);
    expect(handOvers).toBeGreaterThan(50);
  });
});
