import { z } from 'zod';
import type { KubeObject } from '../machinery/metadata.ts';
import { CommandError } from './errors.ts';

const stringMap = z.record(z.string(), z.string()).optional();

const storedSchema = z.object({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.object({
    name: z.string(),
    namespace: z.string().optional(),
    uid: z.string(),
    resourceVersion: z.string(),
    generation: z.number().optional(),
    creationTimestamp: z.string(),
    deletionTimestamp: z.string().optional(),
    labels: stringMap,
    annotations: stringMap,
    finalizers: z.array(z.string()).optional(),
  }),
});

/** What every stored object has, whatever its kind. */
export function storedObject(body: unknown): KubeObject {
  const parsed = storedSchema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new CommandError('failed', 'the server answered with something that is no object');
}
