import { z } from 'zod';
import { apiVersionOf } from '../machinery/metadata.ts';
import type { Connection } from './connection.ts';
import { CommandError } from './errors.ts';
import { builtInKinds, Kinds, UnknownKind, type Kind } from './kinds.ts';

/** A kind as the server lists it. */
export interface ServedKind extends Kind {
  verbs: readonly string[];
  /** `status`, `scale`, `exec`. */
  subresources: readonly string[];
}

const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

const resourceSchema = z.object({
  resource: z.string(),
  responseKind: z.object({ kind: z.string() }),
  scope: z.enum(['Namespaced', 'Cluster']),
  singularResource: z.string().default(''),
  shortNames: z.array(z.string()).nullish(),
  categories: z.array(z.string()).nullish(),
  verbs: z.array(z.string()).default([]),
  subresources: z.array(z.object({ subresource: z.string() })).nullish(),
});

const documentSchema = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string().default('') }).default({ name: '' }),
      versions: z.array(
        z.object({ version: z.string(), resources: z.array(resourceSchema).default([]) }),
      ),
    }),
  ),
});

/** All kinds that the server serves, in its order: the preferred version of a group comes first. */
export async function servedKinds({ send }: Pick<Connection, 'send'>): Promise<ServedKind[]> {
  const bodies = await Promise.all(
    ['/api', '/apis'].map((path) => send({ method: 'GET', path, accept })),
  );
  return bodies.flatMap((body) => {
    const parsed = documentSchema.safeParse(body);
    if (!parsed.success) {
      throw new CommandError(
        'failed',
        'the server does not say in a form that is known what it serves',
      );
    }
    return parsed.data.items.flatMap(({ metadata, versions }) =>
      versions.flatMap(({ version, resources }) =>
        resources.map((each) => servedKind(metadata.name, version, each)),
      ),
    );
  });
}

function servedKind(
  group: string,
  version: string,
  resource: z.infer<typeof resourceSchema>,
): ServedKind {
  const { kind } = resource.responseKind;
  const subresources = resource.subresources?.map(({ subresource }) => subresource) ?? [];
  return {
    gvk: { group, version, kind },
    plural: resource.resource,
    singular: resource.singularResource === '' ? kind.toLowerCase() : resource.singularResource,
    shortNames: resource.shortNames ?? [],
    categories: resource.categories ?? [],
    namespaced: resource.scope === 'Namespaced',
    verbs: resource.verbs,
    subresources,
    scalable: subresources.includes('scale'),
  };
}

/** Those that cosm was built with, and what else the server has: other versions of them come later. */
export async function allKinds(connection: Pick<Connection, 'send'>): Promise<Kinds> {
  const others = (await servedKinds(connection)).filter(
    ({ gvk }) => builtInKinds.ofObject(apiVersionOf(gvk), gvk.kind) === undefined,
  );
  return new Kinds([...builtInKinds.all, ...others]);
}

/** What `parse` makes of the kinds that are known; the server is asked only if it misses one. */
export async function withKinds<T>(
  connection: Pick<Connection, 'send'>,
  parse: (kinds: Kinds) => T,
): Promise<T> {
  try {
    return parse(builtInKinds);
  } catch (error) {
    if (!(error instanceof UnknownKind)) throw error;
  }
  return parse(await allKinds(connection));
}
