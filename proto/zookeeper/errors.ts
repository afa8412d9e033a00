/**
 * What is known about a failed request:
 * - `not-sent`: it never left this process;
 * - `not-applied`: the server answered that it did nothing;
 * - `unknown`: it was sent and no answer came. A write may have happened: read back.
 */
export type Outcome = 'not-sent' | 'not-applied' | 'unknown';

/** Error numbers of ZooKeeper's reply header (KeeperException.Code). */
const serverCodes = {
  [-1]: 'SYSTEM_ERROR',
  [-2]: 'RUNTIME_INCONSISTENCY',
  [-3]: 'DATA_INCONSISTENCY',
  [-4]: 'CONNECTION_LOSS',
  [-5]: 'MARSHALLING_ERROR',
  [-6]: 'UNIMPLEMENTED',
  [-7]: 'OPERATION_TIMEOUT',
  [-8]: 'BAD_ARGUMENTS',
  [-101]: 'NO_NODE',
  [-102]: 'NO_AUTH',
  [-103]: 'BAD_VERSION',
  [-108]: 'NO_CHILDREN_FOR_EPHEMERALS',
  [-110]: 'NODE_EXISTS',
  [-111]: 'NOT_EMPTY',
  [-112]: 'SESSION_EXPIRED',
  [-114]: 'INVALID_ACL',
  [-115]: 'AUTH_FAILED',
  [-118]: 'SESSION_MOVED',
  [-119]: 'NOT_READ_ONLY',
  [-122]: 'REQUEST_TIMEOUT',
  [-124]: 'SESSION_CLOSED_REQUIRE_AUTH',
  [-125]: 'QUOTA_EXCEEDED',
  [-127]: 'THROTTLED',
} as const;

type ServerCode = (typeof serverCodes)[keyof typeof serverCodes];

export type ErrorCode =
  | ServerCode
  /** The server sent an error number that this client does not know; see the message. */
  | 'UNKNOWN_ERROR'
  /** No TLS connection came about: a certificate is not believed, or there is no TLS on the other side. */
  | 'TLS_FAILED'
  /** Bytes that are not ZooKeeper's protocol, or a frame beyond the bound. The link is dropped. */
  | 'MALFORMED_REPLY'
  /** Above the server's default `jute.maxbuffer`; a server would cut the connection without a word. */
  | 'REQUEST_TOO_LARGE'
  /** The bound on requests in flight is reached. */
  | 'TOO_MANY_REQUESTS'
  /** The client was closed by its owner. */
  | 'SESSION_CLOSED';

/** After these the server says nothing about whether the request took effect. */
const undecided: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'SYSTEM_ERROR',
  'RUNTIME_INCONSISTENCY',
  'DATA_INCONSISTENCY',
  'CONNECTION_LOSS',
  'OPERATION_TIMEOUT',
  'REQUEST_TIMEOUT',
  'UNKNOWN_ERROR',
]);

export interface ErrorDetails {
  /** As the server knows it, chroot included. */
  readonly path?: string | undefined;
  readonly cause?: unknown;
}

export class ZooKeeperError extends Error {
  override readonly name: string = 'ZooKeeperError';
  readonly code: ErrorCode;
  readonly outcome: Outcome;
  readonly path: string | undefined;

  constructor(code: ErrorCode, outcome: Outcome, message: string, details: ErrorDetails = {}) {
    super(`${code}: ${message}`, details.cause === undefined ? {} : { cause: details.cause });
    this.code = code;
    this.outcome = outcome;
    this.path = details.path;
  }
}

/** A `multi` that the server refused as a whole: nothing of it was applied. */
export class MultiError extends ZooKeeperError {
  override readonly name = 'MultiError';
  /** Position of the operation that failed; later ones were not tried. */
  readonly index: number;

  constructor(code: ErrorCode, index: number, message: string, details: ErrorDetails = {}) {
    super(code, outcomeOf(code), message, details);
    this.index = index;
  }
}

export function isZooKeeperError(error: unknown, ...codes: ErrorCode[]): error is ZooKeeperError {
  return error instanceof ZooKeeperError && (codes.length === 0 || codes.includes(error.code));
}

export function codeOf(serverCode: number): ErrorCode {
  const known: Readonly<Record<number, ServerCode>> = serverCodes;
  return known[serverCode] ?? 'UNKNOWN_ERROR';
}

export function outcomeOf(code: ErrorCode): Outcome {
  return undecided.has(code) ? 'unknown' : 'not-applied';
}

/** The error of a reply whose header carries `serverCode`. */
export function serverError(serverCode: number, request: string, path?: string): ZooKeeperError {
  const code = codeOf(serverCode);
  return new ZooKeeperError(code, outcomeOf(code), `${request} (server error ${serverCode})`, {
    path,
  });
}

export function malformed(what: string): ZooKeeperError {
  return new ZooKeeperError('MALFORMED_REPLY', 'unknown', what);
}
