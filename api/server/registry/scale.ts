import { isObject, valueAt, withValueAt, type JsonObject } from '../../machinery/json.ts';
import { apiVersionOf, objectMetaSchema, type KubeObject } from '../../machinery/metadata.ts';
import type { Resource, ScalePaths } from '../../machinery/resource.ts';
import { badRequest, conflict, invalid } from '../errors.ts';
import type { WriteContext } from './context.ts';
import { strictDecodingError } from './document.ts';

/** Scale as a kind of its own, as far as printing it needs one. */
export const scaleResource: Resource = {
  gvk: { group: 'autoscaling', version: 'v1', kind: 'Scale' },
  plural: 'scales',
  singular: 'scale',
  shortNames: [],
  categories: [],
  namespaced: true,
  strategicMerge: false,
  unknownFields: 'prune',
  subresources: { status: false },
  columns: [
    {
      name: 'Desired',
      type: 'integer',
      description: 'Instances that are wanted.',
      priority: 0,
      cell: (scale) => replicasAt(scale, 'spec'),
    },
    {
      name: 'Available',
      type: 'integer',
      description: 'Instances that there are.',
      priority: 0,
      cell: (scale) => replicasAt(scale, 'status'),
    },
    {
      name: 'Age',
      type: 'date',
      description: 'Time since the object was created.',
      priority: 0,
      cell: (scale) => scale.metadata.creationTimestamp,
    },
  ],
  selectableFields: {},
  schema: { type: 'object' },
  parse: () => ({ ok: false, errors: [], unknown: [] }),
  defaults: (scale) => scale,
  validate: () => [],
};

function replicasAt(scale: KubeObject, section: string): number {
  return numberAt(scale, [section, 'replicas']);
}

/** autoscaling/v1 Scale of an object. */
export function scaleOf(object: KubeObject, paths: ScalePaths): KubeObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const selector = valueAt(object, paths.statusSelector);
  const scale = {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      uid,
      resourceVersion,
      creationTimestamp,
    },
    spec: { replicas: numberAt(object, paths.specReplicas) },
    status: {
      replicas: numberAt(object, paths.statusReplicas),
      ...(typeof selector === 'string' && selector !== '' ? { selector } : {}),
    },
  };
  return scale;
}

function numberAt(object: KubeObject, path: readonly string[]): number {
  const value = valueAt(object, path);
  return typeof value === 'number' ? value : 0;
}

const scaleFields: Readonly<Record<string, readonly string[]>> = {
  '': ['apiVersion', 'kind', 'metadata', 'spec', 'status'],
  metadata: Object.keys(objectMetaSchema.shape),
  spec: ['replicas'],
  status: ['replicas', 'selector'],
};

/** Refuses, warns of or passes over what a submitted Scale says that there is not. Throws 400. */
export function checkScaleFields(
  scale: unknown,
  { fieldValidation, warn }: Pick<WriteContext, 'fieldValidation' | 'warn'>,
): void {
  if (fieldValidation === 'Ignore') return;
  const texts = Object.entries(scaleFields).flatMap(([section, known]) => {
    const part = section === '' ? scale : valueAt(scale, [section]);
    const unknown = Object.keys(isObject(part) ? part : {}).filter((key) => !known.includes(key));
    return unknown.map((key) => `unknown field "${section === '' ? key : `${section}.${key}`}"`);
  });
  if (texts.length > 0 && fieldValidation === 'Strict') {
    throw strictDecodingError(scaleResource, texts);
  }
  for (const text of texts) warn(text);
}

/** The object with the replicas that a submitted Scale asks for. Throws 400, 409 and 422. */
export function withScale(
  resource: Resource,
  paths: ScalePaths,
  stored: KubeObject,
  scale: unknown,
): JsonObject {
  const { name } = stored.metadata;
  if (!isObject(scale) || scale['kind'] !== 'Scale' || scale['apiVersion'] !== 'autoscaling/v1') {
    throw badRequest(
      'the object provided is unrecognized (must be of type Scale of autoscaling/v1)',
    );
  }
  const metadata = isObject(scale['metadata']) ? scale['metadata'] : {};
  if (metadata['name'] !== name) {
    throw badRequest(
      `the name of the object (${JSON.stringify(metadata['name'])}) does not match the name on the URL (${name})`,
    );
  }
  const version = metadata['resourceVersion'];
  if (version !== undefined && version !== '' && version !== stored.metadata.resourceVersion) {
    throw conflict(resource, name);
  }
  const replicas = valueAt(scale, ['spec', 'replicas']) ?? 0;
  checkReplicas(resource, name, replicas);
  return withValueAt({ ...stored }, paths.specReplicas, replicas);
}

function checkReplicas(resource: Resource, name: string, replicas: unknown): void {
  if (typeof replicas === 'number' && Number.isInteger(replicas) && replicas >= 0) return;
  throw invalid(resource, name, [
    {
      field: 'spec.replicas',
      message: `Invalid value: ${JSON.stringify(replicas)}: should be a non-negative integer`,
      reason: 'FieldValueInvalid',
    },
  ]);
}

/** What an applied Scale says about the object that it is of. Throws 422. */
export function scaleConfiguration(
  resource: Resource,
  paths: ScalePaths,
  scale: JsonObject,
): JsonObject {
  const metadata = isObject(scale['metadata']) ? scale['metadata'] : {};
  const { name, namespace, uid, resourceVersion } = metadata;
  const { group, version, kind } = resource.gvk;
  const head = {
    apiVersion: apiVersionOf({ group, version }),
    kind,
    metadata: { name, namespace, uid, resourceVersion },
  };
  const replicas = valueAt(scale, ['spec', 'replicas']);
  if (replicas === undefined) return head;
  checkReplicas(resource, typeof name === 'string' ? name : '', replicas);
  return withValueAt(head, paths.specReplicas, replicas);
}
