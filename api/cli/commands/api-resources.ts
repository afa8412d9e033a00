import { z } from 'zod';
import { apiVersionOf } from '../../machinery/metadata.ts';
import { withConnection } from '../connection.ts';
import type { Invocation } from '../context.ts';
import { servedKinds, type ServedKind } from '../discovery.ts';
import { qualifiedPlural } from '../kinds.ts';
import { parseOptions } from '../options.ts';
import { alignRows } from '../output/columns.ts';

const shape = {
  output: z.enum(['wide', 'name'], 'there is wide and name').optional(),
  namespaced: z.enum(['true', 'false'], 'is true or false').optional(),
  apiGroup: z.string().optional(),
  headers: z.boolean().default(true),
};

export async function run({ context, options }: Invocation): Promise<void> {
  const parsed = parseOptions(shape, options);
  const { output, namespaced, apiGroup, headers } = parsed;
  await withConnection(context, parsed, async (connection) => {
    const kinds = (await servedKinds(connection)).filter(
      (kind) =>
        (apiGroup === undefined || kind.gvk.group === apiGroup) &&
        (namespaced === undefined || kind.namespaced === (namespaced === 'true')),
    );
    if (output === 'name') {
      context.stdout.write(kinds.map((kind) => `${qualifiedPlural(kind)}\n`).join(''));
      return;
    }
    const isWide = output === 'wide';
    const titles = ['NAME', 'SHORTNAMES', 'APIVERSION', 'NAMESPACED', 'KIND'];
    const rows = [
      ...(headers ? [[...titles, ...(isWide ? ['VERBS', 'CATEGORIES'] : [])]] : []),
      ...kinds.map((kind) => rowOf(kind, isWide)),
    ];
    context.stdout.write(
      alignRows(rows)
        .map((row) => `${row}\n`)
        .join(''),
    );
  });
}

function rowOf(kind: ServedKind, isWide: boolean): string[] {
  const { gvk, plural, shortNames, namespaced, verbs, categories } = kind;
  const wide = isWide ? [verbs.join(','), categories.join(',')] : [];
  const version = apiVersionOf(gvk);
  return [plural, shortNames.join(','), version, String(namespaced), gvk.kind, ...wide];
}
