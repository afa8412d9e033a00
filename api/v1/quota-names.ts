import { formatBytes, parseQuantity } from '../machinery/quantity.ts';

/**
 * What a ResourceQuota can bound, by the names of Kubernetes where it has one. Amounts are whole numbers,
 * so that sums are exact: thousandths of cores, bytes, pieces.
 */

/** `mesocosm.dev/addresses.<network>`: addresses that the Jobs of a namespace demand on a Network. */
export const addressesPrefix = 'mesocosm.dev/addresses.';

/** What Jobs demand, replicas times template. Without a prefix it means the requests, as in Kubernetes. */
export const computeNames = [
  'cpu',
  'memory',
  'ephemeral-storage',
  'requests.cpu',
  'requests.memory',
  'requests.ephemeral-storage',
  'limits.cpu',
  'limits.memory',
  'limits.ephemeral-storage',
] as const;

/** Names that Kubernetes had before `count/`. */
const oldCounts = ['secrets', 'configmaps', 'resourcequotas'] as const;

/** Reports and locks are never counted: refusing one would hide what happens, or who leads. */
const uncounted = ['events', 'events.events.k8s.io', 'leases.coordination.k8s.io'];

/** The kind that a name counts objects of, as `jobs.mesocosm.dev` or `secrets`; undefined if it counts none. */
export function countedBy(name: string): string | undefined {
  const old = oldCounts.find((known) => known === name);
  return old ?? (name.startsWith('count/') ? name.slice('count/'.length) : undefined);
}

/** Names under which an object of a kind is counted. */
export function countNamesOf(groupResource: string): string[] {
  const names = [`count/${groupResource}`];
  return oldCounts.some((known) => known === groupResource) ? [...names, groupResource] : names;
}

/** Why a quota cannot bound this; undefined if it can. */
export function quotaNameProblem(name: string): string | undefined {
  const counted = countedBy(name);
  if (counted !== undefined) {
    if (uncounted.includes(counted)) return `${counted} are never counted`;
    return /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(counted)
      ? undefined
      : 'must be count/<plural>.<group>, or count/<plural> for a kind of the core group';
  }
  if (name.startsWith(addressesPrefix) && name.length > addressesPrefix.length) return undefined;
  if (computeNames.some((known) => known === name)) return undefined;
  const hint = name === 'pods' ? ' (tasks are counted by count/tasks.mesocosm.dev)' : '';
  return `supported: ${computeNames.join(', ')}, count/<plural>.<group>, ${addressesPrefix}<network>${hint}`;
}

/** The amount that a quantity means for a name, rounded up; undefined if it is no quantity. */
export function amountOf(name: string, quantity: string | number): number | undefined {
  const value = parseQuantity(quantity);
  if (value === undefined) return undefined;
  // Beyond the thousandths of what is asked for there are only errors of binary fractions.
  return Math.ceil(Math.round(value * unitsOf(name) * 1e3) / 1e3);
}

/** An amount as Kubernetes prints it: `1500m`, `64Mi`, `3`. */
export function amountText(name: string, amount: number): string {
  if (isBytes(name)) return formatBytes(amount);
  return isCores(name) && amount % 1000 !== 0 ? `${amount}m` : String(amount / unitsOf(name));
}

/** Whether it is counted in pieces, which have no fractions. */
export function isPieces(name: string): boolean {
  return !isCores(name) && !isBytes(name);
}

function unitsOf(name: string): number {
  return isCores(name) ? 1000 : 1;
}

function isCores(name: string): boolean {
  return name === 'cpu' || name === 'requests.cpu' || name === 'limits.cpu';
}

function isBytes(name: string): boolean {
  return computeNames.some((known) => known === name) && !isCores(name);
}
