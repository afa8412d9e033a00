import { resourcePath } from '../../client/resource-client.ts';
import { isApiError } from '../../machinery/errors.ts';
import { isObject, own, type JsonObject } from '../../machinery/json.ts';
import { mapBounded } from '../bounded.ts';
import type { Connection } from '../connection.ts';
import type { Context } from '../context.ts';
import { allKinds } from '../discovery.ts';
import { builtInKinds, type Kind, type Kinds } from '../kinds.ts';
import { problemAt, type Item } from '../manifest/check.ts';
import type { Problem } from '../manifest/documents.ts';
import { metadataText } from '../output/table.ts';
import { fetchPages } from '../pages.ts';
import {
  applySetId,
  applySetManager,
  extentOf,
  groupKindOf,
  kindOfGroupKind,
  parentDocument,
  partOfLabel,
  unionOf,
  type Extent,
  type Parent,
} from './applyset.ts';
import { rankOfKind } from './order.ts';
import type { Done } from './trial.ts';

/** A member of the set that the files do not have. */
export interface Surplus {
  resource: Kind;
  namespace: string | undefined;
  name: string;
  uid: string;
  /** That is being deleted already. */
  isGoing: boolean;
}

const listsAtOnce = 8;

/** One run of a set: what it was, what the files make of it, and what of it is to go. */
export class ApplySet {
  readonly #connection: Connection;
  readonly #parent: Parent;
  readonly #kinds: Kinds;
  /** As the last run left it. */
  readonly #before: Extent;
  #after: Extent;
  /** What the files have. */
  #named = new Set<string>();

  private constructor(connection: Connection, parent: Parent, kinds: Kinds, before: Extent) {
    this.#connection = connection;
    this.#parent = parent;
    this.#kinds = kinds;
    this.#before = before;
    this.#after = { groupKinds: new Set(), namespaces: new Set([parent.namespace]) };
  }

  /** Reads the parent, which need not exist yet. Changes nothing. */
  static async open(context: Context, connection: Connection, parent: Parent): Promise<ApplySet> {
    const nothing: Extent = { groupKinds: new Set(), namespaces: new Set([parent.namespace]) };
    const stored = await find(connection, parent);
    if (stored === undefined) return new ApplySet(connection, parent, builtInKinds, nothing);
    const kinds = await allKinds(connection);
    const before = extentOf(parent, stored, kinds);
    for (const groupKind of before.groupKinds) {
      if (kindOfGroupKind(kinds, groupKind) !== undefined) continue;
      const what = `the set has had objects of ${groupKind}, which the server no longer serves`;
      context.stderr.write(`Warning: ${what}\n`);
    }
    return new ApplySet(connection, parent, kinds, before);
  }

  get selector(): string {
    return `${partOfLabel}=${applySetId(this.#parent)}`;
  }

  /** The items as members. A file may not name the set itself. */
  members(items: readonly Item[]): { items: Item[]; problems: Problem[] } {
    const id = applySetId(this.#parent);
    const problems: Problem[] = [];
    const members = items.map((item) => {
      const metadata = objectAt(item.document, 'metadata');
      const labels = objectAt(metadata, 'labels');
      if (own(labels, partOfLabel) !== undefined) {
        const message = 'Forbidden: --applyset sets it; remove it from the file';
        problems.push(
          problemAt(item.manifest, { field: `metadata.labels[${partOfLabel}]`, message }),
        );
      }
      const labelled = { ...metadata, labels: { ...labels, [partOfLabel]: id } };
      return { ...item, document: { ...item.document, metadata: labelled } };
    });
    this.#named = new Set(items.map(keyOf));
    this.#after = {
      groupKinds: new Set(items.map(({ resource }) => groupKindOf(resource))),
      namespaces: new Set([
        this.#parent.namespace,
        ...items.flatMap(({ namespace }) => namespace ?? []),
      ]),
    };
    return { items: members, problems };
  }

