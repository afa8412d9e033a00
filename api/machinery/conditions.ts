import { z } from 'zod';

/** metav1.Condition. */
export const conditionSchema = z.strictObject({
  type: z.string().describe('Type of the condition in CamelCase.'),
  status: z.enum(['True', 'False', 'Unknown']).describe('True, False or Unknown.'),
  reason: z.string().describe('One CamelCase word for programs.'),
  message: z.string().describe('A sentence for people.'),
  lastTransitionTime: z.string().describe('When status last changed.'),
  observedGeneration: z.int().optional().describe('The generation this was computed from.'),
});
export type Condition = z.infer<typeof conditionSchema>;
export type ConditionStatus = Condition['status'];

export interface ConditionInput {
  type: string;
  status: ConditionStatus;
  reason: string;
  message: string;
  observedGeneration?: number;
}

export function findCondition(
  conditions: readonly Condition[] | undefined,
  type: string,
): Condition | undefined {
  return conditions?.find((condition) => condition.type === type);
}

export function isConditionTrue(
  conditions: readonly Condition[] | undefined,
  type: string,
): boolean {
  return findCondition(conditions, type)?.status === 'True';
}

/**
 * `conditions` with `input` set. lastTransitionTime moves only when status does (Kubernetes API
 * conventions); the list keeps its order, so that an unchanged set compares equal.
 */
export function setCondition(
  conditions: readonly Condition[] | undefined,
  input: ConditionInput,
  now: string,
): Condition[] {
  const existing = findCondition(conditions, input.type);
  const next: Condition = {
    ...input,
    lastTransitionTime: existing?.status === input.status ? existing.lastTransitionTime : now,
  };
  if (existing === undefined) return [...(conditions ?? []), next];
  return (conditions ?? []).map((condition) => (condition === existing ? next : condition));
}
