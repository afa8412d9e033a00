import type { Logger } from 'pino';
import type { Client } from '../../api/client/client.ts';
import type { Clock } from '../../api/machinery/clock.ts';
import { isApiError } from '../../api/machinery/errors.ts';
import { objectKey } from '../../api/machinery/metadata.ts';
import {
  addressClaimResource,
  claimFinalizer,
  claimName,
  wireKey,
} from '../../api/v1/address-claim.ts';
import type { AddressClaim, AddressClaimSpec } from '../../api/v1/address-claim.ts';
import { canonicalAddress } from '../../api/v1/addresses.ts';
import { apiVersion } from '../../api/v1/group.ts';
import type { Network } from '../../api/v1/network.ts';
import { jobResource, type Job } from '../../api/v1/job.ts';
import { isDead, taskResource, type Task } from '../../api/v1/task.ts';
import { Controller, type Result } from '../runtime/controller.ts';
import { BoundedMap } from '../runtime/bounded-map.ts';
import type { EventRecorder } from '../runtime/event-recorder.ts';
import type { Informer } from '../runtime/informer.ts';
import { isTransient } from '../scheduler/fenced-writer.ts';
import { planClaim, type ClaimPlan, type ClaimState } from './claim-plan.ts';
import type { ClaimView } from './claim-view.ts';
import {
  assignedOn,
  claimNames,
  instanceKey,
  isKeptBy,
  wantsAddresses,
  type CniNameOf,
} from './claims.ts';
import { WireGuard } from './wire-guard.ts';

export interface ClaimControllerOptions {
  /** Fenced: every write is refused once somebody else leads. */
  client: Client;
  informers: {
    claims: Informer<AddressClaim>;
    /** With the indexers below. */
    tasks: Informer<Task>;
    jobs: Informer<Job>;
    /** That `cniNameOf` looks at. */
    networks: Pick<Informer<Network>, 'synced'>;
  };
  /** Follows the claims' informer already. */
  view: ClaimView;
  /** CNI names of the networks of Tasks. */
  cniNameOf: CniNameOf;
  recorder: Pick<EventRecorder, 'record'>;
  clock: Clock;
  logger: Logger;
  /** Time between the death of a task whose agent is gone and the release of its address; 60 s. */
  agentLostGraceMs?: number;
}

/** Dead holders that are remembered beyond their objects. */
const maxEnded = 1_000;

/** Tasks by the claims that they need, and by the instance that they are a run of. */
export const claimTaskIndexers = {
  claim: claimNames,
  claimInstance: (task: Task) => (wantsAddresses(task) && !isDead(task) ? [instanceKey(task)] : []),
};

/** The loop that gives addresses to Tasks and takes them back: reconcile = write(plan(address)). */
export function createClaimController(options: ClaimControllerOptions): Controller {
  const { informers, view, clock, logger } = options;
  const guard = new WireGuard(view, (name) => controller.enqueue(name));
  const claims = new Claims(options, guard);
  const controller = new Controller({
    name: 'claims',
    reconcile: (name) => claims.reconcile(name),
    waitFor: [informers.claims, informers.tasks, informers.jobs, informers.networks],
    clock,
    logger,
    concurrency: 8,
  });
  informers.tasks.onChange(({ object }) => {
    if (!wantsAddresses(object)) return;
    claims.saw(object);
    for (const name of concernedBy(object, view)) controller.enqueue(name);
  });
  informers.jobs.onChange(({ object }) => {
    for (const { metadata } of view.ofJob(object.metadata.uid)) controller.enqueue(metadata.name);
  });
  view.onChange(({ metadata }) => controller.enqueue(metadata.name));
  return controller;
}

function concernedBy(task: Task, view: ClaimView): Set<string> {
  const held = [...view.heldBy(task.metadata.uid), ...view.ofInstance(instanceKey(task))];
  return new Set([...claimNames(task), ...held.map(({ metadata }) => metadata.name)]);
}

