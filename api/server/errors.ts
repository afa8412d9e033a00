import { ApiError, type FieldError, type StatusCause } from '../machinery/errors.ts';
import type { AnyResource } from '../machinery/resource.ts';
import { StorageError } from '../storage/storage.ts';
import { DecodeError } from './decode.ts';

/** What an error message needs to know of a kind. */
export type Named = Pick<AnyResource, 'gvk' | 'plural'>;

/** `jobs.mesocosm.dev`, or `namespaces` in the core group. */
export function groupResource(of: Named): string {
  return of.gvk.group === '' ? of.plural : `${of.plural}.${of.gvk.group}`;
}

/** `Job.mesocosm.dev`, or `Namespace` in the core group. */
export function groupKind(of: Named): string {
  return of.gvk.group === '' ? of.gvk.kind : `${of.gvk.kind}.${of.gvk.group}`;
}

function detailsOf(
  of: Named,
  name: string,
  kind: string,
): { name?: string; group?: string; kind: string } {
  return {
    ...(name === '' ? {} : { name }),
    ...(of.gvk.group === '' ? {} : { group: of.gvk.group }),
    kind,
  };
}

export function notFound(of: Named, name: string): ApiError {
  return new ApiError('NotFound', `${groupResource(of)} "${name}" not found`, {
    details: detailsOf(of, name, of.plural),
  });
}

export function alreadyExists(of: Named, name: string, beingDeleted: boolean): ApiError {
  const prefix = beingDeleted ? 'object is being deleted: ' : '';
  return new ApiError('AlreadyExists', `${prefix}${groupResource(of)} "${name}" already exists`, {
    details: detailsOf(of, name, of.plural),
  });
}

const modified =
  'the object has been modified; please apply your changes to the latest version and try again';

export function conflict(of: Named, name: string, why = modified): ApiError {
  return new ApiError(
    'Conflict',
    `Operation cannot be fulfilled on ${groupResource(of)} "${name}": ${why}`,
    { details: detailsOf(of, name, of.plural) },
  );
}

/** A conflict with the preconditions of a delete; Kubernetes names the kind, not the plural, here. */
export function preconditionFailed(of: Named, name: string, why: string): ApiError {
  return new ApiError(
    'Conflict',
    `Operation cannot be fulfilled on ${groupKind(of)} "${name}": ${why}`,
    { details: detailsOf(of, name, of.gvk.kind) },
  );
}

export function leaderChanged(of: Named, name: string): ApiError {
  return new ApiError(
    'LeaderChanged',
    `Operation cannot be fulfilled on ${groupResource(of)} "${name}": the lease that fences this write has a new holder`,
    { details: detailsOf(of, name, of.plural) },
  );
}

export function forbidden(of: Named, name: string, why: string): ApiError {
  const named = name === '' ? groupResource(of) : `${groupResource(of)} "${name}"`;
  return new ApiError('Forbidden', `${named} is forbidden: ${why}`, {
    details: detailsOf(of, name, of.plural),
  });
}

/** 422 with one cause a field, as kubectl prints them. */
export function invalid(of: Named, name: string, errors: readonly FieldError[]): ApiError {
  const texts = errors.map(({ field, message }) =>
    field === '' ? message : `${field}: ${message}`,
  );
  const listed = texts.length === 1 ? (texts[0] ?? '') : `[${texts.join(', ')}]`;
  const causes = errors.map(({ field, message, reason }): StatusCause => ({
    reason: reason ?? 'FieldValueInvalid',
    message,
    field,
  }));
  return new ApiError('Invalid', `${groupKind(of)} "${name}" is invalid: ${listed}`, {
    details: { ...detailsOf(of, name, of.gvk.kind), causes },
  });
}

/** 422 about the options of a request, e.g. `ListOptions`. */
export function invalidOptions(kind: string, ...errors: FieldError[]): ApiError {
  return invalid({ gvk: { group: 'meta.k8s.io', version: 'v1', kind }, plural: kind }, '', errors);
}

export function tooLarge(of: Named, name: string, bytes: number, limit: number): ApiError {
  return new ApiError(
    'RequestEntityTooLarge',
    `${groupResource(of)} "${name}" is too large: it takes ${bytes} bytes, at most ${limit} are allowed`,
    { details: detailsOf(of, name, of.plural) },
  );
}

export function badRequest(message: string): ApiError {
  return new ApiError('BadRequest', message);
}

export function methodNotAllowed(of: Named, verb: string): ApiError {
  return new ApiError(
    'MethodNotAllowed',
    `${verb} is not supported on resources of kind "${groupResource(of)}"`,
    { details: detailsOf(of, '', of.plural) },
  );
}

export function tooOldResourceVersion(message: string, continueToken?: string): ApiError {
  return new ApiError('Expired', message, continueToken === undefined ? {} : { continueToken });
}

export function tooLargeResourceVersion(wanted: number, current: number): ApiError {
  return new ApiError(
    'Timeout',
    `Timeout: Too large resource version: ${wanted}, current: ${current}`,
    {
      details: {
        causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
        retryAfterSeconds: 1,
      },
    },
  );
}

export function unauthorized(): ApiError {
  return new ApiError('Unauthorized', 'Unauthorized');
}

export function unsupportedMediaType(accepted: readonly string[]): ApiError {
  return new ApiError(
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`,
  );
}

export function notAcceptable(accepted: readonly string[]): ApiError {
  return new ApiError(
    'NotAcceptable',
    `only the following media types are accepted: ${accepted.join(', ')}`,
  );
}

/** Any error as the Status that a client gets. `undefined`: not one of ours, a fault of the server. */
export function toApiError(error: unknown): ApiError | undefined {
  if (error instanceof ApiError) return error;
  if (error instanceof StorageError) return ofStorage(error);
  if (error instanceof DecodeError) return badRequest(error.message);
  return undefined;
}

/** Retry-After only where nothing was written: a client that retries an unknown write may do it twice. */
function ofStorage(error: StorageError): ApiError {
  const retry = { details: { retryAfterSeconds: 1 }, cause: error };
  switch (error.code) {
    case 'unavailable':
      return new ApiError(
        'ServiceUnavailable',
        `the store cannot be reached: ${error.message}`,
        retry,
      );
    case 'unknown':
      return new ApiError(
        'Timeout',
        `Timeout: the store did not confirm the write, which may or may not have happened: ${error.message}`,
        { cause: error },
      );
    case 'no-space':
      return new ApiError(
        'ServiceUnavailable',
        `the store is full and takes no writes: ${error.message}`,
        { details: { retryAfterSeconds: 10 }, cause: error },
      );
    case 'compacted':
      return new ApiError('Expired', `The resourceVersion is too old: ${error.message}`, {
        cause: error,
      });
    case 'future':
      return new ApiError('Timeout', `Timeout: ${error.message}`, {
        details: {
          causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
          retryAfterSeconds: 1,
        },
        cause: error,
      });
    case 'too-large':
      return new ApiError('RequestEntityTooLarge', `the object is too large: ${error.message}`, {
        cause: error,
      });
    case 'denied':
    case 'internal':
      return new ApiError('InternalError', `the store failed: ${error.message}`, { cause: error });
  }
}
