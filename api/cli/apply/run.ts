import { isApiError } from '../../machinery/errors.ts';
import { CommandError } from '../errors.ts';
import type { Item } from '../manifest/check.ts';
import { isPrerequisite } from './order.ts';
import type { ApplySet, Surplus } from './pruning.ts';
import { missingNamespace, refuse } from './refusal.ts';
import { tryAll, type Done, type Trial, type Writing } from './trial.ts';
import { warnOf, writeTried, type Teller } from './write-all.ts';

export interface RunOptions {
  /** What is no longer in the files is pruned from it. */
  set: ApplySet | undefined;
  dryRun: boolean;
}

/** What has been done, or would be. */
export interface Outcome {
  done: readonly Done[];
  /** Of a dry run: what cannot be checked before what it needs exists. */
  deferred: readonly Item[];
  pruned: readonly Surplus[];
}

/**
 * Asks the server about every document first, and writes only if it refuses none. Prunes only once all is
 * written.
 */
export async function applyItems(
  teller: Teller,
  connection: Writing,
  given: readonly Item[],
  { set, dryRun }: RunOptions,
): Promise<Outcome> {
  const { context } = teller;
  const members = set?.members(given) ?? { items: [...given], problems: [] };
  refuse(context, members.problems);
  const { items } = members;
  const trial = await tryAll(connection, items, items.filter(isPrerequisite));
  refuse(context, [...trial.problems, ...(set?.strangers(trial.done) ?? [])]);
  if (dryRun) return rehearse(teller, trial, set);
  const between = await cover(set, trial);
  const done = await writeTried(teller, connection, items, trial, between);
  const pruned = (await set?.surplus()) ?? [];
  for (const member of pruned) {
    await set?.remove(member);
    teller.said(member, 'pruned');
  }
  await set?.settle();
  return { done, deferred: [], pruned };
}

async function rehearse(teller: Teller, trial: Trial, set: ApplySet | undefined): Promise<Outcome> {
  warnOf(teller.context, trial.done);
  for (const { item, written } of trial.done) teller.said(item, `${written.outcome} (dry run)`);
  for (const item of trial.deferred) {
    teller.said(item, 'cannot be checked before what it needs exists (dry run)');
  }
  const pruned = (await set?.surplus()) ?? [];
  for (const member of pruned) teller.said(member, 'pruned (dry run)');
  return { done: trial.done, deferred: trial.deferred, pruned };
}

/** Where the parent lies in a namespace that these files make, it comes after that: the second answer. */
async function cover(set: ApplySet | undefined, trial: Trial): Promise<() => Promise<void>> {
  const later = async (): Promise<void> => set?.cover();
  try {
    await later();
  } catch (error) {
    const makesNamespace = trial.done.some(
      ({ item, written }) =>
        item.resource.gvk.kind === 'Namespace' && written.outcome === 'created',
    );
    if (!isApiError(error, 'NotFound')) throw error;
    if (makesNamespace) return later;
    const mend = missingNamespace(error);
    if (mend === undefined) throw error;
    throw new CommandError('failed', `the set cannot be kept: ${mend}`, error);
  }
  return () => Promise.resolve();
}
