import { findCondition, type ConditionInput } from '../../api/machinery/conditions.ts';
import { canonicalAddress, isAddress } from '../../api/v1/addresses.ts';
import type { Network } from '../../api/v1/network.ts';
import { addressConflictCondition, isDead, type Task } from '../../api/v1/task.ts';
import { byAge } from './claims.ts';

/** One address on one network at two live tasks at once: pure functions. */

/** An address as a live task has it. */
export interface HeldAddress {
  /** Equal for what no two tasks may have at once. */
  key: string;
  cniName: string;
  ip: string;
}

/** What is looked up of a Network, by the name of its object. */
export type ScopeOf = (network: string) => NonNullable<Network['spec']['addressScope']>;

/**
 * The addresses that a task has in sight. One that is unreachable has none: what it had is only known
 * from before, and whoever is given it now is its rightful holder unless the other returns.
 */
export function heldAddresses(task: Task, scopeOf: ScopeOf): HeldAddress[] {
  if (isDead(task)) return [];
  const { networks = [], mesos } = task.status ?? {};
  return networks.flatMap(({ name, cniName, ips }) => {
    const where = scopeOf(name) === 'Agent' ? `@${mesos?.agentId ?? ''}` : '';
    return ips.filter(isAddress).map((address) => {
      const ip = canonicalAddress(address);
      return { key: `${cniName} ${ip}${where}`, cniName, ip };
    });
  });
}

/** An address of a task that others have too. */
export interface Conflict extends HeldAddress {
  others: readonly Task[];
}

/** `holdersOf` finds the live tasks that have the address, the task itself among them or not. */
export function conflictsOf(
  task: Task,
  scopeOf: ScopeOf,
  holdersOf: (key: string) => readonly Task[],
): Conflict[] {
  const { uid } = task.metadata;
  return heldAddresses(task, scopeOf).flatMap((held) => {
    const others = holdersOf(held.key).filter((other) => other.metadata.uid !== uid);
    return others.length === 0 ? [] : [{ ...held, others }];
  });
}

/** What the Task is to say; undefined if there is nothing to say and nothing to take back. */
export function conflictSaid(
  task: Task,
  conflicts: readonly Conflict[],
): ConditionInput | undefined {
  const type = addressConflictCondition;
  if (conflicts.length > 0) {
    const message = conflicts.map(describe).join('; ');
    return { type, status: 'True', reason: 'AddressShared', message };
  }
  if (findCondition(task.status?.conditions, type) === undefined) return undefined;
  const message = 'no other live task has an address of it';
  return { type, status: 'False', reason: 'AddressUnique', message };
}

/** Others named at most: the rest would make each message change with every task that comes. */
const named = 3;

function describe({ cniName, ip, others }: Conflict): string {
  const names = [...others]
    .sort(byAge)
    .slice(0, named)
    .map(({ metadata, status }) => {
      const host = status?.mesos?.agentHostname;
      const where = host === undefined ? '' : ` on agent ${host}`;
      return `${metadata.namespace ?? ''}/${metadata.name}${where}`;
    });
  const more = others.length > named ? ' and others' : '';
  const verb = others.length > 1 ? 'have' : 'has';
  return `${names.join(', ')}${more} ${verb} ${ip} on CNI network "${cniName}" too`;
}