  /** Objects that are of another set: to take them would let that one prune or change them. */
  strangers(done: readonly Done[]): Problem[] {
    const id = applySetId(this.#parent);
    return done.flatMap(({ item, written }) => {
      const labels = objectAt(objectAt(written.before ?? {}, 'metadata'), 'labels');
      const other = own(labels, partOfLabel);
      if (typeof other !== 'string' || other === id) return [];
      const message = `Forbidden: the object is of another ApplySet, ${other}; remove it there first`;
      return [problemAt(item.manifest, { field: 'metadata.name', message })];
    });
  }

  /** The parent tells of all that may be in the set, before anything is: nothing is ever lost sight of. */
  async cover(): Promise<void> {
    await this.#apply(unionOf(this.#before, this.#after));
  }

  /** After everything is pruned. */
  async settle(): Promise<void> {
    await this.#apply(this.#after);
  }

  /** Members that the files do not have, those first that need others. */
  async surplus(): Promise<Surplus[]> {
    const places = [...this.#before.groupKinds].flatMap((groupKind) => {
      const resource = kindOfGroupKind(this.#kinds, groupKind);
      if (resource === undefined) return [];
      const namespaces: (string | undefined)[] = resource.namespaced
        ? [...this.#before.namespaces]
        : [undefined];
      return namespaces.map((namespace) => ({ resource, namespace }));
    });
    const found = await mapBounded(places, listsAtOnce, ({ resource, namespace }) =>
      this.#membersAt(resource, namespace),
    );
    return found
      .flat()
      .filter((member) => !this.#named.has(keyOf(member)))
      .sort((left, right) => rank(right) - rank(left));
  }

  async #membersAt(resource: Kind, namespace: string | undefined): Promise<Surplus[]> {
    const path = resourcePath(resource, { namespace });
    const query = { labelSelector: this.selector };
    const pages = await fetchPages(this.#connection, { path, query });
    const items = pages.flatMap((page) => (isObject(page) ? own(page, 'items') : []));
    return items.filter(isObject).map((item) => ({
      resource,
      namespace,
      name: metadataText(item, 'name'),
      uid: metadataText(item, 'uid'),
      isGoing: metadataText(item, 'deletionTimestamp') !== '',
    }));
  }

  /** Deletes exactly this object, not one that has come in its place. */
  async remove({ resource, namespace, name, uid }: Surplus): Promise<void> {
    try {
      await this.#connection.send({
        method: 'DELETE',
        path: resourcePath(resource, { namespace, name }),
        body: {
          kind: 'DeleteOptions',
          apiVersion: 'v1',
          propagationPolicy: 'Background',
          preconditions: { uid },
        },
      });
    } catch (error) {
      if (!isApiError(error, 'NotFound')) throw error;
    }
  }

  async #apply(extent: Extent): Promise<void> {
    const { plural, namespace, name } = this.#parent;
    await this.#connection.send({
      method: 'PATCH',
      path: `/api/v1/namespaces/${namespace}/${plural}/${name}`,
      query: { fieldManager: applySetManager, fieldValidation: 'Strict', force: 'true' },
      contentType: 'application/apply-patch+yaml',
      body: parentDocument(this.#parent, extent),
    });
  }
}

async function find(connection: Connection, parent: Parent): Promise<unknown> {
  const { plural, namespace, name } = parent;
  try {
    return await connection.send({
      method: 'GET',
      path: `/api/v1/namespaces/${namespace}/${plural}/${name}`,
    });
  } catch (error) {
    if (isApiError(error, 'NotFound')) return undefined;
    throw error;
  }
}

function keyOf({
  resource,
  namespace,
  name,
}: Pick<Item, 'resource' | 'namespace' | 'name'>): string {
  return `${groupKindOf(resource)}/${namespace ?? ''}/${name}`;
}

function rank({ resource }: Surplus): number {
  return rankOfKind(resource.gvk.kind);
}

function objectAt(object: JsonObject, key: string): JsonObject {
  const value = own(object, key);
  return isObject(value) ? value : {};
}
