import type { ApiError } from '../../machinery/errors.ts';
import type { Context } from '../context.ts';
import { CommandError } from '../errors.ts';
import { problemAt, type Item } from '../manifest/check.ts';
import { formatProblem, type Problem } from '../manifest/documents.ts';
import { isOwnershipConflict } from './write.ts';

/** What the server refused, at the places in the file. */
export function problemsOf(item: Item, error: ApiError): Problem[] {
  const isNamespace = item.resource.gvk.kind === 'Namespace';
  const namespace = isNamespace ? undefined : missingNamespace(error);
  const faults =
    namespace === undefined
      ? faultsIn(error)
      : [{ field: 'metadata.namespace', message: namespace }];
  return faults.map((fault) => problemAt(item.manifest, fault));
}

interface Fault {
  field: string;
  message: string;
}

function faultsIn(error: ApiError): Fault[] {
  const advice = isOwnershipConflict(error)
    ? ': leave the field out, agree with its value, or take it with --force-conflicts'
    : '';
  const causes = (error.details?.causes ?? []).flatMap(({ field, message }) =>
    field === undefined || field === ''
      ? []
      : [{ field: field.replace(/^\./, ''), message: `${message ?? error.message}${advice}` }],
  );
  if (causes.length > 0) return causes;
  const strict = strictFaults(error.message);
  return strict.length > 0 ? strict : [{ field: '', message: error.message }];
}

/** What to do about a namespace that does not exist; undefined if that is not what is wrong. */
export function missingNamespace(error: ApiError): string | undefined {
  const { kind, name } = error.details ?? {};
  if (error.reason !== 'NotFound' || kind !== 'namespaces' || name === undefined) return undefined;
  return `${error.message}: add it to the files (kind: Namespace, name: ${name}), or choose another with -n`;
}

/** The fields of a strict decoding error, which names them in its text alone. */
function strictFaults(message: string): Fault[] {
  const [, faults] = /strict decoding error: (.*)$/s.exec(message) ?? [];
  if (faults === undefined) return [];
  return [...faults.matchAll(/(unknown|duplicate) field "((?:[^"\\]|\\.)*)"/g)].map(
    ([, what = '', field = '']) => ({
      field,
      message:
        what === 'unknown'
          ? 'unknown field: remove it or check its spelling'
          : 'is given twice: remove one',
    }),
  );
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
