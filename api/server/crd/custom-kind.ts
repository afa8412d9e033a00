import { deepFreeze, isObject, valueAt, without, type JsonObject } from '../../machinery/json.ts';
import type { FieldError } from '../../machinery/errors.ts';
import { apiVersionOf, type KubeObject } from '../../machinery/metadata.ts';
import type { ParseResult, Resource, ScalePaths, SchemaNode } from '../../machinery/resource.ts';
import { withDefaults } from '../../machinery/structural/defaults.ts';
import { prune } from '../../machinery/structural/prune.ts';
import { StructuralValidator } from '../../machinery/structural/validator.ts';
import { simplePath } from '../../v1/custom-resource-paths.ts';
import {
  schemaOfVersion,
  type CustomResourceDefinition,
  type CustomResourceVersion,
} from '../../v1/custom-resource-types.ts';
import { parseObjectMeta } from '../../v1/zod-resource.ts';
import { columnsOf } from './columns.ts';
import { byVersionPriority } from './version-priority.ts';
import type { StoredVersion } from './view.ts';

/** One version of a kind of users. */
export interface CustomKind extends StoredVersion {
  definition: CustomResourceDefinition;
  resource: Resource;
  /** A stored object as this version shows it: renamed, pruned, completed. */
  present(stored: KubeObject): KubeObject;
  /** What users of a version that will go are told. */
  warning: string | undefined;
}

/** The versions that a definition serves, in the order in which clients should prefer them. */
export function customKinds(definition: CustomResourceDefinition): CustomKind[] {
  return definition.spec.versions
    .filter(({ served }) => served)
    .sort((left, right) => byVersionPriority(left.name, right.name))
    .map((version) => customKind(definition, version));
}

/** One version of a definition that has passed the rules for definitions. */
export function customKind(
  definition: CustomResourceDefinition,
  version: CustomResourceVersion,
): CustomKind {
  const { spec } = definition;
  const { group, names } = spec;
  const schema = schemaOfVersion(version);
  const gvk = { group, version: version.name, kind: names.kind };
  const storage = spec.versions.find(({ storage: stored }) => stored) ?? version;
  const shape = new CustomShape(schema, scalePathsOf(version));
  const accepted = definition.status?.acceptedNames ?? names;
  const resource: Resource = {
    gvk,
    plural: names.plural,
    singular: accepted.singular ?? names.kind.toLowerCase(),
    shortNames: accepted.shortNames ?? [],
    categories: accepted.categories ?? [],
    namespaced: spec.scope === 'Namespaced',
    strategicMerge: false,
    unknownFields: 'prune',
    subresources: {
      status: version.subresources?.status !== undefined,
      ...(shape.scale === undefined ? {} : { scale: shape.scale }),
    },
    columns: columnsOf(version.additionalPrinterColumns),
    selectableFields: Object.fromEntries(
      (version.selectableFields ?? []).map(({ jsonPath }) => {
        const path = simplePath(jsonPath);
        return [path.join('.'), (object: KubeObject) => fieldText(valueAt(object, path))];
      }),
    ),
    schema: publishedSchema(schema),
    siblingVersions: spec.versions.map(({ name }) => apiVersionOf({ group, version: name })),
    parse: (document, checked) => shape.parse(document, checked),
    defaults: (object) => shape.complete(object),
    validate: () => [],
  };
  const apiVersion = apiVersionOf(gvk);
  const storedAs = apiVersionOf({ group, version: storage.name });
  return {
    definition,
    resource,
    storedAs,
    restore: (shown) => ({ ...shown, apiVersion: storedAs }),
    present: (stored) => shape.present(stored, apiVersion),
    warning: warningOf(version, apiVersion, names.kind),
  };
}

function scalePathsOf({ subresources }: CustomResourceVersion): ScalePaths | undefined {
  const scale = subresources?.scale;
  if (scale === undefined) return undefined;
  return {
    specReplicas: simplePath(scale.specReplicasPath),
    statusReplicas: simplePath(scale.statusReplicasPath),
    statusSelector: simplePath(scale.labelSelectorPath ?? ''),
  };
}

/** A selectable field as field selectors compare it. */
function fieldText(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : '';
}

