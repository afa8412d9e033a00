import { isObject, type JsonObject } from '../../machinery/json.ts';
import type { Context } from '../context.ts';
import { CommandError } from '../errors.ts';
import { qualifiedName, type Kind } from '../kinds.ts';
import { formatDocument, parseOutputFormat, withoutManagedFields } from './objects.ts';
import { metadataText } from './table.ts';

/** Tells what has been done with an object, given as it is now. */
export type TellWritten = (resource: Kind, object: unknown, what: string) => void;

/**
 * `job.mesocosm.dev/web patched`; with `-o name` the name alone, with another `-o` the object as the
 * server answered it, several YAML documents with `---` between them.
 */
export function tellWritten(
  { stdout }: Pick<Context, 'stdout'>,
  { output, dryRun }: { output?: string | undefined; dryRun: string },
): TellWritten {
  const format = parseOutputFormat(output);
  if (format.type === 'table' && output !== undefined) {
    throw new CommandError(
      'usage',
      `-o ${output}: there is name, json, yaml and jsonpath=TEMPLATE`,
    );
  }
  let printed = 0;
  return (resource, object, what) => {
    const document: JsonObject = isObject(object) ? withoutManagedFields(object) : {};
    const name = qualifiedName(resource, metadataText(document, 'name'));
    if (format.type === 'table')
      stdout.write(`${name} ${what}${dryRun === 'none' ? '' : ' (dry run)'}\n`);
    else if (format.type === 'name') stdout.write(`${name}\n`);
    else {
      const between = format.type === 'yaml' && printed > 0 ? '---\n' : '';
      stdout.write(between + formatDocument(document, format));
    }
    printed += 1;
  };
}
