import { describe, expect, it } from 'vitest';
import { rfc3339 } from '../../../../api/machinery/clock.ts';
import type { AutoscalerSpec, MetricSpec } from '../../../../api/v1/horizontal-pod-autoscaler.ts';
import type { PodMetrics } from '../../../../api/v1/pod-metrics.ts';
import type { Task, TaskPhase } from '../../../../api/v1/task.ts';
import { noHistory } from '../../../../controllers/autoscaling/behavior.ts';
import { decide, type Failure } from '../../../../controllers/autoscaling/decide.ts';
import { measure, type Observed } from '../../../../controllers/autoscaling/measure.ts';

const now = Date.parse('2026-01-01T12:00:00Z');
const ago = (seconds: number): string => rfc3339(now - seconds * 1000);
const cpu = (averageUtilization: number): MetricSpec => ({
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } },
});
const memory: MetricSpec = {
  type: 'Resource',
  resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '32Mi' } },
};
const ofContainer = (container: string): MetricSpec => ({
  type: 'ContainerResource',
  containerResource: {
    name: 'cpu',
    container,
    target: { type: 'Utilization', averageUtilization: 50 },
  },
});

interface Given {
  phase?: TaskPhase;
  /** Seconds since it started, and since its condition Ready changed. */
  age?: number;
  since?: number;
  ready?: boolean;
  containers?: string[];
  requests?: Record<string, string>;
  stopped?: boolean;
}

function task(uid: string, given: Given = {}): Task {
  const { phase = 'Running', age = 3600, since = age, ready = true, stopped = false } = given;
  const { containers = ['main'], requests = { cpu: '100m', memory: '64Mi' } } = given;
  return {
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Task',
    metadata: {
      name: uid,
      namespace: 'prod',
      uid,
      resourceVersion: '1',
      creationTimestamp: ago(age),
    },
    spec: {
      job: 'web',
      instance: 0,
      revision: 'web-1',
      restarts: 0,
      containers: containers.map((name) => ({ name, script: 'true', resources: { requests } })),
      ...(stopped ? { stop: { reason: 'ScaleDown' } } : {}),
    },
    status: {
      phase,
      startTime: ago(age),
      conditions: [
        {
          type: 'Ready',
          status: ready ? 'True' : 'False',
          reason: 'Any',
          message: '',
          lastTransitionTime: ago(since),
        },
      ],
    },
  };
}

function told(uid: string, used: string, name = 'main'): PodMetrics {
  return {
    apiVersion: 'metrics.k8s.io/v1beta1',
    kind: 'PodMetrics',
    metadata: {
      name: uid,
      namespace: 'prod',
      uid,
      resourceVersion: '1',
      creationTimestamp: ago(0),
    },
    timestamp: ago(5),
    window: '15.000s',
    containers: [{ name, usage: { cpu: used, memory: '48Mi' } }],
  };
}

function observed(tasks: readonly Task[], ...metrics: PodMetrics[]): Observed {
  return { tasks, metrics: new Map(metrics.map((one) => [one.metadata.uid, one])), now };
}
const kindOf = (one: Task, ...metrics: PodMetrics[]) =>
  measure(cpu(50), observed([one], ...metrics)).map(({ kind }) => kind);

