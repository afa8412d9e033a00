import type { ResourceClient } from '../../api/client/client.ts';
import type { KubeObject } from '../../api/machinery/metadata.ts';

const pageSize = 500;

/** Every stored object of a kind, in one namespace or in all, by the newest state. */
export async function allOf<T extends KubeObject>(
  client: ResourceClient<T>,
  namespace: string | undefined,
): Promise<T[]> {
  const objects: T[] = [];
  let token: string | undefined;
  do {
    const page = await client.list({
      ...(namespace === undefined ? {} : { namespace }),
      limit: pageSize,
      ...(token === undefined ? {} : { continue: token }),
    });
    objects.push(...page.items);
    token = page.continue;
  } while (token !== undefined);
  return objects;
}
