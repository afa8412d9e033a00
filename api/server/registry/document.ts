import type { ApiError } from '../../machinery/errors.ts';
import { isObject, jsonEqual, own, type JsonObject } from '../../machinery/json.ts';
import { apiVersionOf, type KubeObject } from '../../machinery/metadata.ts';
import type { Resource, SchemaNode } from '../../machinery/resource.ts';
import { badRequest, invalid } from '../errors.ts';
import type { WriteContext } from './context.ts';
import { pathText, withoutNulls, withoutPaths } from './structure.ts';

/** A submitted document that says of itself what it is, and that its metadata is an object. */
export interface Submitted {
  document: JsonObject;
  metadata: JsonObject;
}

/** Checks that `body` claims to be an object of `resource`. Throws 400. */
export function asSubmitted(resource: Resource, body: unknown): Submitted {
  const { kind } = resource.gvk;
  if (body === undefined) {
    throw badRequest(
      `the object provided is unrecognized (must be of type ${kind}): couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)`,
    );
  }
  if (!isObject(body)) {
    const found = Array.isArray(body) ? 'array' : body === null ? 'null' : typeof body;
    throw badRequest(
      `the object provided is unrecognized (must be of type ${kind}): couldn't get version/kind; json: cannot unmarshal ${found} into an object`,
    );
  }
  const expected = apiVersionOf(resource.gvk);
  const document = resource.strategicMerge ? named(body, expected, kind) : body;
  for (const [key, name] of [
    ['kind', 'Kind'],
    ['apiVersion', 'apiVersion'],
  ] as const) {
    if (typeof document[key] !== 'string' || document[key] === '') {
      throw badRequest(
        `the object provided is unrecognized (must be of type ${kind}): Object '${name}' is missing in '${resource.confidential === true ? '<secret contents redacted>' : excerpt(body)}'`,
      );
    }
  }
  if (document['apiVersion'] !== expected) {
    throw badRequest(
      `the API version in the data (${text(document['apiVersion'])}) does not match the expected API version (${expected})`,
    );
  }
  if (document['kind'] !== kind)
    throw wrongKind(resource, text(document['kind']), nameOf(document));
  return { document, metadata: metadataOf(resource, document) };
}

/** Kubernetes knows its own kinds by the path, and its typed clients leave out what they are. */
function named(body: JsonObject, apiVersion: string, kind: string): JsonObject {
  return { ...body, apiVersion: body['apiVersion'] || apiVersion, kind: body['kind'] || kind };
}

function wrongKind(resource: Resource, found: string, name: string): ApiError {
  return invalid({ ...resource, gvk: { ...resource.gvk, kind: found } }, name, [
    {
      field: 'kind',
      message: `Invalid value: ${JSON.stringify(found)}: must be ${resource.gvk.kind}`,
      reason: 'FieldValueInvalid',
    },
  ]);
}

export function metadataOf(resource: Resource, body: JsonObject): JsonObject {
  const metadata = body['metadata'] ?? {};
  if (isObject(metadata)) return metadata;
  throw invalid(resource, '', [
    {
      field: 'metadata',
      message: `Invalid value: ${JSON.stringify(metadata).slice(0, 100)}: must be an object`,
      reason: 'FieldValueTypeInvalid',
    },
  ]);
}

function excerpt(body: JsonObject): string {
  const json = JSON.stringify(body);
  return json.length > 200 ? `${json.slice(0, 200)}...` : json;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Pruning may uncover further unknown fields; it ends whatever a schema says. */
const maxPruningRounds = 8;

/**
 * Holds a document against the schema of its kind. Unknown fields are refused or pruned as the kind and
 * the request say; nulls are absent fields. Throws 400 for unknown fields, 422 for wrong shapes. Top-level
 * fields that are as they are `stored` passed when they were written, and are not checked again.
 */
export function parseDocument(
  resource: Resource,
  schema: SchemaNode,
  document: JsonObject,
  context: Pick<WriteContext, 'fieldValidation' | 'warn'>,
  stored?: KubeObject,
): KubeObject {
  const { unchanged, rest } = compared(document, stored);
  let candidate: unknown = withoutNulls(rest, schema);
  for (let round = 1; ; round += 1) {
    const parsed = resource.parse(candidate, unchanged);
    if (parsed.ok) return parsed.value;
    const { unknown, mends = [] } = parsed;
    if (unknown.length === 0 || round > maxPruningRounds) {
      throw invalid(resource, nameOf(document), parsed.errors);
    }
    const texts = unknown.map((path, index) => {
      const mend = mends[index];
      return `unknown field "${pathText(path)}"${mend === undefined ? '' : `: ${mend}`}`;
    });
    if (resource.unknownFields === 'refuse' || context.fieldValidation === 'Strict') {
      throw strictDecodingError(resource, texts);
    }
    if (context.fieldValidation === 'Warn') for (const line of texts) context.warn(line);
    candidate = withoutPaths(candidate, unknown);
  }
}

/** The fields of a document, but for metadata, that are equal to the stored ones, and the rest of it. */
function compared(
  document: JsonObject,
  stored: KubeObject | undefined,
): { unchanged: JsonObject; rest: JsonObject } {
  if (stored === undefined) return { unchanged: {}, rest: document };
  const before: JsonObject = { ...stored };
  const unchanged: JsonObject = {};
  const rest: JsonObject = {};
  for (const [name, value] of Object.entries(document)) {
    const known = own(before, name);
    if (name !== 'metadata' && isObject(known) && jsonEqual(value, known)) unchanged[name] = known;
    else rest[name] = value;
  }
  return { unchanged, rest };
}

export function strictDecodingError(resource: Resource, problems: readonly string[]): ApiError {
  const { kind, version } = resource.gvk;
  return badRequest(
    `${kind} in version "${version}" cannot be handled as a ${kind}: strict decoding error: ${problems.join(', ')}`,
  );
}

function nameOf(document: JsonObject): string {
  const metadata = document['metadata'];
  const name = isObject(metadata) ? metadata['name'] : undefined;
  return typeof name === 'string' ? name : '';
}
