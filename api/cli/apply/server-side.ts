import {
  difference,
  fieldStep,
  noFields,
  union,
  type FieldSet,
} from '../../machinery/field-set.ts';
import { isObject, jsonEqual, own, type JsonObject } from '../../machinery/json.ts';
import { managedFieldsOf, parseManagedFields } from '../../machinery/managed-fields.ts';
import type { Connection } from '../connection.ts';
import type { Item } from '../manifest/check.ts';
import { versionOf } from '../observe.ts';
import { lastAppliedAnnotation } from './last-applied.ts';
import {
  asObject,
  clientSideManager,
  findItem,
  pathOf,
  retried,
  type WriteItem,
  type Written,
} from './write.ts';

export const serverSideManager = 'cosm';

/** Lets the server merge what a document says, and remember that it is this manager's. */
export function serverSide(options: { manager: string; force: boolean }): WriteItem {
  return (connection, item, dryRun) =>
    retried(item, async () => {
      const live = await findItem(connection, item);
      const adopting = !dryRun && options.manager === serverSideManager;
      const adopted = live !== undefined && adopting ? adoption(live) : undefined;
      if (adopted !== undefined) await patchOwners(connection, item, adopted);
      const after = await apply(connection, item, dryRun, options);
      return writtenOf(live, after);
    });
}

function writtenOf(before: JsonObject | undefined, after: JsonObject): Written {
  if (before === undefined) return { outcome: 'created', before, after, warnings: [] };
  // An apply that changes nothing answers with what is stored, to the letter.
  const outcome = jsonEqual(before, after) ? 'unchanged' : 'configured';
  return { outcome, before, after, warnings: [] };
}

async function apply(
  connection: Pick<Connection, 'send'>,
  item: Item,
  dryRun: boolean,
  { manager, force }: { manager: string; force: boolean },
): Promise<JsonObject> {
  const answer = await connection.send({
    method: 'PATCH',
    path: pathOf(item),
    query: {
      fieldManager: manager,
      fieldValidation: 'Strict',
      force: String(force),
      ...(dryRun ? { dryRun: 'All' } : {}),
    },
    contentType: 'application/apply-patch+yaml',
    body: item.document,
  });
  return asObject(answer);
}

/**
 * The managedFields of an object that this tool has applied on its own side: what it set there becomes
 * its own, so that a field goes with the document that does not say it any more. undefined: there is
 * nothing to adopt.
 */
function adoption(live: JsonObject): JsonObject[] | undefined {
  const metadata = own(live, 'metadata');
  const entries = isObject(metadata) ? own(metadata, 'managedFields') : undefined;
  const parsed = parseManagedFields(Array.isArray(entries) ? entries : undefined);
  if (parsed.kind !== 'owners') return undefined;
  const { owners } = parsed;
  const before = owners.find(
    ({ name, operation, subresource }) =>
      name === clientSideManager && operation === 'Update' && subresource === '',
  );
  if (before === undefined) return undefined;
  const mine = owners.find(
    ({ name, operation, subresource }) =>
      name === serverSideManager && operation === 'Apply' && subresource === '',
  );
  const fields = difference(union(mine?.fields ?? noFields, before.fields), annotation);
  const others = owners.filter((owner) => owner !== before && owner !== mine);
  const adopted = { ...before, name: serverSideManager, operation: 'Apply' as const, fields };
  const managedFields = managedFieldsOf([...others, adopted]);
  return [
    { op: 'replace', path: '/metadata/managedFields', value: managedFields },
    { op: 'replace', path: '/metadata/resourceVersion', value: versionOf(live) },
  ];
}

/** The annotation is nobody's own: the server keeps it true for whoever applies on its own side next. */
const annotation: FieldSet = {
  'f:metadata': { 'f:annotations': { '.': {}, [fieldStep(lastAppliedAnnotation)]: {} } },
};

async function patchOwners(
  connection: Pick<Connection, 'send'>,
  item: Item,
  operations: JsonObject[],
): Promise<void> {
  await connection.send({
    method: 'PATCH',
    path: pathOf(item),
    query: { fieldManager: clientSideManager },
    contentType: 'application/json-patch+json',
    body: operations,
  });
}
