import type { ApiError } from '../../machinery/errors.ts';
import type { Context } from '../context.ts';
import { CommandError } from '../errors.ts';
import { problemAt, type Item } from '../manifest/check.ts';
import { formatProblem, type Problem } from '../manifest/documents.ts';
import { isOwnershipConflict } from './write.ts';

/** What the server refused, at the places in the file. */
export function problemsOf(item: Item, error: ApiError): Problem[] {
  const advice = isOwnershipConflict(error)
    ? ': leave the field out, agree with its value, or take it with --force-conflicts'
    : '';
  const causes = (error.details?.causes ?? []).flatMap(({ field, message }) =>
    field === undefined || field === ''
      ? []
      : [{ field: field.replace(/^\./, ''), message: `${message ?? error.message}${advice}` }],
  );
  const found = causes.length > 0 ? causes : [{ field: '', message: error.message }];
  return found.map((cause) => problemAt(item.manifest, cause));
}

/** Ends the command if there is a problem, each on a line. */
export function refuse(
  { stderr }: Pick<Context, 'stderr'>,
  problems: readonly Problem[],
  consequence = 'nothing was changed',
): void {
  if (problems.length === 0) return;
  for (const problem of problems) stderr.write(`${formatProblem(problem)}\n`);
  const count = problems.length === 1 ? '1 mistake' : `${problems.length} mistakes`;
  throw new CommandError('failed', `${count}; ${consequence}`);
}
