import { resourcePath } from '../../client/resource-client.ts';
import { isApiError } from '../../machinery/errors.ts';
import { isObject, type JsonObject } from '../../machinery/json.ts';
import type { Connection } from '../connection.ts';
import type { Item } from '../manifest/check.ts';
import { versionOf } from '../observe.ts';
import { metadataText } from '../output/table.ts';
import { lastAppliedOf, withLastApplied } from './last-applied.ts';
import { threeWayMergePatch } from './merge.ts';

export interface Written {
  outcome: 'created' | 'configured' | 'unchanged';
  /** The object before; undefined if it was created. */
  before: JsonObject | undefined;
  /** The object as the server has it now, or would have it after a dry run. */
  after: JsonObject;
  warnings: string[];
}

/** Attempts against others who write the same object at the same time. */
const maxAttempts = 5;

/** Makes one object what its document says: creates it, or sends the difference. */
export async function writeItem(
  connection: Pick<Connection, 'send'>,
  item: Item,
  dryRun: boolean,
): Promise<Written> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const live = await find(connection, item);
      return live === undefined
        ? await create(connection, item, dryRun)
        : await change(connection, item, live, dryRun);
    } catch (error) {
      // Somebody changed, created or deleted it between our read and our write: look again.
      const raced =
        isApiError(error, 'Conflict', 'AlreadyExists') ||
        (isApiError(error, 'NotFound') && error.details?.name === item.name);
      if (!raced || attempt === maxAttempts) throw error;
    }
  }
}

/** Takes back what writeItem did, unless somebody has written since. */
export async function undoItem(
  connection: Pick<Connection, 'send'>,
  item: Item,
  { before, after }: Written,
): Promise<void> {
  const path = pathOf(item);
  const resourceVersion = versionOf(after) ?? '';
  if (before === undefined) {
    const preconditions = { uid: metadataText(after, 'uid'), resourceVersion };
    const body = { kind: 'DeleteOptions', apiVersion: 'v1', preconditions };
    await connection.send({ method: 'DELETE', path, body });
    return;
  }
  const metadata = isObject(before['metadata']) ? before['metadata'] : {};
  const body = { ...before, metadata: { ...metadata, resourceVersion } };
  await connection.send({ method: 'PUT', path, query: writeQuery(false), body });
}

async function find(
  connection: Pick<Connection, 'send'>,
  item: Item,
): Promise<JsonObject | undefined> {
  try {
    return asObject(await connection.send({ method: 'GET', path: pathOf(item) }));
  } catch (error) {
    if (isApiError(error, 'NotFound')) return undefined;
    throw error;
  }
}

async function create(
  connection: Pick<Connection, 'send'>,
  item: Item,
  dryRun: boolean,
): Promise<Written> {
  const answer = await connection.send({
    method: 'POST',
    path: resourcePath(item.resource, { namespace: item.namespace }),
    query: writeQuery(dryRun),
    body: withLastApplied(item.document),
  });
  return { outcome: 'created', before: undefined, after: asObject(answer), warnings: [] };
}

async function change(
  connection: Pick<Connection, 'send'>,
  item: Item,
  live: JsonObject,
  dryRun: boolean,
): Promise<Written> {
  const original = lastAppliedOf(live);
  const patch = threeWayMergePatch(original, withLastApplied(item.document), live);
  const warnings = warningsAbout(live, original);
  if (Object.keys(patch).length === 0) {
    return { outcome: 'unchanged', before: live, after: live, warnings };
  }
  const answer = await connection.send({
    method: 'PATCH',
    path: pathOf(item),
    query: writeQuery(dryRun),
    contentType: 'application/merge-patch+json',
    body: patch,
  });
  const after = asObject(answer);
  const same = !dryRun && versionOf(after) === versionOf(live);
  return { outcome: same ? 'unchanged' : 'configured', before: live, after, warnings };
}

function warningsAbout(live: JsonObject, original: JsonObject | undefined): string[] {
  return [
    ...(metadataText(live, 'deletionTimestamp') === ''
      ? []
      : ['is being deleted; what is applied goes with it']),
    ...(original === undefined
      ? ['was not made with apply: fields that the file does not have stay as they are']
      : []),
  ];
}

function pathOf({ resource, namespace, name }: Item): string {
  return resourcePath(resource, { namespace, name });
}

function writeQuery(dryRun: boolean): Record<string, string> {
  return {
    fieldManager: 'cosm-client-side-apply',
    fieldValidation: 'Strict',
    ...(dryRun ? { dryRun: 'All' } : {}),
  };
}

function asObject(body: unknown): JsonObject {
  if (isObject(body)) return body;
  throw new TypeError('the server answered a write with something that is no object');
}
