import { resourcePath } from '../../client/resource-client.ts';
import { isApiError } from '../../machinery/errors.ts';
import { isObject, own, type JsonObject } from '../../machinery/json.ts';
import type { Connection } from '../connection.ts';
import { CommandError } from '../errors.ts';
import type { Kind, Target } from '../kinds.ts';
import { metadataText } from '../output/table.ts';
import { fetchPages } from '../pages.ts';

/** One object that is to be changed. */
export interface Chosen {
  resource: Kind;
  name: string;
  path: string;
}

export interface Selection {
  selector?: string | undefined;
  /** All of the kind in the namespace. */
  all: boolean;
}

/** The objects that operands name, or of a kind those that are selected. */
export async function chosenObjects(
  connection: Connection,
  targets: readonly Target[],
  { selector, all }: Selection,
): Promise<Chosen[]> {
  const open = targets.find(({ names }) => names.length === 0);
  if (open !== undefined && !all && selector === undefined) {
    const { plural } = open.resource;
    throw new CommandError('usage', `say which ${plural}: by name, with -l or with --all`);
  }
  if (open === undefined && (all || selector !== undefined)) {
    throw new CommandError('usage', 'names exclude -l and --all; give one of them');
  }
  const chosen: Chosen[] = [];
  for (const { resource, names } of targets) {
    const namespace = connection.namespaceFor(resource);
    const found =
      names.length > 0 ? names : await namesIn(connection, resource, namespace, selector);
    for (const name of found) {
      chosen.push({ resource, name, path: resourcePath(resource, { namespace, name }) });
    }
  }
  if (chosen.length === 0) throw new CommandError('failed', 'nothing matches');
  return chosen;
}

async function namesIn(
  connection: Connection,
  resource: Kind,
  namespace: string | undefined,
  selector: string | undefined,
): Promise<string[]> {
  const query: Record<string, string> = selector === undefined ? {} : { labelSelector: selector };
  const path = resourcePath(resource, { namespace });
  const pages = await fetchPages(connection, { path, query });
  const items = pages.flatMap((page) => (isObject(page) ? own(page, 'items') : []));
  return items.filter(isObject).map((item) => metadataText(item, 'name'));
}

export async function readObject(
  { send }: Pick<Connection, 'send'>,
  path: string,
): Promise<JsonObject> {
  const body = await send({ method: 'GET', path });
  if (isObject(body)) return body;
  throw new CommandError('failed', 'the server answered with something that is no object');
}

/** Attempts against others who write the same object at the same time. */
const maxAttempts = 5;

/** Tries again, from reading on, when somebody has changed the object meanwhile. */
export async function againstOthers<T>(attempt: () => Promise<T>): Promise<T> {
  for (let count = 1; ; count += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!isApiError(error, 'Conflict') || count === maxAttempts) throw error;
    }
  }
}
