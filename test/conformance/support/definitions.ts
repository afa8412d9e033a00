/** Definitions of kinds as users bring them along. */

export interface Definition {
  apiVersion: string;
  kind: string;
  metadata: { name: string };
  spec: { versions: Version[]; [field: string]: unknown };
}

interface Version {
  name: string;
  schema: { openAPIV3Schema: { properties: Record<string, unknown>; [keyword: string]: unknown } };
  [field: string]: unknown;
}

/** A kind `Widget` with all that a definition can have; the first version is for storage. */
export function widgetsOf(group: string, versions: readonly string[] = ['v1']): Definition {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `widgets.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind: 'Widget', plural: 'widgets', shortNames: ['wd'], categories: ['all'] },
      versions: versions.map((name, index) => ({
        name,
        served: true,
        storage: index === 0,
        subresources: {
          status: {},
          scale: {
            specReplicasPath: '.spec.replicas',
            statusReplicasPath: '.status.replicas',
            labelSelectorPath: '.status.selector',
          },
        },
        selectableFields: [{ jsonPath: '.spec.color' }],
        additionalPrinterColumns: [
          { name: 'Replicas', type: 'integer', jsonPath: '.spec.replicas' },
          { name: 'Phase', type: 'string', jsonPath: '.status.phase' },
          { name: 'Image', type: 'string', jsonPath: '.spec.items[0].image', priority: 1 },
          { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
        ],
        schema: {
          openAPIV3Schema: {
            type: 'object',
            required: ['spec'],
            properties: {
              spec: {
                type: 'object',
                required: ['color'],
                properties: {
                  color: {
                    type: 'string',
                    enum: ['red', 'green'],
                    description: 'what it looks like',
                  },
                  replicas: { type: 'integer', minimum: 0, default: 1 },
                  size: { type: 'string', default: 'M' },
                  items: {
                    type: 'array',
                    'x-kubernetes-list-type': 'map',
                    'x-kubernetes-list-map-keys': ['name'],
                    items: {
                      type: 'object',
                      required: ['name'],
                      properties: { name: { type: 'string' }, image: { type: 'string' } },
                    },
                  },
                },
              },
              status: {
                type: 'object',
                properties: {
                  phase: { type: 'string' },
                  replicas: { type: 'integer' },
                  selector: { type: 'string' },
                },
              },
            },
          },
        },
      })),
    },
  };
}

const object = (names: readonly string[], required: readonly string[] = names): object => ({
  type: 'object',
  properties: Object.fromEntries(names.map((name) => [name, { type: 'string' }])),
  required,
});

const condition = {
  ...object(['type', 'status', 'reason', 'message', 'lastTransitionTime']),
};

/** A kind like the one in which kpt remembers what it has applied. */
export const resourceGroups = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'resourcegroups.kpt.dev' },
  spec: {
    group: 'kpt.dev',
    scope: 'Namespaced',
    names: {
      kind: 'ResourceGroup',
      listKind: 'ResourceGroupList',
      plural: 'resourcegroups',
      singular: 'resourcegroup',
      shortNames: ['rg'],
    },
    versions: [
      {
        name: 'v1alpha1',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            description: 'What was applied together.',
            properties: {
              apiVersion: { type: 'string' },
              kind: { type: 'string' },
              metadata: { type: 'object' },
              spec: {
                type: 'object',
                properties: {
                  descriptor: object(['type', 'revision', 'description'], []),
                  resources: {
                    type: 'array',
                    items: object(['group', 'kind', 'name', 'namespace']),
                  },
                  subgroups: { type: 'array', items: object(['name', 'namespace']) },
                },
              },
              status: {
                type: 'object',
                properties: {
                  observedGeneration: { type: 'integer', format: 'int64' },
                  conditions: { type: 'array', items: condition },
                  resourceStatuses: {
                    type: 'array',
                    items: {
                      type: 'object',
                      required: ['group', 'kind', 'name', 'namespace', 'status'],
                      properties: {
                        group: { type: 'string' },
                        kind: { type: 'string' },
                        name: { type: 'string' },
                        namespace: { type: 'string' },
                        status: { type: 'string' },
                        conditions: { type: 'array', items: condition },
                      },
                    },
                  },
                },
                required: ['observedGeneration'],
              },
            },
          },
        },
      },
    ],
  },
};
