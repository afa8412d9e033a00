import { isObject, type JsonObject } from '../machinery/json.ts';
import type { KubeObject } from '../machinery/metadata.ts';
import type { Resource } from '../machinery/resource.ts';
import { DecodeError } from './decode.ts';
import { badRequest, unsupportedMediaType } from './errors.ts';
import type { BodyFormat } from './negotiation.ts';
import { UnknownProtobufKindError } from './protobuf.ts';
import * as queries from './query.ts';
import type { WriteContext } from './registry/context.ts';
import { specFinalizers, withSpecFinalizers } from './registry/strategy.ts';
import type { UpdateMode } from './registry/update.ts';
import type { AuthenticatedRequest } from './request.ts';
import type { ResourceRequestInfo } from './request-info.ts';

/** The object that a request is about. Throws 400 if it is about a collection. */
export function refOf(info: ResourceRequestInfo): { namespace: string | undefined; name: string } {
  if (info.name === undefined) throw badRequest('name must be provided');
  return { namespace: info.namespace, name: info.name };
}

/** The value in the body. Throws 400, 415. */
export function bodyOf(
  request: AuthenticatedRequest,
  format: BodyFormat,
  { gvk }: Pick<Resource, 'gvk'>,
): unknown {
  try {
    return request.body(format);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    if (error instanceof UnknownProtobufKindError) {
      throw unsupportedMediaType(['application/json', 'application/yaml']);
    }
    throw badRequest(
      `the object provided is unrecognized (must be of type ${gvk.kind}): couldn't get version/kind; ${format} parse error: ${error.message}`,
    );
  }
}

export function submittedObject(body: unknown): JsonObject {
  if (isObject(body)) return body;
  throw badRequest('the body of an update must be an object');
}

/** What a PUT to a part of an object may change. */
export function updateMode(subresource: string | undefined): UpdateMode {
  if (subresource !== 'finalize') {
    return { verb: 'put', subresource: subresource === 'status' ? 'status' : undefined };
  }
  const finalize = (stored: KubeObject, sent: KubeObject): KubeObject =>
    withSpecFinalizers(stored, specFinalizers(sent));
  return { verb: 'put', subresource: 'finalize', finalize };
}

/** What the query says of a write, and the warnings that it collects. Throws 422. */
export function writeContext(
  request: AuthenticatedRequest,
  optionsKind: string,
  dryRun = queries.parseDryRun(request.query.getAll('dryRun'), optionsKind),
): { context: WriteContext; warnings: string[] } {
  const fieldManager = queries.parseFieldManager(request.query, optionsKind);
  const manager = fieldManager ?? queries.managerOf(request.userAgent);
  const warnings: string[] = [];
  const warn = (line: string): void => {
    if (!warnings.includes(line)) warnings.push(line);
  };
  const fieldValidation = queries.parseFieldValidation(request.query, optionsKind);
  const { user, fence } = request;
  return { warnings, context: { user, manager, dryRun, fieldValidation, fence, warn } };
}
