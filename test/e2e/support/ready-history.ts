import { z } from 'zod';
import type { EtcdWrite } from './etcd-history.ts';

const taskSchema = z.object({
  spec: z.object({ job: z.string(), stop: z.unknown().optional() }),
  status: z
    .object({
      phase: z.string(),
      conditions: z.array(z.object({ type: z.string(), status: z.string() })).optional(),
    })
    .optional(),
});

/** How many Tasks of a Job are ready and not to stop, after each write of a Task of it. */
export function readyOverTime(
  history: readonly EtcdWrite[],
  job: string,
): { revision: number; count: number }[] {
  const ready = new Map<string, boolean>();
  return history
    .filter(({ key }) => key.startsWith('mesocosm.dev/tasks/'))
    .flatMap(({ key, revision, object }) => {
      if (object === undefined) ready.delete(key);
      else {
        const { spec, status } = taskSchema.parse(object);
        if (spec.job !== job) return [];
        const isReady = status?.conditions?.some(
          (condition) => condition.type === 'Ready' && condition.status === 'True',
        );
        ready.set(key, isReady === true && status?.phase === 'Running' && spec.stop === undefined);
      }
      return [{ revision, count: [...ready.values()].filter(Boolean).length }];
    });
}
