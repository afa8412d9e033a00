import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument, type Document } from 'yaml';
import { z } from 'zod';
import { fieldPath } from '../../api/machinery/errors.ts';

/** A file or flag that says something wrong: every fault on a line, with its place and field. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Reads and checks a YAML file; an empty one is `{}`. Throws ConfigError. */
export function readYamlFile<T>(file: string, schema: z.ZodType<T>): T {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(error instanceof Error ? error.message : String(error), { cause: error });
  }
  return parseYaml(text, file, schema);
}

/** As readYamlFile, of the text that `file` has. */
export function parseYaml<T>(text: string, file: string, schema: z.ZodType<T>): T {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [fault] = document.errors;
  if (fault !== undefined) {
    const { line, col } = lines.linePos(fault.pos[0]);
    const [words = 'not YAML'] = fault.message.split('\n');
    throw new ConfigError(`${file}:${line}:${col}: ${words}`);
  }
  const result = schema.safeParse(document.toJS() ?? {});
  if (result.success) return result.data;
  const faults = faultsOf(result.error.issues).map(
    ({ path, message }) =>
      `${file}${placeOf(document, path, lines)}: ${fieldPath(path)}: ${message}`,
  );
  throw new ConfigError(faults.join('\n'));
}

interface Fault {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** Unknown fields one by one; of a choice between forms, the faults of the form that fits best. */
export function faultsOf(issues: readonly z.core.$ZodIssue[]): Fault[] {
  return issues.flatMap((issue): Fault[] => {
    const { path } = issue;
    if (issue.code === 'unrecognized_keys') {
      const message = 'unknown field: remove it or check its spelling';
      return issue.keys.map((key) => ({ path: [...path, key], message }));
    }
    if (issue.code === 'invalid_union') {
      const forms = issue.errors.map(faultsOf);
      const best = forms.find((faults) => faults.some((fault) => fault.path.length > 0));
      if (best !== undefined) {
        return best.map((fault) => ({ ...fault, path: [...path, ...fault.path] }));
      }
    }
    return [{ path, message: issue.message }];
  });
}

const ranged = z.object({ range: z.tuple([z.number(), z.number(), z.number()]) });

/** Of the field, or of the nearest one around it that is there. */
function placeOf(document: Document, path: readonly PropertyKey[], lines: LineCounter): string {
  for (let length = path.length; length >= 0; length--) {
    const found = ranged.safeParse(document.getIn(path.slice(0, length), true));
    if (!found.success) continue;
    const { line, col } = lines.linePos(found.data.range[0]);
    return `:${line}:${col}`;
  }
  return '';
}