function warningOf(
  { deprecated, deprecationWarning }: CustomResourceVersion,
  apiVersion: string,
  kind: string,
): string | undefined {
  if (deprecated !== true) return undefined;
  return deprecationWarning ?? `${apiVersion} ${kind} is deprecated`;
}

/** The schema with what the server itself knows of every object. */
function publishedSchema(schema: SchemaNode): SchemaNode {
  const { apiVersion, kind, metadata, ...rest } = schema.properties ?? {};
  return {
    ...schema,
    properties: {
      apiVersion: apiVersion ?? {
        type: 'string',
        description: 'Version of the schema of this representation of an object.',
      },
      kind: kind ?? { type: 'string', description: 'The kind that this object represents.' },
      metadata: metadata ?? { type: 'object', description: 'Standard metadata of an object.' },
      ...rest,
    },
  };
}

/** What objects of one version look like. */
class CustomShape {
  readonly scale: ScalePaths | undefined;
  readonly #schema: SchemaNode;
  readonly #validator: StructuralValidator;
  /** Validators that leave some of the top-level fields alone: a few for each kind. */
  readonly #partial = new Map<string, StructuralValidator>();

  constructor(schema: SchemaNode, scale: ScalePaths | undefined) {
    this.#schema = schema;
    this.#validator = new StructuralValidator(schema);
    this.scale = scale;
  }

  parse(
    document: unknown,
    checked: Readonly<Record<string, unknown>> = {},
  ): ParseResult<KubeObject> {
    if (!isObject(document)) {
      const message = 'Invalid value: must be an object';
      return { ok: false, errors: [{ field: '', message }], unknown: [] };
    }
    const metadata = parseObjectMeta(document['metadata']);
    const pruned = prune(document, this.#schema);
    const unknown = [...pruned.unknown, ...(metadata.ok ? [] : metadata.unknown)];
    if (unknown.length > 0 || !metadata.ok) {
      return { ok: false, errors: metadata.ok ? [] : metadata.errors, unknown };
    }
    const complete = { ...this.#completed(pruned.value), ...checked };
    const errors = [
      ...this.#validatorBeside(Object.keys(checked)).errors(complete),
      ...this.#scaleErrors(complete),
    ];
    if (errors.length > 0) return { ok: false, errors, unknown: [] };
    const { apiVersion, kind } = document;
    return {
      ok: true,
      value: {
        ...complete,
        apiVersion: typeof apiVersion === 'string' ? apiVersion : '',
        kind: typeof kind === 'string' ? kind : '',
        metadata: metadata.value,
      },
    };
  }

  /** Top-level fields that are as they are stored passed when they were written. */
  #validatorBeside(known: readonly string[]): StructuralValidator {
    if (known.length === 0) return this.#validator;
    const key = known.join();
    let validator = this.#partial.get(key);
    if (validator === undefined) {
      const properties = without(this.#schema.properties ?? {}, ...known);
      validator = new StructuralValidator({ ...this.#schema, properties });
      this.#partial.set(key, validator);
    }
    return validator;
  }

  #scaleErrors(object: JsonObject): FieldError[] {
    if (this.scale === undefined) return [];
    const { specReplicas, statusReplicas } = this.scale;
    return [specReplicas, statusReplicas].flatMap((path): FieldError[] => {
      const value = valueAt(object, path);
      if (typeof value !== 'number' || value >= 0) return [];
      const message = `Invalid value: ${value}: should be a non-negative integer`;
      return [{ field: `.${path.join('.')}`, message, reason: 'FieldValueInvalid' }];
    });
  }

  #completed(document: unknown): JsonObject {
    const value = withDefaults(document, this.#schema);
    return isObject(value) ? value : {};
  }

  complete(object: KubeObject): KubeObject {
    const value: unknown = withDefaults(object, this.#schema);
    return value === object || !isObject(value) ? object : { ...object, ...value };
  }

  present(stored: KubeObject, apiVersion: string): KubeObject {
    const { value } = prune(stored, this.#schema);
    const complete = withDefaults(value, this.#schema);
    if (complete === stored && stored.apiVersion === apiVersion) return stored;
    const { kind, metadata } = stored;
    return deepFreeze({ ...(isObject(complete) ? complete : {}), apiVersion, kind, metadata });
  }
}
