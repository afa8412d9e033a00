import type { Random } from '../../api/machinery/random.ts';
import { wireFaults } from './wire.ts';

/** What people do. */
export const userKinds = [
  'create job',
  'create batch job',
  'scale job',
  'change template',
  'change serverSet',
  'delete job',
  'delete task',
  'edit member',
  'write foreign node',
  'change networks of job',
  'change network',
  'delete network',
  'delete claim',
] as const;

/** What goes wrong. */
export const faultKinds = [
  'crash',
  'stop in good order',
  'freeze',
  'store answer',
  'store away',
  'stale reads',
  'watch history lost',
  'ZooKeeper answer',
  'ZooKeeper link cut',
  'ZooKeeper link dead',
  'ZooKeeper session expired',
  'ZooKeeper server lags',
  'ZooKeeper away',
  'Mesos answer',
  'Mesos stream cut',
  'Mesos stream dead',
  'Mesos away',
  'master failover',
  'master away',
  'agent killed',
  'agent cut off',
  'agent unregistered',
  'task exits',
  'executor crashes',
  'agent marked gone',
  'agent back with other addresses',
  'network missing on agent',
  'clock jumps',
  ...wireFaults,
] as const;

export type UserKind = (typeof userKinds)[number];
export type FaultKind = (typeof faultKinds)[number];

/** One thing that happens; what its numbers mean is up to its kind. */
export interface Action {
  /** Milliseconds from the start. */
  at: number;
  kind: UserKind | FaultKind;
  /** Which one, of however many there are. */
  pick: number;
  /** After so many requests, where that is asked. */
  count: number;
  /** How long. */
  ms: number;
}

export interface Plan {
  seed: number;
  agents: number;
  /** When everything is well again. */
  quietAt: number;
  actions: readonly Action[];
}

const firstAt = 500;

/**
 * A random story. Each seed leaves some kinds of faults out, so that the others meet undisturbed; with
 * `only` it has faults of these kinds.
 */
export function planOf(seed: number, random: Random, only?: readonly FaultKind[]): Plan {
  const upTo = (most: number): number => Math.floor(random.next() * most);
  const chosen = faultKinds.filter(() => random.next() < 0.4);
  const kinds = only ?? chosen;
  const length = 6_000 + upTo(18_000);
  const action = (kind: Action['kind'], at: number): Action => ({
    at,
    kind,
    pick: upTo(1_000),
    count: 1 + upTo(random.next() < 0.5 ? 6 : 40),
    ms: 200 + upTo(random.next() < 0.6 ? 5_000 : 25_000),
  });
  const users = Array.from({ length: 2 + upTo(7) }, (_, index) =>
    action(
      index < 1 ? 'create job' : (userKinds[upTo(userKinds.length)] ?? 'scale job'),
      upTo(length),
    ),
  );
  users.push(action('create job', 0));
  // Most faults strike while something is going on.
  const nearby = (): number => (users[upTo(users.length)]?.at ?? 0) + upTo(3_000);
  const faults = Array.from({ length: kinds.length === 0 ? 0 : 3 + upTo(16) }, () =>
    action(kinds[upTo(kinds.length)] ?? 'crash', random.next() < 0.7 ? nearby() : upTo(length)),
  );
  const actions = [...users, ...faults]
    .map((each) => ({ ...each, at: each.at + firstAt }))
    .sort((a, b) => a.at - b.at);
  return { seed, agents: 2 + upTo(3), quietAt: length + 3_000, actions };
}

export function describeAction({ at, kind, pick, count, ms }: Action): string {
  return `${(at / 1000).toFixed(3)} s: ${kind} (pick ${pick}, count ${count}, ms ${ms})`;
}
