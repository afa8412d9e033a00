import { ApiError } from '../../machinery/errors.ts';
import { mapBounded } from '../bounded.ts';
import type { Connection } from '../connection.ts';
import type { Item } from '../manifest/check.ts';
import type { Problem } from '../manifest/documents.ts';
import { prerequisitesOf } from './order.ts';
import { problemsOf } from './refusal.ts';
import type { WriteItem, Written } from './write.ts';

/** A connection with the way in which documents are written over it. */
export type Writing = Connection & { write: WriteItem };

export interface Done {
  item: Item;
  written: Written;
}

/** What the server says would come of documents. */
export interface Trial {
  done: Done[];
  /** Refused, but perhaps only because a prerequisite of the same files is not yet written. */
  deferred: Item[];
  problems: Problem[];
}

/** How many documents are checked at a time: their answers do not depend on each other. */
const checksAtOnce = 8;

export async function tryAll(
  connection: Writing,
  items: readonly Item[],
  prerequisites: readonly Item[],
): Promise<Trial> {
  const results = await mapBounded(items, checksAtOnce, async (item) => {
    try {
      return { item, written: await connection.write(connection, item, true) };
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return { item, error };
    }
  });
  const done = results.flatMap(({ item, written }) =>
    written === undefined ? [] : [{ item, written }],
  );
  const changing = new Set(
    results.filter(({ written }) => written?.outcome !== 'unchanged').map(({ item }) => item),
  );
  const trial: Trial = { done, deferred: [], problems: [] };
  for (const { item, error } of results) {
    if (error === undefined) continue;
    const waiting = prerequisitesOf(item, prerequisites).some((other) => changing.has(other));
    if (waiting) trial.deferred.push(item);
    else trial.problems.push(...problemsOf(item, error));
  }
  return trial;
}
