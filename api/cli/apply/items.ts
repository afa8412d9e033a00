import type { Connection } from '../connection.ts';
import type { Context } from '../context.ts';
import { allKinds } from '../discovery.ts';
import { CommandError } from '../errors.ts';
import { builtInKinds, Kinds } from '../kinds.ts';
import { check, duplicates, identify, type Item, type NamespaceChoice } from '../manifest/check.ts';
import { kindsDefinedBy } from '../manifest/definitions.ts';
import type { Manifest } from '../manifest/documents.ts';
import { readManifests } from '../manifest/sources.ts';
import { inOrder } from './order.ts';
import { refuse } from './refusal.ts';

/** All documents of files; ends the command if one cannot be read, or if there is none. */
export async function readAll(
  context: Context,
  files: readonly string[],
  recursive: boolean,
): Promise<readonly Manifest[]> {
  const { manifests, problems } = await readManifests(context, files, recursive);
  refuse(context, problems);
  if (manifests.length === 0) throw new CommandError('failed', `no object in ${files.join(', ')}`);
  return manifests;
}

/** All documents, checked on this side and in the order of writing; ends the command on any mistake. */
export function checkAll(
  context: Context,
  manifests: readonly Manifest[],
  choice: NamespaceChoice,
): Item[] {
  const identified = manifests.map((manifest) => identify(manifest, choice));
  const items = identified.flatMap(({ item }) => (item === undefined ? [] : [item]));
  const problems = identified.flatMap((each) => each.problems);
  refuse(context, [...problems, ...items.flatMap(check), ...duplicates(items)]);
  return inOrder(items);
}

/** The same with the kinds that the server has and the files define. */
export async function itemsOf(
  context: Context,
  connection: Connection,
  manifests: readonly Manifest[],
): Promise<Item[]> {
  return checkAll(context, manifests, {
    namespace: connection.namespace,
    namespaceChosen: connection.namespaceChosen,
    kinds: await kindsFor(connection, manifests),
  });
}

/** The server is asked only if a document is of a kind that nobody here knows. */
export async function kindsFor(
  connection: Pick<Connection, 'send'>,
  manifests: readonly Manifest[],
): Promise<Kinds> {
  const defined = manifests.flatMap(({ value }) => kindsDefinedBy(value));
  const known = new Kinds([...builtInKinds.all, ...defined]);
  const isKnown = ({ value: { apiVersion, kind } }: Manifest): boolean =>
    typeof apiVersion !== 'string' ||
    typeof kind !== 'string' ||
    known.ofObject(apiVersion, kind) !== undefined;
  if (manifests.every(isKnown)) return known;
  return new Kinds([...known.all, ...(await allKinds(connection)).all]);
}
