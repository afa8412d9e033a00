import type { Action, Plan } from './actions.ts';

/** A story that once broke a law, as short as it was found to be. BUGS.md tells what it was about. */
export interface Regression {
  bug: string;
  plan: Plan;
}

const story = (
  seed: number,
  agents: number,
  quietAt: number,
  actions: readonly [at: number, kind: Action['kind'], pick: number, count: number, ms: number][],
): Plan => ({
  seed,
  agents,
  quietAt,
  actions: actions.map(([at, kind, pick, count, ms]) => ({ at, kind, pick, count, ms })),
});

export const regressions: readonly Regression[] = [
  {
    bug: 'duplicates after a session is lost to a server that lags',
    plan: story(1428, 4, 39_924, [
      [500, 'create job', 382, 39, 483],
      [525, 'ZooKeeper server lags', 57, 1, 4_482],
      [2_275, 'ZooKeeper session expired', 11, 1, 1_042],
    ]),
  },
];
