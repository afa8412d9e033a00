import { describe, expect, it } from 'vitest';
import { isObject, withValueAt, type JsonObject } from '../../../../api/machinery/json.ts';
import type { CustomResourceDefinition } from '../../../../api/v1/custom-resource-types.ts';
import { customResourceDefinitionResource as resource } from '../../../../api/v1/custom-resource-definition.ts';
import { resourceGroups, widgetsOf } from '../../../conformance/support/definitions.ts';

const widgets: JsonObject = { ...widgetsOf('example.dev', ['v2', 'v1']) };

/** What is wrong with a document, as the server finds out. */
function errorsOf(document: unknown, old?: CustomResourceDefinition): string[] {
  const parsed = resource.parse(document);
  const errors = parsed.ok
    ? resource.validate(resource.defaults(parsed.value), old === undefined ? {} : { old })
    : parsed.errors;
  return errors.map(({ field, message }) => `${field}: ${message}`);
}

/** The widgets with other values at some paths. */
function widgetsWith(...changes: [path: string, value: unknown][]): JsonObject {
  return changes.reduce((document, [path, value]) => {
    const steps = path.split('.');
    const at = steps.indexOf('versions');
    if (at < 0 || steps.length === at + 1) return withValueAt(document, steps, value);
    const spec = isObject(document['spec']) ? document['spec'] : {};
    const versions = (Array.isArray(spec['versions']) ? spec['versions'] : []) as JsonObject[];
    const index = Number(steps[at + 1]);
    const changed = versions.map((version, position) =>
      position === index ? withValueAt(version, steps.slice(at + 2), value) : version,
    );
    return { ...document, spec: { ...spec, versions: changed } };
  }, widgets);
}

function stored(document: unknown): CustomResourceDefinition {
  const parsed = resource.parse(document);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
  return resource.defaults(parsed.value);
}

