import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resourcePath } from '../../client/resource-client.ts';
import { isApiError } from '../../machinery/errors.ts';
import { isObject, type JsonObject } from '../../machinery/json.ts';
import { withConnection, type Connection } from '../connection.ts';
import type { Context, Invocation } from '../context.ts';
import { withKinds } from '../discovery.ts';
import { bodyOf, editorText, overlaps, patchOf, withoutComments } from '../edit/text.ts';
import { CommandError } from '../errors.ts';
import { qualifiedName } from '../kinds.ts';
import { versionOf } from '../observe.ts';
import { parseOptions } from '../options.ts';
import { refusalText } from '../report.ts';
import { runTool, toolOf } from '../tool.ts';

const manager = 'cosm-edit';

/** Attempts against others who write the same object at the same time. */
const maxAttempts = 5;

export async function run({ context, args, options }: Invocation): Promise<void> {
  const parsed = parseOptions({}, options);
  await withConnection(context, parsed, async (connection) => {
    const targets = await withKinds(connection, (kinds) => kinds.namedTargets(args));
    for (const { resource, names } of targets) {
      const namespace = connection.namespaceFor(resource);
      for (const name of names) {
        const path = resourcePath(resource, { namespace, name });
        const outcome = await edit(context, connection, path);
        context.stdout.write(`${qualifiedName(resource, name)} ${outcome}\n`);
      }
    }
  });
}

async function edit(context: Context, connection: Connection, path: string): Promise<string> {
  const original = await read(connection, path);
  const directory = await mkdtemp(join(tmpdir(), 'cosm-edit-'));
  const file = join(directory, 'object.yaml');
  let keep = false;
  try {
    const result = await session(context, connection, { path, original, file });
    if (result.outcome !== undefined) return result.outcome;
    keep = true;
    throw new CommandError('failed', `${result.reason}\nyour text is kept in ${file}`);
  } finally {
    if (!keep) await rm(directory, { recursive: true, force: true });
  }
}

interface Editing {
  path: string;
  original: JsonObject;
  /** Where the text is. */
  file: string;
}

type Result = { outcome: string; reason?: never } | { outcome?: never; reason: string };

/** Opens the editor again, with what is wrong above the text, until it is right or comes back unchanged. */
async function session(
  context: Context,
  connection: Connection,
  { path, original, file }: Editing,
): Promise<Result> {
  let body = bodyOf(original);
  let remarks: string[] = [];
  for (;;) {
    await writeFile(file, editorText(body, remarks), { mode: 0o600 });
    const code = await runTool([...toolOf(context.env, ['KUBE_EDITOR', 'EDITOR'], ['vi']), file]);
    if (code !== 0) return { reason: `the editor ended with ${code}` };
    const text = withoutComments(await readFile(file, 'utf8'));
    if (text.trim() === '') return { outcome: 'not changed' };
    const isRepeated = remarks.length > 0 && text === withoutComments(body);
    if (isRepeated) return { reason: remarks.join('\n') };
    body = text;
    const edited = patchOf(original, text);
    if ('problems' in edited) {
      remarks = edited.problems;
      continue;
    }
    if (Object.keys(edited.patch).length === 0) return { outcome: 'not changed' };
    try {
      return await send(connection, path, original, edited.patch);
    } catch (error) {
      const isRefusal = isApiError(error, 'Invalid', 'BadRequest', 'Forbidden');
      if (!isRefusal) {
        if (!isApiError(error)) throw error;
        return { reason: refusalText(error) };
      }
      remarks = refusalText(error).split('\n');
    }
  }
}

/** Never over what somebody else has changed since: another part of the object may have changed. */
async function send(
  connection: Connection,
  path: string,
  original: JsonObject,
  patch: JsonObject,
): Promise<Result> {
  let live = original;
  for (let attempt = 1; ; attempt += 1) {
    const metadata = isObject(patch['metadata']) ? patch['metadata'] : {};
    const body = { ...patch, metadata: { ...metadata, resourceVersion: versionOf(live) } };
    try {
      const after = await connection.send({
        method: 'PATCH',
        path,
        query: { fieldManager: manager, fieldValidation: 'Strict' },
        contentType: 'application/merge-patch+json',
        body,
      });
      return { outcome: versionOf(after) === versionOf(live) ? 'not changed' : 'edited' };
    } catch (error) {
      if (!isApiError(error, 'Conflict') || attempt === maxAttempts) throw error;
    }
    live = await read(connection, path);
    const both = overlaps(patch, original, live);
    if (both.length > 0) {
      return { reason: `somebody has changed ${both.join(', ')} meanwhile; nothing was written` };
    }
  }
}

async function read(connection: Connection, path: string): Promise<JsonObject> {
  const body = await connection.send({ method: 'GET', path });
  if (isObject(body)) return body;
  throw new CommandError('failed', 'the server answered with something that is no object');
}
