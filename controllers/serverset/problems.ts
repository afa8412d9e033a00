import { ZooKeeperError, type ErrorCode } from '../../proto/zookeeper/errors.ts';
import { EpochAheadError } from './fence.ts';

/** Why a set is not what it should be, in a condition's words. */
export interface Problem {
  /** One word for programs. */
  reason: string;
  /** A sentence for people. */
  message: string;
}

/** Refusals that only a person can mend, though it is tried again now and then. */
const refusals: Partial<Record<ErrorCode, readonly [reason: string, mend: string]>> = {
  NO_AUTH: ['AccessDenied', 'give our identity the rights to read, create, write and delete there'],
  AUTH_FAILED: ['AccessDenied', 'check the identity that we show'],
  INVALID_ACL: ['AccessDenied', 'check the ACL that we set'],
  NO_CHILDREN_FOR_EPHEMERALS: [
    'EphemeralParent',
    'a node of the path is ephemeral and can have no children; choose another path',
  ],
  QUOTA_EXCEEDED: ['QuotaExceeded', 'raise the quota of the path'],
  BAD_ARGUMENTS: ['InvalidPath', 'choose another path'],
  REQUEST_TOO_LARGE: ['MemberTooLarge', 'a member is at most 1 MiB; publish fewer ports'],
};

/** The problem that an error of ZooKeeper is; undefined for one that trying again soon may end. */
export function refusalOf(error: unknown): Problem | undefined {
  if (error instanceof EpochAheadError) return { reason: 'EpochAhead', message: error.message };
  if (!(error instanceof ZooKeeperError)) return undefined;
  const known = refusals[error.code];
  if (known === undefined) return undefined;
  const [reason, mend] = known;
  const where = error.path === undefined ? '' : ` at ${error.path}`;
  return { reason, message: `ZooKeeper refused${where} (${error.code}): ${mend}` };
}

/** Whether the link to ZooKeeper, and not the request, is at fault. */
export function isAway(error: unknown): boolean {
  return (
    error instanceof ZooKeeperError &&
    (error.outcome !== 'not-applied' || error.code === 'SESSION_EXPIRED') &&
    refusals[error.code] === undefined
  );
}

/** Whether a write may have happened though no answer says so. */
export function isUndecided(error: unknown): boolean {
  return error instanceof ZooKeeperError && error.outcome === 'unknown';
}
