import { z } from 'zod';

/** metav1.StatusCause: one thing that is wrong, at one field. */
export const statusCauseSchema = z.object({
  reason: z.string().optional(),
  message: z.string().optional(),
  field: z.string().optional(),
});
export type StatusCause = z.infer<typeof statusCauseSchema>;

/** metav1.Status, the body of every refusal. */
export const statusSchema = z.object({
  kind: z.literal('Status'),
  apiVersion: z.literal('v1'),
  metadata: z.record(z.string(), z.unknown()).default({}),
  status: z.string().optional(),
  message: z.string().optional(),
  reason: z.string().optional(),
  details: z
    .object({
      name: z.string().optional(),
      group: z.string().optional(),
      kind: z.string().optional(),
      uid: z.string().optional(),
      causes: z.array(statusCauseSchema).optional(),
      retryAfterSeconds: z.number().optional(),
    })
    .optional(),
  code: z.number().optional(),
});
export type Status = z.infer<typeof statusSchema>;

/** Reasons of metav1.Status that we answer with, and LeaderChanged, which is ours. */
export type StatusReason =
  | 'BadRequest'
  | 'Unauthorized'
  | 'Forbidden'
  | 'NotFound'
  | 'AlreadyExists'
  | 'Conflict'
  | 'LeaderChanged'
  | 'Gone'
  | 'Expired'
  | 'Invalid'
  | 'MethodNotAllowed'
  | 'NotAcceptable'
  | 'UnsupportedMediaType'
  | 'RequestEntityTooLarge'
  | 'TooManyRequests'
  | 'InternalError'
  | 'ServiceUnavailable'
  | 'Timeout'
  | 'Unknown';

const codes: Record<StatusReason, number> = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  AlreadyExists: 409,
  Conflict: 409,
  LeaderChanged: 409,
  Gone: 410,
  Expired: 410,
  Invalid: 422,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  UnsupportedMediaType: 415,
  RequestEntityTooLarge: 413,
  TooManyRequests: 429,
  InternalError: 500,
  ServiceUnavailable: 503,
  Timeout: 504,
  Unknown: 500,
};

export interface StatusDetails {
  name?: string;
  group?: string;
  /** The plural resource or the kind, as Kubernetes does for the reason at hand. */
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  retryAfterSeconds?: number;
}

/** A refusal that travels as metav1.Status; thrown by the server and, once decoded, by the client. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly reason: StatusReason;
  readonly code: number;
  readonly details: StatusDetails | undefined;
  /** metadata.continue of an expired list: a token for the inconsistent rest. */
  readonly continueToken: string | undefined;

  constructor(
    reason: StatusReason,
    message: string,
    options: {
      details?: StatusDetails;
      cause?: unknown;
      continueToken?: string;
      code?: number;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.reason = reason;
    this.code = options.code ?? codes[reason];
    this.details = options.details;
    this.continueToken = options.continueToken;
  }

  toStatus(): Status {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: this.continueToken === undefined ? {} : { continue: this.continueToken },
      status: 'Failure',
      message: this.message,
      reason: this.reason,
      ...(this.details === undefined ? {} : { details: this.details }),
      code: this.code,
    };
  }

  static fromStatus(status: Status, httpCode: number): ApiError {
    const code = status.code ?? httpCode;
    const reason = isStatusReason(status.reason) ? status.reason : reasonOf(code);
    const token = status.metadata['continue'];
    return new ApiError(reason, status.message ?? `the server answered ${code}`, {
      code,
      ...(status.details === undefined ? {} : { details: definedOnly(status.details) }),
      ...(typeof token === 'string' ? { continueToken: token } : {}),
    });
  }
}

function isStatusReason(reason: string | undefined): reason is StatusReason {
  return reason !== undefined && Object.hasOwn(codes, reason);
}

function reasonOf(code: number): StatusReason {
  const order: StatusReason[] = ['Conflict', 'Expired'];
  const named = [...order, ...Object.keys(codes).filter(isStatusReason)];
  return named.find((reason) => codes[reason] === code) ?? 'Unknown';
}

function definedOnly(details: NonNullable<Status['details']>): StatusDetails {
  const { name, group, kind, uid, causes, retryAfterSeconds } = details;
  return {
    ...(name === undefined ? {} : { name }),
    ...(group === undefined ? {} : { group }),
    ...(kind === undefined ? {} : { kind }),
    ...(uid === undefined ? {} : { uid }),
    ...(causes === undefined ? {} : { causes }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  };
}

/** Whether `error` is an ApiError with one of `reasons`. */
export function isApiError(error: unknown, ...reasons: StatusReason[]): error is ApiError {
  return error instanceof ApiError && (reasons.length === 0 || reasons.includes(error.reason));
}

/**
 * One thing wrong with a submitted object. `reason` follows metav1.CauseType
 * (FieldValueRequired, FieldValueInvalid, …).
 */
export interface FieldError {
  /** Path as people write it: `spec.template.spec.containers[0].name`. */
  field: string;
  /** What is wrong and how to mend it. */
  message: string;
  reason?:
    | 'FieldValueRequired'
    | 'FieldValueInvalid'
    | 'FieldValueDuplicate'
    | 'FieldValueNotSupported'
    | 'FieldValueForbidden'
    | 'FieldValueTooLong'
    | 'FieldValueTypeInvalid';
}

/** Joins path segments as Kubernetes prints them. */
export function fieldPath(segments: readonly PropertyKey[]): string {
  let path = '';
  for (const segment of segments) {
    if (typeof segment === 'number') path += `[${segment}]`;
    else {
      const text = String(segment);
      if (/^[A-Za-z_][\w-]*$/.test(text)) path += path === '' ? text : `.${text}`;
      else path += `[${text}]`;
    }
  }
  return path;
}