class Claims {
  readonly #options: ClaimControllerOptions;
  readonly #guard: WireGuard;
  /** Since when the holder of a claim has been known to be dead or gone, by the name of the claim. */
  readonly #endedAt = new Map<string, { taskUid: string; since: number }>();
  /** Holders that were seen to die: an object that is removed at once says nothing any more. */
  readonly #ended = new BoundedMap<string, Task>(maxEnded);

  constructor(options: ClaimControllerOptions, guard: WireGuard) {
    this.#options = options;
    this.#guard = guard;
  }

  /** Death is final, so it may be remembered. */
  saw(task: Task): void {
    const { uid } = task.metadata;
    if (isDead(task) && this.#options.view.heldBy(uid).length > 0) this.#ended.set(uid, task);
  }

  async reconcile(name: string): Promise<Result> {
    if (this.#guard.isUnsettled(name)) await this.#readBack(name);
    const state = await this.#stateOf(name);
    if (state === undefined) return {};
    const plan = planClaim(state);
    if (plan.action === 'Wait') return { requeueAfterMs: Math.max(10, plan.wakeAt - state.now) };
    await this.#apply(name, plan);
    return {};
  }

  async #stateOf(name: string): Promise<ClaimState | undefined> {
    const { view, informers, clock, agentLostGraceMs = 60_000 } = this.#options;
    const claim = view.get(name);
    const named = informers.tasks.byIndex('claim', name);
    const address = claim?.spec ?? addressOf(name, named);
    if (address === undefined) return undefined;
    const { network, ip } = address;
    const contenders = [...named, ...this.#successors(claim)].filter(isContender);
    const holder = claim === undefined ? undefined : await this.#holderOf(claim);
    return {
      network,
      ip,
      claim,
      holder,
      endedForMs: this.#endedFor(name, claim, holder),
      cniNameOf: (task) => this.#options.cniNameOf(network, task),
      isKept: claim !== undefined && (await this.#isKept(claim)),
      contenders: [...new Set(contenders)],
      now: clock.now(),
      agentLostGraceMs,
    };
  }

  #endedFor(name: string, claim: AddressClaim | undefined, holder: Task | undefined): number {
    const isLive = holder !== undefined && !isDead(holder);
    if (claim === undefined || isLive) {
      this.#endedAt.delete(name);
      return 0;
    }
    const { taskUid } = claim.spec.holder;
    const now = this.#options.clock.monotonic();
    const known = this.#endedAt.get(name);
    const since = known?.taskUid === taskUid ? known.since : now;
    this.#endedAt.set(name, { taskUid, since });
    return now - since;
  }

  /** The next run of an instance does not name a sticky address; the claim does. */
  #successors(claim: AddressClaim | undefined): Task[] {
    if (claim === undefined) return [];
    const { network, holder } = claim.spec;
    const key = `${holder.jobUid}/${holder.instance}`;
    return this.#options.informers.tasks
      .byIndex('claimInstance', key)
      .filter(
        ({ spec, status }) =>
          status?.mesos === undefined &&
          spec.networks?.some(({ name, sticky }) => name === network && sticky === true) === true,
      );
  }

  /** Presence and death may be read from a cache. Absence may not: a cache can lag. */
  async #holderOf({ spec: { holder } }: AddressClaim): Promise<Task | undefined> {
    const { informers, client } = this.#options;
    const ref = { namespace: holder.namespace, name: holder.task };
    const cached = informers.tasks.get(objectKey(ref));
    if (cached?.metadata.uid === holder.taskUid) return cached;
    const stored = await client.of(taskResource).find(ref);
    if (stored?.metadata.uid === holder.taskUid) return stored;
    return this.#ended.get(holder.taskUid);
  }

