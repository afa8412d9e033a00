import type { Draft } from '../../api/machinery/metadata.ts';
import type { Random } from '../../api/machinery/random.ts';
import type { Job } from '../../api/v1/job.ts';
import type { Container } from '../../api/v1/template.ts';
import { namespace } from './user.ts';
import { isDead, jobFacts, phaseOf, prefixes, type TaskFacts } from './views.ts';
import type { World } from './world.ts';

const names = ['report', 'etl'] as const;

/** What a simulated user wants to be run to its end. */
export interface BatchWish {
  name: string;
  replicas: number;
  parallelism: number | undefined;
  backoffLimit: number;
  ttlSecondsAfterFinished: number | undefined;
  replaceAfterSeconds: number;
  /** How long each instance takes. */
  seconds: number;
  group: boolean;
}

/** Undefined if all names are taken: each is used once. */
export function batchWish(random: Random, taken: ReadonlySet<string>): BatchWish | undefined {
  const upTo = (most: number): number => Math.floor(random.next() * most);
  const name = names.find((each) => !taken.has(each));
  if (name === undefined) return undefined;
  return {
    name,
    replicas: 1 + upTo(4),
    parallelism: random.next() < 0.5 ? 1 + upTo(2) : undefined,
    backoffLimit: upTo(7),
    ttlSecondsAfterFinished: random.next() < 0.4 ? upTo(20) : undefined,
    replaceAfterSeconds: 5 + upTo(20),
    seconds: 1 + upTo(5),
    group: random.next() < 0.25,
  };
}

export function batchDraftOf(wish: BatchWish): Draft<Job> {
  const { parallelism, ttlSecondsAfterFinished } = wish;
  const container = (name: string): Container => ({
    name,
    script: `sleep ${wish.seconds}; exit 0`,
    resources: { requests: { cpu: '50m', memory: '32Mi' } },
  });
  return {
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Job',
    metadata: { name: wish.name, namespace },
    spec: {
      type: 'Batch',
      replicas: wish.replicas,
      backoffLimit: wish.backoffLimit,
      ...(parallelism === undefined ? {} : { parallelism }),
      ...(ttlSecondsAfterFinished === undefined ? {} : { ttlSecondsAfterFinished }),
      unreachable: { replaceAfterSeconds: wish.replaceAfterSeconds },
      template: {
        spec: {
          containers: wish.group ? [container('main'), container('side')] : [container('main')],
          terminationGracePeriodSeconds: 5,
        },
      },
    },
  };
}

/** What is not yet as it shall be: it has ended, nothing of it lives, and it is gone when its time was up. */
export function ofBatch(world: World, wish: BatchWish, live: readonly TaskFacts[]): string[] {
  const { name, ttlSecondsAfterFinished: ttl } = wish;
  const stored = world.store.get(`${prefixes.jobs}${namespace}/${name}`);
  if (stored === undefined) return ttl === undefined ? [`job ${name} is not stored`] : [];
  const job = jobFacts(stored);
  const end = job.status?.conditions.find(
    ({ type, status }) => status === 'True' && (type === 'Complete' || type === 'Failed'),
  );
  const hasEnded = end !== undefined;
  // A clock that was ahead has written down when it ended: nothing is deleted before that time comes.
  const isAhead = hasEnded && Date.parse(end.lastTransitionTime) > world.clock.now();
  if (ttl !== undefined && !isAhead) return [`job ${name} is not deleted`];
  const runs = live.filter((task) => task.spec.job === name && !isDead(task));
  return [
    ...(hasEnded ? [] : [`job ${name} has not ended`]),
    ...runs.map((task) => `${task.metadata.name} is ${phaseOf(task)}`),
  ];
}
