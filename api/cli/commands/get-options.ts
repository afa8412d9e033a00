import { resourcePath } from '../../client/resource-client.ts';
import type { Connection } from '../connection.ts';
import type { Context } from '../context.ts';
import { qualifiedName, type Target } from '../kinds.ts';
import type { OutputFormat } from '../output/objects.ts';
import { painterFor } from '../output/paint.ts';
import { TablePrinter } from '../output/table.ts';

export interface GetOptions {
  selector?: string | undefined;
  fieldSelector?: string | undefined;
  allNamespaces: boolean;
  sortBy?: string | undefined;
  headers: boolean;
  showManagedFields: boolean;
  format: OutputFormat;
}

/** Path and query of a collection as the options select from it. */
export function collectionOf(
  connection: Connection,
  { resource }: Target,
  get: Pick<GetOptions, 'selector' | 'fieldSelector' | 'allNamespaces'>,
): { path: string; query: Record<string, string> } {
  const namespace = get.allNamespaces ? undefined : connection.namespaceFor(resource);
  return {
    path: resourcePath(resource, { namespace }),
    query: {
      ...(get.selector === undefined ? {} : { labelSelector: get.selector }),
      ...(get.fieldSelector === undefined ? {} : { fieldSelector: get.fieldSelector }),
    },
  };
}

export function tablePrinter(
  context: Context,
  { resource }: Target,
  get: GetOptions,
  severalKinds: boolean,
): TablePrinter {
  return new TablePrinter({
    wide: get.format.type === 'table' && get.format.wide,
    withNamespace: get.allNamespaces && resource.namespaced,
    headers: get.headers,
    painter: painterFor(context),
    ...(severalKinds ? { kindPrefix: qualifiedName(resource, '').slice(0, -1) } : {}),
  });
}