describe('a CustomResourceDefinition', () => {
  it.each([
    ['of widgets', widgets],
    ['of resource groups', resourceGroups],
    [
      'of an approved group',
      widgetsWith(
        ['spec.group', 'example.k8s.io'],
        [
          'metadata',
          {
            name: 'widgets.example.k8s.io',
            annotations: { 'api-approved.kubernetes.io': 'https://example.com/1' },
          },
        ],
      ),
    ],
    [
      'with filters in its columns',
      widgetsWith([
        'spec.versions.0.additionalPrinterColumns',
        [
          {
            name: 'Ready',
            type: 'string',
            jsonPath: '.status.conditions[?(@.type=="Ready")].status',
          },
        ],
      ]),
    ],
  ])('%s is right', (_name, document) => {
    expect(errorsOf(document)).toEqual([]);
  });

  it('gets the names that it leaves out, and says what it is stored as', () => {
    expect(stored(widgets)).toMatchObject({
      spec: {
        names: { singular: 'widget', listKind: 'WidgetList' },
        conversion: { strategy: 'None' },
      },
      status: { conditions: [], acceptedNames: { plural: '', kind: '' }, storedVersions: ['v2'] },
    });
  });

  it.each<[string, [string, unknown][], string]>([
    [
      'another name',
      [['metadata.name', 'widgets']],
      'metadata.name: Invalid value: "widgets": must be spec.names.plural+"."+spec.group',
    ],
    [
      'a group without a dot',
      [
        ['spec.group', 'example'],
        ['metadata.name', 'widgets.example'],
      ],
      'spec.group: Invalid value: "example": should be a domain with at least one dot',
    ],
    [
      'a group of Kubernetes',
      [
        ['spec.group', 'x.k8s.io'],
        ['metadata.name', 'widgets.x.k8s.io'],
      ],
      'metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation',
    ],
    [
      'another scope',
      [['spec.scope', 'Galaxy']],
      'spec.scope: Unsupported value: "Galaxy": supported values: "Cluster", "Namespaced"',
    ],
    [
      'upper case in the plural',
      [
        ['spec.names.plural', 'Widgets'],
        ['metadata.name', 'Widgets.example.dev'],
      ],
      'spec.names.plural: Invalid value: "Widgets": a DNS-1035 label must consist of',
    ],
    [
      'a list that is called like an object',
      [['spec.names.listKind', 'Widget']],
      'spec.names.listKind: Invalid value: "Widget": kind and listKind may not be the same',
    ],
    [
      'a bad short name',
      [['spec.names.shortNames', ['w d']]],
      'spec.names.shortNames[0]: Invalid value: "w d": a DNS-1035 label',
    ],
    [
      'two versions for storage',
      [['spec.versions.1.storage', true]],
      'spec.versions: Invalid value: ["v2","v1"]: must have exactly one version marked as storage version',
    ],
    [
      'no version for storage',
      [['spec.versions.0.storage', false]],
      'must have exactly one version marked as storage version',
    ],
    [
      'a version twice',
      [['spec.versions.1.name', 'v2']],
      'spec.versions: Invalid value: ["v2","v2"]: must contain unique version names',
    ],
    [
      'no schema',
      [['spec.versions.0.schema', undefined]],
      'spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required',
    ],
    [
      'a schema that is not structural',
      [['spec.versions.1.schema.openAPIV3Schema.properties.spec', {}]],
      'spec.versions[1].schema.openAPIV3Schema.properties[spec].type: Required value: must not be empty for specified object fields',
    ],
    [
      'unknown fields that stay',
      [['spec.preserveUnknownFields', true]],
      'spec.preserveUnknownFields: Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields',
    ],
    [
      'a webhook',
      [['spec.conversion', { strategy: 'Webhook', webhook: { clientConfig: {} } }]],
      'spec.conversion.strategy: Invalid value: "Webhook": this server calls no conversion webhooks: use None',
    ],
    [
      'a column of nothing',
      [
        [
          'spec.versions.0.additionalPrinterColumns',
          [{ name: 'A', type: 'text', jsonPath: 'spec' }],
        ],
      ],
      'spec.versions[0].additionalPrinterColumns[0].type: Invalid value: "text": must be one of boolean,date,integer,number,string',
    ],
    [
      'a path that is none',
      [
        [
          'spec.versions.0.additionalPrinterColumns',
          [{ name: 'A', type: 'string', jsonPath: '.spec[' }],
        ],
      ],
      'spec.versions[0].additionalPrinterColumns[0].jsonPath: Invalid value: ".spec["',
    ],
    [
      'replicas of the status',
      [['spec.versions.0.subresources.scale.specReplicasPath', '.status.replicas']],
      'spec.versions[0].subresources.scale.specReplicasPath: Invalid value: ".status.replicas": should be a json path under .spec',
    ],
    [
      'a field that is not there to select by',
      [['spec.versions.0.selectableFields', [{ jsonPath: '.spec.shape' }]]],
      'spec.versions[0].selectableFields[0].jsonPath: Invalid value: ".spec.shape": does not refer to a valid field',
    ],
    [
      'an object to select by',
      [['spec.versions.0.selectableFields', [{ jsonPath: '.spec' }]]],
      'must point to a field of type boolean, integer or string',
    ],
    [
      'stored versions that it lacks',
      [['status', { storedVersions: ['v0', 'v2'] }]],
      'status.storedVersions[0]: Invalid value: "v0": must appear in spec.versions',
    ],
    [
      'a schema that is none',
      [['spec.versions.0.schema.openAPIV3Schema.type', 7]],
      'spec.versions[0].schema.openAPIV3Schema.type: Invalid value: 7: must be a string',
    ],
  ])('does not have %s', (_name, changes, error) => {
    expect(errorsOf(widgetsWith(...changes)).join('\n')).toContain(error);
  });

  it('names unknown keywords of its schemas, so that they are pruned or refused', () => {
    const parsed = resource.parse(
      widgetsWith(['spec.versions.0.schema.openAPIV3Schema.colour', 1]),
    );
    expect(parsed).toMatchObject({
      ok: false,
      errors: [],
      unknown: [['spec', 'versions', '0', 'schema', 'openAPIV3Schema', 'colour']],
    });
  });

  it('keeps its group and plural, and its scope and kind once it is established', () => {
    const before = stored(widgets);
    const established = {
      ...before,
      status: { ...before.status, conditions: [{ type: 'Established', status: 'True' }] },
    };
    const other = widgetsWith(
      ['spec.scope', 'Cluster'],
      ['spec.names.kind', 'Gadget'],
      ['spec.group', 'other.dev'],
    );
    const group = 'spec.group: Invalid value: "other.dev": field is immutable';
    expect(errorsOf(other, before)).toContain(group);
    expect(errorsOf(other, before).join()).not.toContain('spec.scope');
    expect(errorsOf(other, established)).toEqual(
      expect.arrayContaining([
        group,
        'spec.scope: Invalid value: "Cluster": field is immutable',
        'spec.names.kind: Invalid value: "Gadget": field is immutable',
      ]),
    );
  });
});
