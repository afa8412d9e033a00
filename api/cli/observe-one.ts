import { resourcePath } from '../client/resource-client.ts';
import { isObject, own, type JsonObject } from '../machinery/json.ts';
import type { Connection } from './connection.ts';
import type { Context } from './context.ts';
import { observe, type Observation } from './observe.ts';

export interface OneObject {
  resource: Parameters<typeof resourcePath>[0];
  namespace: string | undefined;
  name: string;
}

/** How one object stands: first as it is found, undefined if it is not there, then at each change. */
export async function* observeOne(
  context: Context,
  connection: Connection,
  { resource, namespace, name }: OneObject,
  signal: AbortSignal,
): AsyncGenerator<{ type: Observation['type']; object: JsonObject | undefined }, void, undefined> {
  const observations = observe(
    {
      path: resourcePath(resource, { namespace }),
      query: { fieldSelector: `metadata.name=${name}` },
    },
    {
      transport: connection.transport,
      send: (request) => connection.send(request),
      clock: context.clock,
      signal,
      onRetry: (reason) => context.stderr.write(`watch interrupted, trying again: ${reason}\n`),
    },
  );
  for await (const { type, body } of observations) {
    const items = isObject(body) && type === 'LIST' ? own(body, 'items') : [body];
    const [object] = Array.isArray(items) ? items.filter(isObject) : [];
    yield { type, object };
  }
}
