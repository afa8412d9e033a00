import type { Command } from 'commander';
import { z } from 'zod';
import { resourcePath } from '../../client/resource-client.ts';
import { AccessError } from '../../client/access.ts';
import { KubeconfigError } from '../../client/kubeconfig.ts';
import { TransportError } from '../../client/transport.ts';
import { isApiError } from '../../machinery/errors.ts';
import { isObject, own } from '../../machinery/json.ts';
import { namespaceResource } from '../../v1/core.ts';
import { complete, type Lookups } from '../completion/candidates.ts';
import { withConnection, type Connection } from '../connection.ts';
import type { Invocation } from '../context.ts';
import { allKinds } from '../discovery.ts';
import { CommandError } from '../errors.ts';
import { builtInKinds, type Kind } from '../kinds.ts';
import { metadataText } from '../output/table.ts';
import { globalOptions } from '../options.ts';

/** A person waits with a key pressed. */
const patience = '1s';
const mostNames = '500';

/** Prints what may come next, a word and its description a line; nothing at all if the server is away. */
export async function completeLine(program: Command, { context, args }: Invocation): Promise<void> {
  const parsed = z.object(globalOptions).parse(optionsIn(args));
  const ask = async <T>(otherwise: T, use: (connection: Connection) => Promise<T>): Promise<T> => {
    try {
      return await withConnection(context, { ...parsed, requestTimeout: patience }, use);
    } catch (error) {
      if (isExpected(error)) return otherwise;
      throw error;
    }
  };
  const lookups: Lookups = {
    kinds: () => ask<readonly Kind[]>(builtInKinds.all, async (to) => (await allKinds(to)).all),
    namespaces: () => ask<readonly string[]>([], (to) => namesOf(to, namespaceResource)),
    names: (kind) => ask<readonly string[]>([], (to) => namesOf(to, kind)),
  };
  const { candidates, files } = await complete(program, args, lookups);
  if (files) context.stdout.write(':files\n');
  for (const { word, description } of candidates) context.stdout.write(`${word}\t${description}\n`);
}

async function namesOf(connection: Connection, kind: Kind): Promise<string[]> {
  const namespace = connection.namespaceFor(kind);
  const body = await connection.send({
    method: 'GET',
    path: resourcePath(kind, { namespace }),
    query: { limit: mostNames },
    accept: 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json',
  });
  const items = isObject(body) ? own(body, 'items') : [];
  const objects = Array.isArray(items) ? items.filter(isObject) : [];
  return objects.map((object) => metadataText(object, 'name'));
}

/** Somebody types: no word of what keeps us from helping. */
function isExpected(error: unknown): boolean {
  return (
    isApiError(error) ||
    [TransportError, AccessError, KubeconfigError, CommandError].some(
      (type) => error instanceof type,
    )
  );
}

const connecting: Readonly<Record<string, string>> = {
  '-n': 'namespace',
  '--namespace': 'namespace',
  '--context': 'context',
  '--kubeconfig': 'kubeconfig',
  '--server': 'server',
};

/** Where the line that is typed would go, as far as it says. */
function optionsIn(words: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [index, word] of words.slice(0, -2).entries()) {
    const option = Object.hasOwn(connecting, word) ? connecting[word] : undefined;
    if (option !== undefined) found[option] = words[index + 1] ?? '';
  }
  return found;
}
