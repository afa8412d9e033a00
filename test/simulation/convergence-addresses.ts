import { claimName } from '../../api/v1/address-claim.ts';
import { canonicalAddress } from '../../api/v1/addresses.ts';
import type { Wish } from './jobs.ts';
import {
  claimFacts,
  conditionFacts,
  isDead,
  isTrue,
  mesosIdsOf,
  phaseOf,
  prefixes,
  type ClaimFacts,
  type TaskFacts,
} from './views.ts';
import type { World } from './world.ts';

/** What the store says of addresses that the agents do not, or not as it says it. */
export function ofAddresses(world: World, live: readonly TaskFacts[]): string[] {
  return live.flatMap((task) => {
    if (phaseOf(task) !== 'Running') return [];
    const [id = ''] = mesosIdsOf(task);
    const infos = world.networksOf(id);
    return (task.status?.networks ?? []).flatMap(({ name, cniName, ips, verdict }) => {
      const info = infos.find((each) => each.name === cniName);
      const actual = (info?.ip_addresses ?? []).map(({ ip_address: ip = '' }) => bare(ip));
      if (verdict !== 'Pending' && sorted(actual) === sorted(ips)) return [];
      const { name: of } = task.metadata;
      return [`${of} has ${sorted(actual)} on ${name}, not ${sorted(ips)} (${verdict})`];
    });
  });
}

function bare(ip: string): string {
  return canonicalAddress(ip.split('/')[0] ?? '');
}

function sorted(ips: readonly string[]): string {
  return ips.map(canonicalAddress).sort().join(' and ');
}

/** Claims that are nobody's any more, and tasks that have addresses of their own without a claim. */
export function ofClaims(world: World, wishes: readonly Wish[]): string[] {
  const claims = [...world.store.list(prefixes.claims)].map(([, object]) => claimFacts(object));
  return [
    ...claims.flatMap((claim) => leftOver(world, wishes, claim)),
    ...world.store.tasks().flatMap((task) => unclaimed(task, claims)),
  ];
}

function leftOver(world: World, wishes: readonly Wish[], claim: ClaimFacts): string[] {
  const { network, ip, holder } = claim.spec;
  const task = holderOf(world, claim);
  if (task !== undefined && !isDead(task)) return [];
  const { name, deletionTimestamp } = claim.metadata;
  if (deletionTimestamp !== undefined) return [`${name} is deleted, and not released`];
  const job = world.store.get(`${prefixes.jobs}${holder.namespace}/${holder.job}`);
  const isOurs = job?.metadata.uid === holder.jobUid;
  const wish = isOurs ? wishes.find((each) => each.name === holder.job) : undefined;
  const attachment = wish?.networks.find((each) => each.name === network);
  const { ips = [], ipsByInstance = [], sticky = false } = attachment ?? {};
  const isKept = sticky || [...ips, ...(ipsByInstance[holder.instance] ?? [])].includes(ip);
  if (wish !== undefined && holder.instance < wish.replicas && isKept) return [];
  return [`${name} is left to ${holder.task}, which is dead and not wanted`];
}

function holderOf(world: World, { spec: { holder } }: ClaimFacts): TaskFacts | undefined {
  const stored = world.store.get(`${prefixes.tasks}${holder.namespace}/${holder.task}`);
  return stored?.metadata.uid === holder.taskUid ? world.store.taskOf(stored) : undefined;
}

function unclaimed(task: TaskFacts, claims: readonly ClaimFacts[]): string[] {
  if (phaseOf(task) !== 'Running') return [];
  const held = claims.filter(({ spec }) => spec.holder.taskUid === task.metadata.uid);
  return task.spec.networks.flatMap(({ name, ips, sticky }) => {
    const isHeld = (ip: string): boolean =>
      held.some(({ spec }) => spec.network === name && spec.ip === ip);
    const missing = ips.filter((ip) => !isHeld(ip));
    if (sticky && !held.some(({ spec }) => spec.network === name)) missing.push('an address');
    return missing.map((ip) => `${task.metadata.name} has no claim of ${ip} on ${name}`);
  });
}

/**
 * Whether the task cannot be had as it is wanted: another Job has its address, or another instance that
 * is not to stop with it, or its plugins do not give it the one that it asks for.
 */
export function lacksAddresses(world: World, task: TaskFacts): boolean {
  const { networks = [] } = task.status ?? {};
  if (phaseOf(task) === 'Running') {
    return networks.some(({ cniName, verdict, requestedIps }) => {
      return cniName === 'deaf-net' && verdict === 'Mismatch' && requestedIps.length > 0;
    });
  }
  if (phaseOf(task) !== 'Pending') return false;
  return task.spec.networks.some(({ name, ips }) =>
    ips.some((ip) => {
      const stored = world.store.get(`${prefixes.claims}${claimName(name, ip)}`);
      if (stored === undefined) return false;
      const { holder } = claimFacts(stored).spec;
      const isOwn = holder.job === task.spec.job && holder.instance === task.spec.instance;
      return !isOwn && !isTrue(task, 'Scheduled');
    }),
  );
}

/** Once operators have mended them, no Network contradicts a Job. */
export function ofNetworks(world: World): string[] {
  const contradicted = [prefixes.networks, prefixes.jobs].flatMap((prefix) =>
    [...world.store.list(prefix)].filter(([, object]) =>
      isTrue(conditionFacts(object), 'Contradicted'),
    ),
  );
  return contradicted.map(([key]) => `${key} is still Contradicted`);
}
