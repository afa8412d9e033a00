import { z } from 'zod';
import { apiVersionOf, type GroupVersionKind } from '../../machinery/metadata.ts';
import { resources } from '../../v1/resources.ts';
import { withConnection } from '../connection.ts';
import type { Invocation } from '../context.ts';
import { CommandError } from '../errors.ts';
import { descend, schemaOfKind, schemasOf } from '../explain/schema.ts';
import { explanation } from '../explain/text.ts';
import { withKinds } from '../discovery.ts';
import { parseOptions } from '../options.ts';

const shape = { recursive: z.boolean().default(false) };

export async function run({ context, args, options }: Invocation): Promise<void> {
  const parsed = parseOptions(shape, options);
  const [word = '', ...path] = (args[0] ?? '').split('.');
  await withConnection(context, parsed, async (connection) => {
    const gvk =
      reportedKind(word) ?? (await withKinds(connection, (kinds) => kinds.find(word))).gvk;
    const place = `${gvk.group === '' ? 'api' : 'apis'}/${apiVersionOf(gvk)}`;
    const document = await connection.send({ method: 'GET', path: `/openapi/v3/${place}` });
    const schemas = schemasOf(document);
    const found = schemas === undefined ? undefined : schemaOfKind(schemas, gvk.kind);
    if (schemas === undefined || found === undefined) {
      throw new CommandError('failed', `${connection.server} does not describe ${gvk.kind}`);
    }
    const { kind, node } = found;
    const explained = { ...gvk, kind, root: node, way: descend(schemas, node, path) };
    const lines = explanation(schemas, explained, parsed.recursive);
    context.stdout.write(lines.map((line) => `${line}\n`).join(''));
  });
}

/** The kind of what a subresource answers. */
function reportedKind(word: string): GroupVersionKind | undefined {
  for (const { gvk, subresources } of resources) {
    const reported = subresources.reports?.find(
      ({ kind }) => kind.toLowerCase() === word.toLowerCase(),
    );
    if (reported !== undefined) return { ...gvk, kind: reported.kind };
  }
  return undefined;
}
