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
    bug: 'waits for the time that a clock has written down which was ahead',
    plan: story(1599, 3, 11_383, [
      [3_580, 'clock jumps', 930, 1, 12_883],
      [5_593, 'create job', 556, 17, 936],
      [6_447, 'delete task', 439, 1, 383],
    ]),
  },
  {
    bug: 'a master waits for an agent that was marked gone before it led',
    plan: story(1847, 3, 10_389, [
      [500, 'create job', 417, 1, 4_030],
      [2_311, 'create job', 924, 6, 2_140],
      [4_444, 'Mesos stream cut', 720, 1, 271],
      [4_594, 'agent marked gone', 371, 1, 690],
      [5_421, 'master failover', 395, 1, 1_756],
    ]),
  },
  {
    bug: 'blames a process without a session for what people write',
    plan: story(10_086, 3, 14_626, [
      [500, 'create job', 425, 7, 1_148],
      [1_782, 'ZooKeeper session expired', 387, 1, 569],
      [1_990, 'create job', 94, 1, 3_145],
      [2_004, 'stop in good order', 566, 1, 606],
      [3_781, 'edit member', 540, 1, 2_095],
    ]),
  },
  {
    bug: 'duplicates after a session is lost to a server that lags',
    plan: story(1428, 4, 39_924, [
      [500, 'create job', 382, 39, 483],
      [525, 'ZooKeeper server lags', 57, 1, 4_482],
      [2_275, 'ZooKeeper session expired', 11, 1, 1_042],
    ]),
  },
];
