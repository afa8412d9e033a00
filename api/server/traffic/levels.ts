import type { Verb } from '../../machinery/resource.ts';
import type { RequestInfo } from '../request-info.ts';
import type { LevelLimits } from './limiter.ts';

/**
 * Levels of priority, each with seats of its own, so that what fills one does not keep another waiting:
 * - `exempt`: whether the server is alive, and what it measures. Never waits.
 * - `leader-election`: single Leases, on which leaders depend.
 * - `system`: controllers and other parts of the system. Those in this process do not come this way.
 * - `workload`: everybody's single objects, and the opening of watches.
 * - `lists`: everybody's lists, which cost most.
 */
export type LevelName = 'exempt' | 'leader-election' | 'system' | 'workload' | 'lists';
export type LimitedLevel = Exclude<LevelName, 'exempt'>;

const patienceMs = 15_000;
const mebibyte = 1024 * 1024;

/** What an answer that waits for its client costs besides its bytes. */
export const answerOverheadBytes = 4 * 1024;

export const levels: Readonly<Record<LimitedLevel, LevelLimits>> = {
  'leader-election': {
    seats: 32,
    seatsPerFlow: 16,
    queue: 256,
    queuePerFlow: 64,
    patienceMs,
    untaken: 16 * mebibyte,
    untakenPerFlow: 2 * mebibyte,
  },
  system: {
    seats: 128,
    seatsPerFlow: 128,
    queue: 1_024,
    queuePerFlow: 1_024,
    patienceMs,
    untaken: 64 * mebibyte,
    untakenPerFlow: 32 * mebibyte,
  },
  workload: {
    seats: 128,
    seatsPerFlow: 96,
    queue: 1_024,
    queuePerFlow: 256,
    patienceMs,
    untaken: 128 * mebibyte,
    untakenPerFlow: 16 * mebibyte,
  },
  lists: {
    seats: 12,
    seatsPerFlow: 8,
    queue: 256,
    queuePerFlow: 64,
    patienceMs,
    untaken: 128 * mebibyte,
    untakenPerFlow: 16 * mebibyte,
  },
};

/** What a level is chosen by. */
export interface Classified {
  info: RequestInfo | undefined;
  verb: Verb | undefined;
  /** Name of who asks; undefined: nobody that we know, who is refused soon. */
  user: string | undefined;
}

export function levelOf({ info, verb, user }: Classified): LevelName {
  if (info?.kind !== 'resource') {
    return info !== undefined && /^\/(livez|readyz|healthz|metrics|version)(\/|$)/.test(info.path)
      ? 'exempt'
      : 'workload';
  }
  const { group, plural, name } = info;
  if (group === 'coordination.k8s.io' && plural === 'leases' && name !== undefined) {
    return 'leader-election';
  }
  // What runs in the cluster asks as a ServiceAccount: it is workload like any other.
  if (user?.startsWith('system:') === true && !/^system:(serviceaccount:|anonymous$)/.test(user)) {
    return 'system';
  }
  return verb === 'list' || verb === 'deletecollection' ? 'lists' : 'workload';
}
