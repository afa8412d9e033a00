import { amountOf, amountText } from './quota-names.ts';
import type { Usage } from './quota-usage.ts';
import type { Charge, ResourceQuota, ResourceQuotaStatus } from './resource-quota.ts';

/**
 * The arithmetic of a quota, without I/O. Every write that takes something is written down in the status
 * of the quota, by compare-and-swap, before it is sent: `used` is what was counted plus what is pending,
 * so it is never below what the store can come to hold. Whoever learns of the outcome strikes the entry
 * out; an entry that nobody strikes out is resolved by the count that comes next.
 */

/** What became of a write that was charged, as its own server learned. */
export type Settlement = 'written' | 'refused';

export interface ChargeResult {
  status: ResourceQuotaStatus;
  /** Why charges were refused, by their ids. */
  refused: ReadonlyMap<string, string>;
  /** Entries that are struck out by this. */
  struck: readonly string[];
}

/** The quota once `charges` are entered, in order, as far as they fit. */
export function charged(
  quota: ResourceQuota,
  charges: readonly Charge[],
  settled: ReadonlyMap<string, Settlement>,
): ChargeResult {
  const { name } = quota.metadata;
  const hard = quota.spec?.hard ?? {};
  const struck = (quota.status?.pending ?? []).filter(({ id }) => settled.has(id));
  const pending = (quota.status?.pending ?? []).filter(({ id }) => !settled.has(id));
  const used = readUsed(quota);
  for (const { id, amounts } of struck) {
    if (settled.get(id) === 'refused') move(used, amounts, -1);
  }
  const refused = new Map<string, string>();
  for (const charge of charges) {
    const amounts = boundedBy(hard, charge.amounts);
    const problem = refusal(name, hard, used, amounts);
    if (problem !== undefined) refused.set(charge.id, problem);
    else if (Object.keys(amounts).length > 0) {
      move(used, amounts, 1);
      pending.push({ ...charge, amounts });
    }
  }
  const status = statusOf(quota.status?.hard ?? {}, used, pending);
  return { status, refused, struck: struck.map(({ id }) => id) };
}

/** The quota as a count found it: what is stored, and the entries whose outcome is not known yet. */
export function recounted(
  quota: ResourceQuota,
  counted: Usage,
  open: readonly Charge[],
): ResourceQuotaStatus {
  const hard = quota.spec?.hard ?? {};
  const used = new Map(Object.keys(hard).map((name) => [name, counted[name] ?? 0]));
  for (const { amounts } of open) move(used, boundedBy(hard, amounts), 1);
  return statusOf(hard, used, open);
}

/** What of `amounts` the quota bounds. */
export function boundedBy(
  hard: Readonly<Record<string, unknown>>,
  amounts: Usage,
): Record<string, number> {
  return Object.fromEntries(Object.entries(amounts).filter(([name]) => Object.hasOwn(hard, name)));
}

function readUsed({ status }: ResourceQuota): Map<string, number> {
  const entries = Object.entries(status?.used ?? {});
  return new Map(entries.map(([name, value]) => [name, amountOf(name, value) ?? 0]));
}

function move(used: Map<string, number>, amounts: Usage, sign: 1 | -1): void {
  for (const [name, amount] of Object.entries(amounts)) {
    const before = used.get(name);
    if (before !== undefined) used.set(name, Math.max(0, before + sign * amount));
  }
}

function refusal(
  quota: string,
  hard: Readonly<Record<string, string | number>>,
  used: ReadonlyMap<string, number>,
  amounts: Usage,
): string | undefined {
  const names = Object.keys(amounts).sort();
  const unknown = names.filter((name) => !used.has(name));
  if (unknown.length > 0) {
    return `status unknown for quota: ${quota}, resources: ${unknown.join(',')}`;
  }
  const amount = (name: string): number => amounts[name] ?? 0;
  const over = names.filter(
    (name) => (used.get(name) ?? 0) + amount(name) > (amountOf(name, hard[name] ?? 0) ?? 0),
  );
  if (over.length === 0) return undefined;
  const list = (text: (name: string) => string): string =>
    over.map((name) => `${name}=${text(name)}`).join(',');
  return [
    `exceeded quota: ${quota}`,
    `requested: ${list((name) => amountText(name, amount(name)))}`,
    `used: ${list((name) => amountText(name, used.get(name) ?? 0))}`,
    `limited: ${list((name) => String(hard[name]))}`,
  ].join(', ');
}

function statusOf(
  hard: Readonly<Record<string, string | number>>,
  used: ReadonlyMap<string, number>,
  pending: readonly Charge[],
): ResourceQuotaStatus {
  return {
    hard: { ...hard },
    used: Object.fromEntries(
      [...used]
        .sort(([left], [right]) => (left < right ? -1 : 1))
        .map(([name, amount]) => [name, amountText(name, amount)]),
    ),
    ...(pending.length === 0 ? {} : { pending: [...pending] }),
  };
}
