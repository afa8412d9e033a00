import { z } from 'zod';
import type { JsonObject } from './json.ts';

/**
 * How far the cluster is with an object, by the rules of kstatus (sigs.k8s.io/cli-utils), which Flux and
 * kpt wait by. Current: as its spec says. Failed: it will not get there by waiting.
 */
export interface Health {
  status: 'Current' | 'InProgress' | 'Failed' | 'Terminating';
  message: string;
}

const objectSchema = z.object({
  kind: z.string().optional().catch(undefined),
  metadata: z
    .object({ generation: z.number().optional(), deletionTimestamp: z.string().nullish() })
    .catch({}),
  status: z
    .object({
      observedGeneration: z.number().optional().catch(undefined),
      conditions: z
        .array(
          z.object({
            type: z.string(),
            status: z.string(),
            reason: z.string().optional(),
            message: z.string().optional(),
          }),
        )
        .optional()
        .catch(undefined),
    })
    .optional()
    .catch(undefined),
});

type ConditionText = { status: string; reason?: string | undefined; message?: string | undefined };

/**
 * The first of these that says something decides: deletion, the generation that was acted on, Reconciling
 * and Stalled, what is particular to the kind, Ready. An object that says nothing is Current.
 */
export function healthOf(object: JsonObject): Health {
  const { kind = 'object', metadata, status } = objectSchema.parse(object);
  if (typeof metadata.deletionTimestamp === 'string') {
    return { status: 'Terminating', message: 'is being deleted' };
  }
  const { generation } = metadata;
  const observed = status?.observedGeneration;
  if (generation !== undefined && observed !== undefined && observed !== generation) {
    const message = `${kind} is at generation ${generation}, and controllers have acted on ${Math.max(observed, 0)}`;
    return { status: 'InProgress', message };
  }
  const conditions = status?.conditions ?? [];
  const find = (type: string): ConditionText | undefined =>
    conditions.find((condition) => condition.type === type);
  const standing = conditions.find(
    ({ type, status: value }) => (type === 'Reconciling' || type === 'Stalled') && value === 'True',
  );
  if (standing !== undefined) {
    const failed = standing.type === 'Stalled';
    return { status: failed ? 'Failed' : 'InProgress', message: textOf(standing) };
  }
  if (kind === 'CustomResourceDefinition') return ofDefinition(find);
  const ready = find('Ready');
  if (ready === undefined) return { status: 'Current', message: '' };
  return { status: ready.status === 'True' ? 'Current' : 'InProgress', message: textOf(ready) };
}

function ofDefinition(find: (type: string) => ConditionText | undefined): Health {
  const accepted = find('NamesAccepted');
  if (accepted?.status === 'False') return { status: 'Failed', message: textOf(accepted) };
  const established = find('Established');
  if (established?.status === 'True') return { status: 'Current', message: textOf(established) };
  const failed = established !== undefined && established.reason !== 'Installing';
  const message = established === undefined ? 'not established yet' : textOf(established);
  return { status: failed ? 'Failed' : 'InProgress', message };
}

function textOf({ reason, message }: ConditionText): string {
  return [reason, message].filter((part) => part !== undefined && part !== '').join(': ');
}
