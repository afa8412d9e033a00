import { isApiError } from '../machinery/errors.ts';
import { isObject } from '../machinery/json.ts';
import type { Connection } from './connection.ts';

const pageSize = '500';

/**
 * All pages of a collection, as objects or Tables. Should the state that the pages come from expire on
 * the way, the list is fetched again in one piece: pages of two states do not fit together.
 */
export async function fetchPages(
  { send }: Pick<Connection, 'send'>,
  collection: { path: string; query: Readonly<Record<string, string>> },
  accept?: string,
  query: Readonly<Record<string, string>> = {},
): Promise<unknown[]> {
  const page = (paging: Record<string, string>): Promise<unknown> =>
    send({
      method: 'GET',
      path: collection.path,
      query: { ...collection.query, ...query, ...paging },
      ...(accept === undefined ? {} : { accept }),
    });
  const pages: unknown[] = [];
  let token: string | undefined;
  do {
    try {
      const body = await page({
        limit: pageSize,
        ...(token === undefined ? {} : { continue: token }),
      });
      pages.push(body);
      token = continueToken(body);
    } catch (error) {
      if (token === undefined || !isApiError(error, 'Expired', 'Gone')) throw error;
      return [await page({})];
    }
  } while (token !== undefined);
  return pages;
}

function continueToken(body: unknown): string | undefined {
  const metadata: unknown = isObject(body) ? body['metadata'] : undefined;
  const token: unknown = isObject(metadata) ? metadata['continue'] : undefined;
  return typeof token === 'string' && token !== '' ? token : undefined;
}
