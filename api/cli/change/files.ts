import type { JsonObject } from '../../machinery/json.ts';
import { isPrerequisite } from '../apply/order.ts';
import { refuse } from '../apply/refusal.ts';
import { tryAll, type Done } from '../apply/trial.ts';
import { writeTried, tellerOf } from '../apply/write-all.ts';
import type { WriteItem } from '../apply/write.ts';
import type { Connection } from '../connection.ts';
import type { Context } from '../context.ts';
import type { Item } from '../manifest/check.ts';

export interface FilesToWrite {
  context: Context;
  connection: Connection;
  items: readonly Item[];
  write: WriteItem;
  dryRun: string;
}

/** Asks the server about every document first, and writes only if it refuses none; `told` of each. */
export async function writeFiles(
  { context, connection, items, write, dryRun }: FilesToWrite,
  told: (item: Item, object: JsonObject) => void,
): Promise<void> {
  const writing = { ...connection, write };
  const trial = await tryAll(writing, items, items.filter(isPrerequisite));
  const teller = tellerOf(context, context.stderr);
  if (dryRun !== 'server') {
    const written = { ...teller, written: (done: Done) => told(done.item, done.written.after) };
    await writeTried(written, writing, items, trial, () => Promise.resolve());
    return;
  }
  refuse(context, trial.problems);
  for (const done of trial.done) told(done.item, done.written.after);
  for (const item of trial.deferred) {
    teller.said(item, 'cannot be checked before what it needs exists (dry run)');
  }
}