describe('a task, as a metric sees it', () => {
  it.each<[string, Given, boolean, string[]]>([
    ['is measured once it works', {}, true, ['measured']],
    ['is missing if its agent tells nothing', {}, false, ['missing']],
    ['is missing if it is out of sight', { phase: 'Unreachable' }, true, ['missing']],
    ['is unready before it runs', { phase: 'Launching' }, false, ['unready']],
    ['is unready while it warms up and is not ready', { age: 60, ready: false }, true, ['unready']],
    ['is unready until its metrics follow its start', { age: 60, since: 15 }, true, ['unready']],
    ['is measured when they do', { age: 60, since: 30 }, true, ['measured']],
    ['is unready if it never was ready', { since: 3590, ready: false }, true, ['unready']],
    [
      'is measured if it was ready, and works too hard',
      { since: 60, ready: false },
      true,
      ['measured'],
    ],
  ])('%s', (_, given, known, kinds) => {
    expect(kindOf(task('a', given), ...(known ? [told('a', '50m')] : []))).toEqual(kinds);
  });

  it('does not count once it has ended, or is to', () => {
    const gone = [task('a', { phase: 'Failed' }), task('b', { stopped: true })];
    const all = observed([...gone, task('c')], told('c', '50m'));
    expect(measure(cpu(50), all)).toEqual([{ kind: 'measured', usage: 0.05, request: 0.1 }]);
    expect(() => measure(cpu(50), observed(gone))).toThrow('no pods returned by selector');
  });

  it('must request what is aimed at in percent of the requests', () => {
    const all = observed([task('a', { requests: { memory: '64Mi' } })], told('a', '50m'));
    expect(() => measure(cpu(50), all)).toThrow(
      'missing request for cpu in container main of Pod a',
    );
    expect(measure(memory, all)).toMatchObject([{ kind: 'measured', usage: 48 * 2 ** 20 }]);
  });

  it('is measured by one container where each is measured', () => {
    const one = observed([task('a')], told('a', '50m'));
    expect(measure(ofContainer('main'), one)).toMatchObject([{ usage: 0.05, request: 0.1 }]);
    const pair = observed([task('a', { containers: ['main', 'side'] })], told('a', '50m', '*'));
    expect(() => measure(ofContainer('main'), pair)).toThrow(
      'not present in metrics for pod prod/a',
    );
    expect(() => measure(ofContainer('other'), one)).toThrow('container other is not in Pod a');
  });
});

const spec = (...metrics: MetricSpec[]): AutoscalerSpec => ({
  scaleTargetRef: { kind: 'Job', name: 'web' },
  minReplicas: 1,
  maxReplicas: 10,
  metrics,
  behavior: { scaleDown: { stabilizationWindowSeconds: 0 } },
});
const decided = (wanted: AutoscalerSpec, current: number, seen: Observed | Failure) =>
  decide({ spec: wanted, current, observed: seen, at: 0 }, noHistory);

describe('a decision', () => {
  const two = [task('a'), task('b')];
  const calm = observed(two, told('a', '10m'), told('b', '10m'));

  it('is the greatest number that a metric asks for', () => {
    expect(decided(spec(cpu(50)), 2, calm).replicas).toBe(1);
    const both = decided(spec(cpu(50), memory), 2, calm);
    expect(both).toMatchObject({ replicas: 3, reason: 'memory resource above target' });
    expect(both.currentMetrics).toHaveLength(2);
    expect(both.currentMetrics[1]).toEqual({
      type: 'Resource',
      resource: { name: 'memory', current: { averageValue: String(48 * 2 ** 20) } },
    });
  });

  it('is never fewer while a metric cannot be had, but may be more', () => {
    const unknown = ofContainer('side');
    const fewer = decided(spec(cpu(50), unknown), 2, calm);
    expect(fewer.replicas).toBe(2);
    expect(fewer.active).toMatchObject({ ok: false, reason: 'FailedGetContainerResourceMetric' });
    const busy = observed(two, told('a', '100m'), told('b', '100m'));
    const more = decided(spec(cpu(50), unknown), 2, busy);
    expect(more).toMatchObject({ replicas: 4, active: { ok: true, reason: 'ValidMetricFound' } });
    expect(more.failures).toHaveLength(1);
  });

  it('is to wait while nothing can be seen', () => {
    const failure = { reason: 'FailedGetResourceMetric', message: 'unable to fetch metrics: away' };
    expect(decided(spec(cpu(50)), 7, failure)).toMatchObject({
      replicas: 7,
      active: { ok: false, reason: 'FailedGetResourceMetric' },
    });
    const starting = observed([task('a', { phase: 'Pending' })]);
    expect(decided(spec(cpu(50)), 1, starting).active.message).toContain(
      'did not receive metrics for targeted pods (pods might be unready)',
    );
  });

  it('says that it is limited by what is not known', () => {
    const partly = observed(two, told('a', '1m'));
    const kept = decided(spec(cpu(50)), 2, partly);
    expect(kept).toMatchObject({ replicas: 2, limited: { ok: true, reason: 'MissingMetrics' } });
    expect(kept.limited?.message).toContain('1 of the tasks tell no metrics: 2 are kept');
  });
});
