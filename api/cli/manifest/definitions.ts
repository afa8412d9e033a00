import { z } from 'zod';
import type { Kind } from '../kinds.ts';

const definitionSchema = z.object({
  kind: z.literal('CustomResourceDefinition'),
  spec: z.object({
    group: z.string(),
    scope: z.enum(['Namespaced', 'Cluster']),
    names: z.object({
      kind: z.string(),
      plural: z.string(),
      singular: z.string().optional(),
      shortNames: z.array(z.string()).optional(),
      categories: z.array(z.string()).optional(),
    }),
    versions: z.array(z.object({ name: z.string(), served: z.boolean().default(false) })),
  }),
});

/** The kinds of a CustomResourceDefinition: files may hold objects of them before the server knows them. */
export function kindsDefinedBy(document: unknown): Kind[] {
  const parsed = definitionSchema.safeParse(document);
  if (!parsed.success) return [];
  const { group, scope, names, versions } = parsed.data.spec;
  return versions
    .filter(({ served }) => served)
    .map(({ name: version }) => ({
      gvk: { group, version, kind: names.kind },
      plural: names.plural,
      singular: names.singular ?? names.kind.toLowerCase(),
      shortNames: names.shortNames ?? [],
      categories: names.categories ?? [],
      namespaced: scope === 'Namespaced',
    }));
}
