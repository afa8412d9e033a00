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
  /** What a person should know, said once for all objects that it is about. */
  warnings: string[];
}

/** Attempts against others who write the same object at the same time. */
const maxAttempts = 5;

/** Makes one object what its document says; a dry run only asks what would come of it. */
export type WriteItem = (
  connection: Pick<Connection, 'send'>,
  item: Item,
  dryRun: boolean,
) => Promise<Written>;

/** The manager of fields that were merged on this side. */
export const clientSideManager = 'cosm-client-side-apply';

/** Merges on this side: creates the object, or sends the difference. */
export const clientSide: WriteItem = (connection, item, dryRun) =>
  retried(item, async () => {
    const live = await findItem(connection, item);
    return live === undefined
      ? await create(connection, item, dryRun)
      : await change(connection, item, live, dryRun);
  });

/** Tries again when somebody changed, created or deleted the object between our read and our write. */
export async function retried<T>(item: Item, attempt: () => Promise<T>): Promise<T> {
  for (let count = 1; ; count += 1) {
    try {
      return await attempt();
    } catch (error) {
      const raced =
        (isApiError(error, 'Conflict', 'AlreadyExists') && !isOwnershipConflict(error)) ||
        (isApiError(error, 'NotFound') && error.details?.name === item.name);
      if (!raced || count === maxAttempts) throw error;
    }
  }
}

/** Whether others own fields that were to be changed: nothing to be gained by trying again. */
export function isOwnershipConflict(error: unknown): boolean {
  return (
    isApiError(error, 'Conflict') &&
    (error.details?.causes ?? []).some(({ reason }) => reason === 'FieldManagerConflict')
  );
}

/** Takes back what a WriteItem did, unless somebody has written since. */
export async function undoItem(
  connection: Pick<Connection, 'send'>,
  item: Item,
  { before, after }: Written,
): Promise<void> {
  const path = pathOf({ ...item, name: metadataText(after, 'name') });
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

export async function findItem(
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
      : ['being deleted; what is applied goes with it']),
    ...(original === undefined
      ? ['not made with apply: fields that the file does not have stay as they are']
      : []),
  ];
}

export function pathOf({
  resource,
  namespace,
  name,
}: Pick<Item, 'resource' | 'namespace' | 'name'>): string {
  return resourcePath(resource, { namespace, name });
}

function writeQuery(dryRun: boolean): Record<string, string> {
  return {
    fieldManager: clientSideManager,
    fieldValidation: 'Strict',
    ...(dryRun ? { dryRun: 'All' } : {}),
  };
}

export function asObject(body: unknown): JsonObject {
  if (isObject(body)) return body;
  throw new TypeError('the server answered a write with something that is no object');
}
