import { controllerOf } from '../../api/machinery/metadata.ts';
import type { AddressClaim, ClaimHolder } from '../../api/v1/address-claim.ts';
import { claimName, wireKey } from '../../api/v1/address-claim.ts';
import { canonicalAddress, familyOf } from '../../api/v1/addresses.ts';
import type { Job } from '../../api/v1/job.ts';
import { isOpen } from '../../api/v1/batch.ts';
import { jobDefaults } from '../../api/v1/job.ts';
import { isDead, type Task } from '../../api/v1/task.ts';
import type { NetworkAttachment } from '../../api/v1/template.ts';

/**
 * Which addresses a Task asks for, and whether it may be launched with them. The law: a Task is launched
 * only while every claim that it needs names it; a claim changes hands only once the Task that it names
 * is dead. A Task that is dead cannot be bound any more, so what a lagging cache shows as held by a Task
 * either is, or is of no use to it.
 */

/** Claims as they are known. */
export interface ClaimLookup {
  get(name: string): AddressClaim | undefined;
  /** The claims that are kept for an instance; see instanceKey. */
  ofInstance(key: string): readonly AddressClaim[];
  /** The claims of one address of a CNI network; see wireKey. */
  ofWire(key: string): readonly AddressClaim[];
}

/** The CNI network that a Task joins by the name of a Network; undefined if nothing is known of it. */
export type CniNameOf = (network: string, task: Task) => string | undefined;

/** Addresses by the name of the Network object, in canonical form. */
export type Requested = ReadonlyMap<string, readonly string[]>;

export type Gate =
  | { kind: 'Open'; requested: Requested }
  | { kind: 'Closed'; reason: 'ClaimPending' | 'AddressTaken'; message: string };

/** Whether the Task needs claims, now or once it has got an address. */
export function wantsAddresses(task: Task): boolean {
  return (task.spec.networks ?? []).some(({ ips, sticky }) => ips !== undefined || sticky === true);
}

/** A Task that no Job controls stands for itself. */
function ownerUidOf(task: Task): string {
  return controllerOf(task)?.uid ?? task.metadata.uid;
}

/** What the runs of one instance of one Job have in common. */
export function instanceKey(task: Task): string {
  return `${ownerUidOf(task)}/${task.spec.instance}`;
}

export function instanceKeyOf({ jobUid, instance }: ClaimHolder): string {
  return `${jobUid}/${instance}`;
}

export function holderOf(task: Task): ClaimHolder {
  const { name, uid, namespace = '' } = task.metadata;
  const { job, instance } = task.spec;
  return { namespace, job, jobUid: ownerUidOf(task), instance, task: name, taskUid: uid };
}

/** What the spec itself says; sticky addresses are known by their claims only. */
export function staticRequests(attachments: readonly NetworkAttachment[] = []): Requested {
  return new Map(
    attachments.flatMap(({ name, ips }) =>
      ips === undefined ? [] : [[name, ips.map(canonicalAddress)] as const],
    ),
  );
}

/** May the Task be launched, and with which addresses? */
export function addressGate(task: Task, claims: ClaimLookup, cniNameOf: CniNameOf): Gate {
  const requested = new Map(staticRequests(task.spec.networks));
  for (const [network, ips] of requested) {
    for (const ip of ips) {
      const asked = { network, ip, cniName: cniNameOf(network, task) };
      const closed = closedBy(task, asked, claims);
      if (closed !== undefined) return closed;
    }
  }
  for (const { name, sticky } of task.spec.networks ?? []) {
    if (sticky !== true) continue;
    const kept = stickyClaims(claims.ofInstance(instanceKey(task)), name);
    for (const claim of kept) {
      const asked = { network: name, ip: claim.spec.ip, cniName: cniNameOf(name, task) };
      const closed = closedBy(task, asked, claims);
      if (closed !== undefined) return closed;
    }
    if (kept.length > 0)
      requested.set(
        name,
        kept.map(({ spec }) => spec.ip),
      );
  }
  return { kind: 'Open', requested };
}

