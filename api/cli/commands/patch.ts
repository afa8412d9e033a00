import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parse, YAMLParseError } from 'yaml';
import { z } from 'zod';
import { jsonEqual } from '../../machinery/json.ts';
import { apiVersionOf } from '../../machinery/metadata.ts';
import { resources } from '../../v1/resources.ts';
import { readObject } from '../change/objects.ts';
import { changeShape, writeQueryOf } from '../change/options.ts';
import { resourcePath } from '../../client/resource-client.ts';
import { withConnection } from '../connection.ts';
import type { Context, Invocation } from '../context.ts';
import { withKinds } from '../discovery.ts';
import { CommandError } from '../errors.ts';
import type { Kind } from '../kinds.ts';
import { parseOptions } from '../options.ts';
import { tellWritten } from '../output/written.ts';

const shape = {
  ...changeShape,
  patch: z.string().optional(),
  patchFile: z.string().optional(),
  type: z.enum(['strategic', 'merge', 'json'], 'there is strategic, merge and json').optional(),
  subresource: z.enum(['status', 'scale'], 'there is status and scale').optional(),
};

const contentTypes = {
  strategic: 'application/strategic-merge-patch+json',
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
} as const;

export async function run({ context, args, options }: Invocation): Promise<void> {
  const parsed = parseOptions(shape, options);
  const body = await patchOf(context, parsed);
  const { subresource } = parsed;
  const tell = tellWritten(context, parsed);
  await withConnection(context, parsed, async (connection) => {
    const targets = await withKinds(connection, (kinds) => kinds.namedTargets(args));
    for (const { resource, names } of targets) {
      const type = parsed.type ?? (isListed(body) ? 'json' : usualType(resource, subresource));
      const namespace = connection.namespaceFor(resource);
      for (const name of names) {
        const path = resourcePath(resource, { namespace, name }, subresource);
        const before = await readObject(connection, path);
        const after = await connection.send({
          method: 'PATCH',
          path,
          query: writeQueryOf(parsed, 'patch'),
          contentType: contentTypes[type],
          body,
        });
        tell(resource, after, jsonEqual(before, after) ? 'patched (no change)' : 'patched');
      }
    }
  });
}

async function patchOf(
  { cwd }: Context,
  { patch, patchFile }: { patch?: string | undefined; patchFile?: string | undefined },
): Promise<unknown> {
  if ((patch === undefined) === (patchFile === undefined)) {
    throw new CommandError('usage', 'give the patch with -p or with --patch-file');
  }
  const [source, text] =
    patchFile === undefined ? ['-p', patch ?? ''] : [patchFile, await textOf(cwd, patchFile)];
  const body = parsedPatch(source, text);
  if (typeof body === 'object' && body !== null) return body;
  throw new CommandError('usage', `${source}: a patch is an object, or a list of operations`);
}

/** YAML, and so JSON. */
function parsedPatch(source: string, text: string): unknown {
  try {
    return parse(text, { maxAliasCount: 0 });
  } catch (error) {
    if (!(error instanceof YAMLParseError || error instanceof ReferenceError)) throw error;
    throw new CommandError('usage', `${source}: ${error.message}`, error);
  }
}

async function textOf(cwd: string, file: string): Promise<string> {
  try {
    return await readFile(resolve(cwd, file), 'utf8');
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new CommandError('usage', `cannot read ${file}: ${message}`, error);
  }
}

function isListed(body: unknown): boolean {
  return Array.isArray(body);
}

/** Only kinds of Kubernetes' own know how to merge lists. */
function usualType({ gvk }: Kind, subresource: string | undefined): 'strategic' | 'merge' {
  const own = resources.find(
    (one) => one.gvk.kind === gvk.kind && apiVersionOf(one.gvk) === apiVersionOf(gvk),
  );
  return own?.strategicMerge === true && subresource !== 'scale' ? 'strategic' : 'merge';
}
