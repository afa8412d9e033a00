import { setCondition, type Condition } from '../../api/machinery/conditions.ts';
import type {
  AutoscalerStatus,
  HorizontalPodAutoscaler,
  MetricStatus,
} from '../../api/v1/horizontal-pod-autoscaler.ts';
import type { Finding } from './decide.ts';

export type ConditionType = 'AbleToScale' | 'ScalingActive' | 'ScalingLimited';

export interface Observation {
  /** Replicas that there are; as before if they could not be seen. */
  currentReplicas?: number;
  desiredReplicas?: number;
  /** As before if absent; empty where nothing could be measured. */
  currentMetrics?: readonly MetricStatus[];
  findings: Readonly<Partial<Record<ConditionType, Finding>>>;
  /** The number was changed just now. */
  scaled: boolean;
}

const order: readonly ConditionType[] = ['AbleToScale', 'ScalingActive', 'ScalingLimited'];

/** The status that says what was seen and done. */
export function statusAfter(
  { metadata, status = {} }: HorizontalPodAutoscaler,
  seen: Observation,
  now: string,
): AutoscalerStatus {
  const conditions = order.reduce<readonly Condition[] | undefined>((known, type) => {
    const finding = seen.findings[type];
    if (finding === undefined) return known;
    const { ok, reason, message } = finding;
    return setCondition(known, { type, status: ok ? 'True' : 'False', reason, message }, now);
  }, status.conditions);
  const { currentReplicas = status.currentReplicas, currentMetrics = status.currentMetrics } = seen;
  const { desiredReplicas = status.desiredReplicas ?? 0 } = seen;
  const { generation } = metadata;
  const lastScaleTime = seen.scaled ? now : status.lastScaleTime;
  return {
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    ...(lastScaleTime === undefined ? {} : { lastScaleTime }),
    ...(currentReplicas === undefined ? {} : { currentReplicas }),
    desiredReplicas,
    ...(currentMetrics === undefined || currentMetrics.length === 0
      ? {}
      : { currentMetrics: [...currentMetrics] }),
    ...(conditions === undefined ? {} : { conditions: [...conditions] }),
  };
}
