import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AutoscalerSpec } from '../../../../api/v1/horizontal-pod-autoscaler.ts';
import {
  noHistory,
  paced,
  withChange,
  type History,
} from '../../../../controllers/autoscaling/behavior.ts';

const spec = (more: Partial<AutoscalerSpec> = {}): AutoscalerSpec => ({
  scaleTargetRef: { kind: 'Job', name: 'web' },
  minReplicas: 1,
  maxReplicas: 100,
  ...more,
});

/** Follows recommendations, one every 15 seconds, from a number of replicas. */
function follow(rules: AutoscalerSpec, start: number, recommendations: readonly number[]) {
  let current = start;
  let history: History = noHistory;
  return recommendations.map((recommended, index) => {
    const now = index * 15_000;
    const next = paced(rules, { current, recommended, now }, history);
    history = next.history;
    if (next.paced.replicas !== current) {
      history = withChange(history, current, next.paced.replicas, now);
      current = next.paced.replicas;
    }
    return { replicas: current, reason: next.paced.limit.reason, held: next.paced.stabilized };
  });
}
const replicas = (steps: ReturnType<typeof follow>): number[] => steps.map((step) => step.replicas);

describe('the pace of an autoscaler', () => {
  it('goes up at once, by four or to the double', () => {
    expect(follow(spec(), 2, [50])[0]).toEqual({
      replicas: 6,
      reason: 'ScaleUpLimit',
      held: undefined,
    });
    expect(replicas(follow(spec(), 2, [50, 50, 50, 50, 50]))).toEqual([6, 12, 24, 48, 50]);
    expect(replicas(follow(spec(), 10, [50, 50]))).toEqual([20, 40]);
  });

  it('goes down once five minutes have asked for no more', () => {
    const steps = follow(
      spec(),
      10,
      Array.from({ length: 21 }, () => 2),
    );
    expect(replicas(steps).slice(0, 20)).toEqual(Array.from({ length: 20 }, () => 10));
    expect(steps[0]?.held).toBe('ScaleDownStabilized');
    expect(steps[20]).toMatchObject({ replicas: 2, held: undefined });
  });

  it('does not go down for a moment in between', () => {
    expect(replicas(follow(spec(), 10, [10, 10, 1, 10, 10]))).toEqual([10, 10, 10, 10, 10]);
  });

  it('begins anew after a time in which nothing was recommended', () => {
    const quiet = spec();
    const { history } = paced(quiet, { current: 10, recommended: 10, now: 0 }, noHistory);
    const hourLater = { current: 10, recommended: 1, now: 3_600_000 };
    expect(paced(quiet, hourLater, history).paced.replicas).toBe(10);
  });

  it('counts what a period has changed already', () => {
    const slow = spec({
      behavior: {
        scaleDown: {
          stabilizationWindowSeconds: 0,
          policies: [{ type: 'Pods', value: 2, periodSeconds: 60 }],
        },
      },
    });
    const steps = follow(slow, 10, [1, 1, 1, 1, 1]);
    expect(replicas(steps)).toEqual([8, 8, 8, 8, 6]);
    expect(steps[1]?.reason).toBe('ScaleDownLimit');
  });

  it('takes the slowest policy if it is to, and none if it is to stand', () => {
    const policies = [
      { type: 'Pods' as const, value: 1, periodSeconds: 15 },
      { type: 'Percent' as const, value: 50, periodSeconds: 15 },
    ];
    const of = (selectPolicy: 'Max' | 'Min' | 'Disabled') => {
      const rules = { stabilizationWindowSeconds: 0, selectPolicy, policies };
      return spec({ behavior: { scaleUp: rules, scaleDown: rules } });
    };
    expect(replicas(follow(of('Min'), 10, [50]))).toEqual([11]);
    expect(replicas(follow(of('Max'), 10, [50]))).toEqual([15]);
    expect(replicas(follow(of('Min'), 10, [1]))).toEqual([9]);
    expect(replicas(follow(of('Max'), 10, [1]))).toEqual([5]);
    expect(replicas(follow(of('Disabled'), 10, [1, 50]))).toEqual([10, 10]);
  });

  it('stays between the bounds, and moves in the direction that is asked for', () => {
    const rules = fc.record({
      stabilizationWindowSeconds: fc.integer({ min: 0, max: 600 }),
      selectPolicy: fc.constantFrom('Max' as const, 'Min' as const, 'Disabled' as const),
      policies: fc.array(
        fc.record({
          type: fc.constantFrom('Pods' as const, 'Percent' as const),
          value: fc.integer({ min: 1, max: 200 }),
          periodSeconds: fc.integer({ min: 1, max: 1800 }),
        }),
        { minLength: 1, maxLength: 3 },
      ),
    });
    const bounds = fc
      .tuple(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 0, max: 30 }))
      .chain(([minReplicas, more]) =>
        fc.record({
          minReplicas: fc.constant(minReplicas),
          maxReplicas: fc.constant(minReplicas + more),
          start: fc.integer({ min: minReplicas, max: minReplicas + more }),
        }),
      );
    fc.assert(
      fc.property(
        bounds,
        fc.record({ scaleUp: rules, scaleDown: rules }),
        fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 1, maxLength: 40 }),
        ({ start, ...limits }, behavior, recommendations) => {
          let before = start;
          for (const [index, step] of follow(
            spec({ ...limits, behavior }),
            start,
            recommendations,
          ).entries()) {
            expect(step.replicas).toBeGreaterThanOrEqual(limits.minReplicas);
            expect(step.replicas).toBeLessThanOrEqual(limits.maxReplicas);
            const wanted = recommendations[index] ?? 0;
            if (wanted >= before) expect(step.replicas).toBeGreaterThanOrEqual(before);
            if (wanted <= before) expect(step.replicas).toBeLessThanOrEqual(before);
            before = step.replicas;
          }
        },
      ),
    );
  });
});
