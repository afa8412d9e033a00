import { z } from 'zod';
import type { FieldError } from '../machinery/errors.ts';
import type { KubeObject } from '../machinery/metadata.ts';
import type { ValidationContext } from '../machinery/resource.ts';
import { validateAutoscaler } from './autoscaler-rules.ts';
import { autoscalerAnnotations, fromV1, noteErrors } from './autoscaler-versions.ts';
import {
  autoscalerColumns,
  autoscalerKind,
  autoscalerDefaults,
  scaleTargetSchema,
} from './horizontal-pod-autoscaler.ts';
import { defineResource } from './zod-resource.ts';

/**
 * autoscaling/v1 HorizontalPodAutoscaler: v2 with one metric. What it has no field for travels in
 * Kubernetes' annotations, so that nothing is lost on the way from v2 and back.
 */

const specSchema = z.strictObject({
  scaleTargetRef: scaleTargetSchema.describe('What is scaled.'),
  minReplicas: z.int().optional().describe('Least number of replicas; 1 if absent.'),
  maxReplicas: z.int().describe('Greatest number of replicas.'),
  targetCPUUtilizationPercentage: z
    .int()
    .optional()
    .describe('Percent of the cpu that the ready tasks request; 80 if nothing else is measured.'),
});

const statusSchema = z.strictObject({
  observedGeneration: z.int().optional().describe('Generation that this status is about.'),
  lastScaleTime: z.string().optional().describe('When it last changed the number of replicas.'),
  currentReplicas: z.int().optional().describe('Replicas that there are.'),
  desiredReplicas: z.int().optional().describe('Replicas that are wanted.'),
  currentCPUUtilizationPercentage: z
    .int()
    .optional()
    .describe('Percent of the requested cpu that is used.'),
});

export interface HorizontalPodAutoscalerV1 extends KubeObject {
  apiVersion: 'autoscaling/v1';
  kind: 'HorizontalPodAutoscaler';
  spec: z.infer<typeof specSchema>;
  status?: z.infer<typeof statusSchema> | undefined;
}

function withDefaults(autoscaler: HorizontalPodAutoscalerV1): HorizontalPodAutoscalerV1 {
  const { spec, metadata } = autoscaler;
  const measured =
    spec.targetCPUUtilizationPercentage !== undefined ||
    metadata.annotations?.[autoscalerAnnotations.metrics] !== undefined;
  return {
    ...autoscaler,
    spec: {
      ...spec,
      minReplicas: spec.minReplicas ?? autoscalerDefaults.minReplicas,
      ...(measured ? {} : { targetCPUUtilizationPercentage: autoscalerDefaults.cpuUtilization }),
    },
  };
}

function validate(autoscaler: HorizontalPodAutoscalerV1, { old }: ValidationContext): FieldError[] {
  const errors = noteErrors(autoscaler.metadata);
  if (errors.length > 0) return errors;
  const percentage = autoscaler.spec.targetCPUUtilizationPercentage;
  if (percentage !== undefined && percentage < 1) {
    const message = `Invalid value: ${percentage}: must be greater than 0`;
    const field = 'spec.targetCPUUtilizationPercentage';
    return [{ field, message, reason: 'FieldValueInvalid' }];
  }
  return validateAutoscaler(fromV1(autoscaler, undefined).spec, old);
}

export const horizontalPodAutoscalerV1Resource = defineResource<HorizontalPodAutoscalerV1>({
  ...autoscalerKind,
  version: 'v1',
  description: 'Holds the replicas of a target between two numbers, by the cpu that its tasks use.',
  fields: {
    spec: specSchema.describe('What is scaled, between which numbers, and by how much cpu.'),
    status: statusSchema.optional().describe('What was measured and done; written by controllers.'),
  },
  subresources: { status: true },
  columns: autoscalerColumns((autoscaler) => fromV1(autoscaler, autoscaler)),
  defaults: withDefaults,
  validate,
});
