import type { ParseResult } from '../machinery/resource.ts';
import { schemaShape } from '../machinery/structural/shape.ts';
import { customResourceDefinitionErrors } from './custom-resource-definition-rules.ts';
import {
  schemaField,
  specSchema,
  statusSchema,
  type CustomResourceDefinition,
} from './custom-resource-types.ts';
import { defineResource } from './zod-resource.ts';

const shaped = defineResource<CustomResourceDefinition>({
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  shortNames: ['crd', 'crds'],
  categories: ['api-extensions'],
  namespaced: false,
  unknownFields: 'prune',
  description: 'A kind of objects that the server keeps for its users.',
  fields: {
    spec: specSchema.describe('What the kind is.'),
    status: statusSchema.optional().describe('Whether it is served.'),
  },
  subresources: { status: true },
  columns: [
    {
      name: 'Created At',
      // The time itself, as kube-apiserver shows it.
      type: 'string',
      format: 'date-time',
      description: 'When the definition was created.',
      priority: 0,
      cell: ({ metadata }) => metadata.creationTimestamp,
    },
  ],
  defaults: withDefaults,
  validate: (definition, { old }) =>
    customResourceDefinitionErrors(definition, old as CustomResourceDefinition | undefined),
});

export const customResourceDefinitionResource: typeof shaped = {
  ...shaped,
  parse: (document, checked) => withSchemas(shaped.parse(document, checked)),
};

/** The schemas in a definition are documents of another language: looked at once the rest is right. */
function withSchemas(
  result: ParseResult<CustomResourceDefinition>,
): ParseResult<CustomResourceDefinition> {
  if (!result.ok) return result;
  const problems = result.value.spec.versions.flatMap(({ schema }, index) => {
    const document = schema?.openAPIV3Schema;
    if (document === undefined) return [];
    const found = schemaShape(document, schemaField(index));
    const steps = ['spec', 'versions', String(index), 'schema', 'openAPIV3Schema'];
    return [{ ...found, unknown: found.unknown.map((path) => [...steps, ...path]) }];
  });
  const errors = problems.flatMap((problem) => problem.errors);
  const unknown = problems.flatMap((problem) => problem.unknown);
  return errors.length + unknown.length === 0 ? result : { ok: false, errors, unknown };
}

function withDefaults(definition: CustomResourceDefinition): CustomResourceDefinition {
  const { spec, status } = definition;
  const { names } = spec;
  const storage = spec.versions.filter((version) => version.storage).map(({ name }) => name);
  return {
    ...definition,
    spec: {
      ...spec,
      names: {
        ...names,
        singular: names.singular ?? names.kind.toLowerCase(),
        listKind: names.listKind ?? `${names.kind}List`,
      },
      conversion: spec.conversion ?? { strategy: 'None' },
    },
    status: status ?? {
      conditions: [],
      acceptedNames: { plural: '', kind: '' },
      storedVersions: storage,
    },
  };
}