function closedBy(
  task: Task,
  asked: Pick<AddressClaim['spec'], 'network' | 'ip' | 'cniName'>,
  claims: ClaimLookup,
): Gate | undefined {
  const { network, ip, cniName } = asked;
  const what = `${ip} on ${network}`;
  if (cniName === undefined) {
    const message = `there is no network "${network}"`;
    return { kind: 'Closed', reason: 'ClaimPending', message };
  }
  const name = claimName(network, ip);
  // An address has one holder, whatever the Networks are called by which tasks join its CNI network.
  const twin = claims.ofWire(wireKey(asked)).find(({ metadata }) => metadata.name !== name);
  if (twin !== undefined)
    return heldBy(twin, task, `${what} (${twin.spec.network} is the same CNI network)`);
  const claim = claims.get(name);
  if (claim === undefined) {
    return { kind: 'Closed', reason: 'ClaimPending', message: `${what} is not claimed yet` };
  }
  if (claim.spec.holder.taskUid !== task.metadata.uid) return heldBy(claim, task, what);
  if (wireKey(claim.spec) === wireKey(asked)) return undefined;
  const before = claim.spec.cniName ?? network;
  return {
    kind: 'Closed',
    reason: 'ClaimPending',
    message: `${what} is claimed on CNI network "${before}", and the Network names "${cniName}" now: delete task ${task.metadata.name} to have the next one claim it there`,
  };
}

function heldBy(claim: AddressClaim, task: Task, what: string): Gate {
  const { holder } = claim.spec;
  const detail = claim.status?.message;
  const why = detail === undefined ? '' : `: ${detail}`;
  const isSibling = holder.jobUid === ownerUidOf(task);
  const exchange = isSibling
    ? `. Instances that take over each other's addresses must stop together: allow it by updateStrategy.maxUnavailable`
    : '';
  return instanceKeyOf(holder) === instanceKey(task)
    ? {
        kind: 'Closed',
        reason: 'ClaimPending',
        message: `${what} is still held by ${holder.task}, the run before${why}`,
      }
    : {
        kind: 'Closed',
        reason: 'AddressTaken',
        message: `${what} is held by Job ${holder.namespace}/${holder.job} (task ${holder.task})${why}${exchange}`,
      };
}

/** The claims of an instance on a sticky network that count: of each family the oldest. */
export function stickyClaims(claims: readonly AddressClaim[], network: string): AddressClaim[] {
  const ordered = claims
    .filter(({ spec, metadata }) => spec.network === network && !isLeaving(metadata))
    .sort(byAge);
  return (['IPv4', 'IPv6'] as const).flatMap((family) => {
    const oldest = ordered.find(({ spec }) => familyOf(spec.ip) === family);
    return oldest === undefined ? [] : [oldest];
  });
}

function isLeaving({ deletionTimestamp }: AddressClaim['metadata']): boolean {
  return deletionTimestamp !== undefined;
}

/** Creation times have whole seconds; names decide between equal ones, everywhere alike. */
export function byAge(left: AddressClaim | Task, right: AddressClaim | Task): number {
  return (
    compare(left.metadata.creationTimestamp, right.metadata.creationTimestamp) ||
    compare(left.metadata.uid, right.metadata.uid)
  );
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Names of the claims that the Task needs, or that remember the address it has got. */
export function claimNames(task: Task): string[] {
  if (isDead(task)) return [];
  return (task.spec.networks ?? []).flatMap(({ name, ips = [], sticky }) => {
    const observed = sticky === true ? assignedOn(task, name) : [];
    return [...ips, ...observed].map((ip) => claimName(name, ip));
  });
}

/** Addresses that the task has been seen to have as it should. */
export function assignedOn(task: Task, network: string): readonly string[] {
  const seen = task.status?.networks?.find(({ name }) => name === network);
  return seen?.verdict === 'Assigned' ? seen.ips : [];
}

/** Whether the Job still keeps the address for the instance, run or no run. */
export function isKeptBy(
  job: Job | undefined,
  claim: AddressClaim,
  siblings: readonly AddressClaim[],
): boolean {
  const { network, ip, holder } = claim.spec;
  if (job?.metadata.uid !== holder.jobUid || isLeaving(job.metadata)) return false;
  const { replicas = jobDefaults.replicas, template } = job.spec;
  if (holder.instance >= replicas || !isOpen(job, holder.instance)) return false;
  const attachment = template.spec.networks?.find(({ name }) => name === network);
  if (attachment === undefined) return false;
  const { ips = [], ipsByInstance = [], sticky } = attachment;
  if (sticky === true) return stickyClaims(siblings, network).some((one) => sameClaim(one, claim));
  return [...ips, ...(ipsByInstance[holder.instance] ?? [])].map(canonicalAddress).includes(ip);
}

function sameClaim(left: AddressClaim, right: AddressClaim): boolean {
  return left.metadata.uid === right.metadata.uid;
}