  async #isKept(claim: AddressClaim): Promise<boolean> {
    const { informers, client, view } = this.#options;
    const { namespace, job: name, jobUid, instance } = claim.spec.holder;
    const cached = informers.jobs.get(objectKey({ namespace, name }));
    const job =
      cached?.metadata.uid === jobUid
        ? cached
        : await client.of(jobResource).find({ namespace, name });
    return isKeptBy(job, claim, view.ofInstance(`${jobUid}/${instance}`));
  }

  async #apply(name: string, plan: ClaimPlan): Promise<void> {
    const { view, logger } = this.#options;
    const claims = this.#options.client.of(addressClaimResource);
    switch (plan.action) {
      case 'None':
      case 'Wait':
        return;
      case 'Create':
        if (this.#guard.reserve(wireKey(plan.spec), name)) await this.#create(name, plan.spec);
        return;
      case 'HandOver': {
        const { claim, holder } = plan;
        view.put(await claims.update({ ...claim, spec: { ...claim.spec, holder } }));
        logger.info({ claim: name, from: claim.spec.holder.task, to: holder.task }, 'handed over');
        return;
      }
      case 'Say':
        view.put(await claims.updateStatus({ ...plan.claim, status: plan.status }));
        this.#report(plan);
        return;
      case 'Release':
        await this.#release(plan.claim);
        logger.info({ claim: name, from: plan.claim.spec.holder.task }, 'released');
    }
  }

  async #create(name: string, spec: AddressClaimSpec): Promise<void> {
    const claims = this.#options.client.of(addressClaimResource);
    const metadata = { name, finalizers: [claimFinalizer] };
    try {
      const made = await claims.create({ apiVersion, kind: 'AddressClaim', metadata, spec });
      this.#options.view.put(made);
    } catch (error) {
      if (isTransient(error)) throw error;
      if (!isApiError(error, 'AlreadyExists')) {
        this.#guard.settle(name);
        throw error;
      }
      // Somebody was first, or it was us and the answer was lost: the next plan sees who.
      await this.#readBack(name);
      return;
    }
    this.#guard.settle(name);
  }

  /** Until it is known what came of a create, the address is reserved. */
  async #readBack(name: string): Promise<void> {
    const stored = await this.#options.client.of(addressClaimResource).find({ name });
    if (stored !== undefined) this.#options.view.put(stored);
    this.#guard.settle(name);
  }

  /** Marked first, so that nobody takes it over once the finalizer is gone. */
  async #release(claim: AddressClaim): Promise<void> {
    const { view } = this.#options;
    const claims = this.#options.client.of(addressClaimResource);
    const { name, uid, resourceVersion, deletionTimestamp } = claim.metadata;
    try {
      if (deletionTimestamp === undefined) {
        await claims.delete({ name }, { preconditions: { uid, resourceVersion } });
      }
      const leaving = deletionTimestamp === undefined ? await claims.find({ name }) : claim;
      if (leaving?.metadata.uid !== uid) {
        view.removed(claim);
        return;
      }
      view.put(leaving);
      // Handed on or released by somebody else meanwhile: the next plan looks at that.
      if (leaving.spec.holder.taskUid !== claim.spec.holder.taskUid) return;
      await claims.update({ ...leaving, metadata: { ...leaving.metadata, finalizers: [] } });
      view.removed(claim);
    } catch (error) {
      if (!isApiError(error, 'NotFound')) throw error;
      view.removed(claim);
    }
  }

  #report({ claim, status }: ClaimPlan & { action: 'Say' }): void {
    if (status.message === undefined) return;
    this.#options.recorder.record(claim, 'Warning', status.state, status.message);
  }
}

/** A Task that waits for the claim, or that has the address already and is to keep it. */
function isContender(task: Task): boolean {
  if (isDead(task)) return false;
  if (task.status?.mesos !== undefined) return true;
  return task.spec.stop === undefined && task.metadata.deletionTimestamp === undefined;
}

/** The address that a claim's name stands for, from a Task that needs it. */
function addressOf(
  name: string,
  tasks: readonly Task[],
): { network: string; ip: string } | undefined {
  for (const task of tasks) {
    for (const { name: network, ips = [] } of task.spec.networks ?? []) {
      for (const ip of [...ips, ...assignedOn(task, network)]) {
        if (claimName(network, ip) === name) return { network, ip: canonicalAddress(ip) };
      }
    }
  }
  return undefined;
}
