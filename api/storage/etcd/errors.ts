import {
  EtcdAuthenticationFailedError,
  EtcdInvalidAuthTokenError,
  EtcdLeaseInvalidError,
  EtcdPermissionDeniedError,
  GRPCUnauthenticatedError,
} from 'etcd3';
import { StorageError, type StorageErrorCode } from '../storage.ts';

// etcd and gRPC tell conditions apart by text only (rpctypes/error.go of etcd, load-balancer-pick-first.js
// and internal-channel.js of grpc-js 1.14). A text that is missed here errs to `unavailable` for a read
// and to a read-back for a write, which are slower and as safe.
const texts: readonly (readonly [string, StorageErrorCode])[] = [
  ['required revision has been compacted', 'compacted'],
  ['required revision is a future revision', 'future'],
  ['database space exceeded', 'no-space'],
  ['request is too large', 'too-large'],
  ['Received message larger than max', 'too-large'],
  ['user name is empty', 'denied'],
  ['permission denied', 'denied'],
];

/** Answers after which the request is known to have had no effect, though another time it may. */
const notApplied = [
  'No connection established',
  'Channel closed before call started',
  'Name resolution failed',
  'too many requests',
];

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

function codeOf(error: unknown): StorageErrorCode {
  if (
    error instanceof EtcdPermissionDeniedError ||
    error instanceof EtcdAuthenticationFailedError ||
    error instanceof EtcdInvalidAuthTokenError ||
    error instanceof GRPCUnauthenticatedError
  ) {
    return 'denied';
  }
  const message = messageOf(error);
  const known = texts.find(([text]) => message.includes(text));
  if (known !== undefined) return known[1];
  const refused = /\b(INVALID_ARGUMENT|NOT_FOUND|FAILED_PRECONDITION|UNIMPLEMENTED|OUT_OF_RANGE)\b/;
  return refused.test(message) ? 'internal' : 'unavailable';
}

/** What a failed read, or a failed watch, means. */
export function storageErrorOf(error: unknown): StorageError {
  if (error instanceof StorageError) return error;
  return new StorageError(codeOf(error), `etcd: ${messageOf(error)}`, { cause: error });
}

/** Whether a write was refused because the store does not know the lease any more. */
export function isLeaseLost(error: unknown): boolean {
  return error instanceof StorageError && error.cause instanceof EtcdLeaseInvalidError;
}

/**
 * What a failed transaction means. `refused`: it was not applied and never will be. `answered`: etcd
 * says no, but may have applied it (the first write over the quota is). `lost`: nobody knows, and it
 * may yet be applied.
 */
export interface WriteFailure {
  kind: 'refused' | 'answered' | 'lost';
  error: StorageError;
}

export function writeFailureOf(error: unknown): WriteFailure {
  const mapped = storageErrorOf(error);
  if (mapped.code === 'no-space') return { kind: 'answered', error: mapped };
  if (mapped.code !== 'unavailable') return { kind: 'refused', error: mapped };
  const message = messageOf(error);
  const refused = notApplied.some((text) => message.includes(text));
  return { kind: refused ? 'refused' : 'lost', error: mapped };
}
