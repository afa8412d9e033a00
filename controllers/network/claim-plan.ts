import { rfc3339 } from '../../api/machinery/clock.ts';
import { jsonEqual } from '../../api/machinery/json.ts';
import type {
  AddressClaim,
  AddressClaimSpec,
  AddressClaimStatus,
  ClaimHolder,
} from '../../api/v1/address-claim.ts';
import { isDead, phaseOf, type Task } from '../../api/v1/task.ts';
import { byAge, holderOf, instanceKey, instanceKeyOf } from './claims.ts';

/** All that is looked at about one address of one network. */
export interface ClaimState {
  network: string;
  /** In canonical form. */
  ip: string;
  claim: AddressClaim | undefined;
  /** The Task that the claim names; undefined if the store says that there is none. */
  holder: Task | undefined;
  /** The Job of the holder keeps the address for the instance. */
  isKept: boolean;
  /** CNI network that a Task joins by the name of this one. */
  cniNameOf: (task: Task) => string | undefined;
  /** Live Tasks that need the claim. */
  contenders: readonly Task[];
  /** Wall time in milliseconds. */
  now: number;
  /** Time that what ran on a lost agent is given to end. */
  agentLostGraceMs: number;
  /** For how long this process has known the holder to be dead or gone, on its monotonic clock. */
  endedForMs: number;
}

/** One write at most: cutting anything off between two leaves a state that the next plan goes on from. */
export type ClaimPlan =
  | { action: 'None' }
  | { action: 'Create'; spec: AddressClaimSpec }
  /** The holder is dead: the claim names another Task. */
  | { action: 'HandOver'; claim: AddressClaim; holder: ClaimHolder }
  /** Nobody is left who wants the address. */
  | { action: 'Release'; claim: AddressClaim }
  | { action: 'Say'; claim: AddressClaim; status: AddressClaimStatus }
  | { action: 'Wait'; wakeAt: number };

/** Time between two looks for a Network that there is not. */
const networkPatienceMs = 10_000;

/** Clocks do not agree to the millisecond. */
const toleranceMs = 1_000;

/** Time from the end of a task to that of its executor, which is one second, and of its container. */
const detachedWithinMs = 2_000;

/** States in which Mesos says that a task is over because its agent is. */
const agentLostStates: readonly string[] = ['TASK_GONE', 'TASK_GONE_BY_OPERATOR'];

/** Whether nobody has seen the holder end: Mesos has given up its agent, or the Task is gone. */
function isLost(holder: Task | undefined): boolean {
  return holder === undefined || agentLostStates.includes(holder.status?.mesos?.state ?? '');
}

/** Decides about one address. A pure function; the claim changes hands only past a dead holder. */
export function planClaim(state: ClaimState): ClaimPlan {
  const { claim, contenders, network, ip } = state;
  const [first] = inOrder(contenders);
  if (claim === undefined) {
    if (first === undefined) return { action: 'None' };
    const cniName = state.cniNameOf(first);
    // Without it nobody can tell whose the address is there; an operator may offer the network yet.
    if (cniName === undefined) return { action: 'Wait', wakeAt: state.now + networkPatienceMs };
    return { action: 'Create', spec: { network, cniName, ip, holder: holderOf(first) } };
  }
  if (state.holder !== undefined && !isDead(state.holder)) return observe(claim, state.holder);
  return graceOf(claim, state) ?? detaching(state) ?? succeed(claim, state);
}

/** What runs comes first, then who has waited longest. */
function inOrder(tasks: readonly Task[]): Task[] {
  const launched = (task: Task): number => (task.status?.mesos === undefined ? 1 : 0);
  return [...tasks].sort((left, right) => launched(left) - launched(right) || byAge(left, right));
}

function observe(claim: AddressClaim, holder: Task): ClaimPlan {
  if (phaseOf(holder) !== 'Unreachable') return saying(claim, { state: 'Held' });
  const message = `${holder.metadata.name} is unreachable and may return: the address stays with it until it is dead`;
  return saying(claim, { state: 'HolderUnreachable', message });
}

/** That a claim is held needs no words, unless something else was said before. */
function saying(claim: AddressClaim, said: Omit<AddressClaimStatus, 'holderUid'>): ClaimPlan {
  const status = { ...said, holderUid: claim.spec.holder.taskUid };
  if (jsonEqual(claim.status, status)) return { action: 'None' };
  if (said.state === 'Held' && (claim.status?.state ?? 'Held') === 'Held')
    return { action: 'None' };
  return { action: 'Say', claim, status };
}

/**
 * Mesos takes a lost agent's tasks for gone, yet the machine may be up and the address in use. Two live
 * holders are the price of a wrong time, so what counts is for how long this process has known, and no
 * wall clock; what is written down is for people.
 */
function graceOf(claim: AddressClaim, state: ClaimState): ClaimPlan | undefined {
  const { holder, now, agentLostGraceMs, endedForMs } = state;
  if (!isLost(holder)) return undefined;
  const { taskUid, task } = claim.spec.holder;
  const said = claim.status?.holderUid === taskUid ? claim.status.releaseTime : undefined;
  const releaseAt = Date.parse(said ?? '');
  const leftMs = Math.max(0, agentLostGraceMs - endedForMs);
  // A stamp that is past before its time, or far ahead, is another clock's or another process'.
  const isWrong = leftMs > toleranceMs && (releaseAt <= now || releaseAt > now + agentLostGraceMs);
  if (Number.isNaN(releaseAt) || isWrong) {
    const releaseTime = rfc3339(now + leftMs);
    const message =
      holder === undefined
        ? `there is no Task ${task} any more, and nobody saw it end: the address is free from ${releaseTime} on`
        : `the agent of ${task} is gone, and the task may still run there: the address is free from ${releaseTime} on`;
    return saying(claim, { state: 'AgentLost', message, releaseTime });
  }
  return leftMs > 0 ? { action: 'Wait', wakeAt: now + leftMs } : undefined;
}

/**
 * Mesos says that a task is over before its executor ends, a second later, and the plugin gives the
 * address back: a launch in between would be refused.
 */
function detaching({ holder, now, endedForMs }: ClaimState): ClaimPlan | undefined {
  const leftMs = detachedWithinMs - endedForMs;
  if (holder?.status?.mesos?.agentId === undefined || leftMs <= 0) return undefined;
  return { action: 'Wait', wakeAt: now + leftMs };
}

/** The holder is dead. First comes the next run of its instance. */
function succeed(claim: AddressClaim, state: ClaimState): ClaimPlan {
  const { contenders, isKept, cniNameOf } = state;
  if (claim.metadata.deletionTimestamp !== undefined) return { action: 'Release', claim };
  const waiting = inOrder(contenders);
  const key = instanceKeyOf(claim.spec.holder);
  const own = waiting.find((task) => instanceKey(task) === key);
  if (own === undefined && isKept) return { action: 'None' };
  const next = own ?? waiting[0];
  if (next === undefined) return { action: 'Release', claim };
  // The Network stands for another CNI network now, where the address may be somebody else's.
  const { network, cniName = network } = claim.spec;
  if ((cniNameOf(next) ?? network) !== cniName) return { action: 'Release', claim };
  return { action: 'HandOver', claim, holder: holderOf(next) };
}
