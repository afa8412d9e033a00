import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { at, startHarness, textAt, type Harness } from './support/harness.ts';

let api: Harness;
beforeAll(async () => {
  api = await startHarness();
});
afterAll(() => api.stop());

const v1 = '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers';
const v2 = '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers';
const scaleTargetRef = { apiVersion: 'mesocosm.dev/v1', kind: 'Job', name: 'web' };
const cpu = (averageUtilization: number) => ({
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } },
});
const memory = {
  type: 'Resource',
  resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '100Mi' } },
};
const ofMain = {
  type: 'ContainerResource',
  containerResource: {
    name: 'memory',
    container: 'main',
    target: { type: 'Utilization', averageUtilization: 60 },
  },
};
const newer = (name: string, spec: object) => ({
  apiVersion: 'autoscaling/v2',
  kind: 'HorizontalPodAutoscaler',
  metadata: { name },
  spec: { scaleTargetRef, maxReplicas: 5, ...spec },
});
const older = (name: string, spec: object, annotations?: Record<string, string>) => ({
  apiVersion: 'autoscaling/v1',
  kind: 'HorizontalPodAutoscaler',
  metadata: { name, ...(annotations === undefined ? {} : { annotations }) },
  spec: { scaleTargetRef, maxReplicas: 5, ...spec },
});
const note = (name: string) => `autoscaling.alpha.kubernetes.io/${name}`;

describe('a HorizontalPodAutoscaler', () => {
  it('has the defaults that Kubernetes documents', async () => {
    const { code, body } = await api.send('POST', v2, {
      body: newer('defaults', { behavior: { scaleDown: { selectPolicy: 'Disabled' } } }),
    });
    expect(code).toBe(201);
    expect(at(body, 'spec')).toEqual({
      scaleTargetRef,
      minReplicas: 1,
      maxReplicas: 5,
      metrics: [cpu(80)],
      behavior: {
        scaleUp: {
          stabilizationWindowSeconds: 0,
          selectPolicy: 'Max',
          policies: [
            { type: 'Pods', value: 4, periodSeconds: 15 },
            { type: 'Percent', value: 100, periodSeconds: 15 },
          ],
        },
        scaleDown: {
          selectPolicy: 'Disabled',
          policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }],
        },
      },
    });
    const plain = await api.send('POST', v1, { body: older('defaults-1', {}) });
    expect(at(plain.body, 'spec')).toEqual({
      scaleTargetRef,
      minReplicas: 1,
      maxReplicas: 5,
      targetCPUUtilizationPercentage: 80,
    });
  });

  it('is the same in both versions, in annotations where v1 has no field', async () => {
    const behavior = { scaleDown: { policies: [{ type: 'Pods', value: 1, periodSeconds: 60 }] } };
    await api.send('POST', v2, {
      body: newer('both', { metrics: [memory, cpu(50), ofMain], behavior }),
    });
    const seen = await api.send('GET', `${v1}/both`);
    expect(at(seen.body, 'spec')).toEqual({
      scaleTargetRef,
      minReplicas: 1,
      maxReplicas: 5,
      targetCPUUtilizationPercentage: 50,
    });
    const annotations = new Map(Object.entries(at(seen.body, 'metadata.annotations') ?? {}));
    expect(JSON.parse(String(annotations.get(note('metrics'))))).toEqual([
      { type: 'Resource', resource: { name: 'memory', targetAverageValue: '100Mi' } },
      {
        type: 'ContainerResource',
        containerResource: { name: 'memory', container: 'main', targetAverageUtilization: 60 },
      },
    ]);
    // As kube-apiserver writes it, by the names of its own structures.
    expect(JSON.parse(String(annotations.get(note('behavior'))))).toMatchObject({
      ScaleUp: { StabilizationWindowSeconds: 0, SelectPolicy: 'Max' },
      ScaleDown: { SelectPolicy: 'Max', Policies: [{ Type: 'Pods', Value: 1, PeriodSeconds: 60 }] },
    });
    const put = await api.send('PUT', `${v1}/both`, {
      body: { ...older('both', { maxReplicas: 6 }), metadata: at(seen.body, 'metadata') },
    });
    expect(put.code).toBe(200);
    const { body } = await api.send('GET', `${v2}/both`);
    expect(at(body, 'spec.metrics')).toEqual([memory, ofMain]);
    expect(at(body, 'spec.behavior.scaleDown.policies')).toEqual(behavior.scaleDown.policies);
    expect(at(body, 'metadata')).not.toHaveProperty('annotations');
  });

  it('is of another generation once what is wanted has changed, in whichever version', async () => {
    const generation = async (): Promise<unknown> =>
      at((await api.send('GET', `${v2}/generation`)).body, 'metadata.generation');
    const patch = async (path: string, body: object): Promise<void> => {
      const contentType = 'application/merge-patch+json';
      const { code } = await api.send('PATCH', `${path}/generation`, { body, contentType });
      expect(code).toBe(200);
    };
    const annotate = (name: string, value: unknown) =>
      patch(v1, { metadata: { annotations: { [note(name)]: JSON.stringify(value) } } });
    await api.send('POST', v2, { body: newer('generation', {}) });
    expect(await generation()).toBe(1);
    const heap = { type: 'Resource', resource: { name: 'memory', targetAverageValue: '100Mi' } };
    await annotate('metrics', [heap]);
    expect(await generation()).toBe(2);
    // Written otherwise, it says the same.
    const text = `[ ${JSON.stringify(heap)} ]`;
    await patch(v1, { metadata: { annotations: { [note('metrics')]: text, team: 'a' } } });
    await annotate('conditions', []);
    expect(await generation()).toBe(2);
    await annotate('behavior', { ScaleUp: { StabilizationWindowSeconds: 60 } });
    expect(await generation()).toBe(3);
    await patch(v1, { spec: { maxReplicas: 7 } });
    await patch(v2, { spec: { minReplicas: 2 } });
    expect(await generation()).toBe(5);
    await api.send('PATCH', `${v2}/generation/status`, {
      body: { status: { desiredReplicas: 3 } },
      contentType: 'application/merge-patch+json',
    });
    expect(await generation()).toBe(5);
  });

  it('keeps its status in whichever version the rest is changed', async () => {
    const made = await api.send('POST', v2, { body: newer('status', {}) });
    const status = {
      currentReplicas: 2,
      desiredReplicas: 3,
      currentMetrics: [
        {
          type: 'Resource',
          resource: { name: 'cpu', current: { averageUtilization: 120, averageValue: '240m' } },
        },
      ],
      conditions: [
        {
          type: 'AbleToScale',
          status: 'True',
          reason: 'ReadyForNewScale',
          message: 'recommended size matches current size',
          lastTransitionTime: '2026-01-01T00:00:00Z',
        },
      ],
    };
    const told = await api.send('PUT', `${v2}/status/status`, {
      body: { ...newer('status', {}), metadata: at(made.body, 'metadata'), status },
    });
    expect(told.code).toBe(200);
    await api.send('PATCH', `${v1}/status`, {
      body: { spec: { targetCPUUtilizationPercentage: 70 } },
      contentType: 'application/strategic-merge-patch+json',
    });
    // Whoever may write annotations may not write a status by them.
    const forged = { [note('conditions')]: '[]', [note('current-metrics')]: 'nonsense' };
    const resourceVersion = textAt(
      (await api.send('GET', `${v1}/status`)).body,
      'metadata.resourceVersion',
    );
    const next = older('status', { targetCPUUtilizationPercentage: 70, maxReplicas: 7 });
    const metadata = { name: 'status', resourceVersion, annotations: forged };
    const replaced = await api.send('PUT', `${v1}/status`, { body: { ...next, metadata } });
    expect(replaced.code).toBe(200);
    const { body } = await api.send('GET', `${v2}/status`);
    expect(at(body, 'status')).toEqual(status);
    expect(at(body, 'spec.metrics')).toEqual([cpu(70)]);
    const old = await api.send('GET', `${v1}/status`);
    expect(at(old.body, 'status')).toEqual({
      currentReplicas: 2,
      desiredReplicas: 3,
      currentCPUUtilizationPercentage: 120,
    });
    const table = await api.send('GET', v2, {
      query: { fieldSelector: 'metadata.name=status' },
      accept: 'application/json;as=Table;v=v1;g=meta.k8s.io',
    });
    expect(at(table.body, 'rows.0.cells')).toMatchObject([
      'status',
      'Job/web',
      'cpu: 120%/70%',
      '1',
      7,
      2,
      expect.any(String),
    ]);
  });

  it('has one set of owners for both versions', async () => {
    const apply = (path: string, body: object, by: string) =>
      api.send('PATCH', `${path}/owned`, {
        body,
        contentType: 'application/apply-patch+yaml',
        query: { fieldManager: by },
      });
    expect(
      (await apply(v1, older('owned', { targetCPUUtilizationPercentage: 60 }), 'a')).code,
    ).toBe(201);
    const refused = await apply(v2, newer('owned', { metrics: [cpu(70)] }), 'b');
    expect(refused.code).toBe(409);
    expect(JSON.stringify(refused.body)).toContain('.spec.metrics');
    const before = await api.send('GET', `${v1}/owned`);
    const again = await apply(v1, older('owned', { targetCPUUtilizationPercentage: 60 }), 'a');
    expect(again.body).toEqual(before.body);
  });

  it.each([
    [{ maxReplicas: 0 }, 'spec.maxReplicas', 'must be greater than 0'],
    [{ minReplicas: 0 }, 'spec.minReplicas', 'must be greater than or equal to 1'],
    [{ minReplicas: 9 }, 'spec.maxReplicas', 'must be greater than or equal to `minReplicas`'],
    [{ metrics: [{ type: 'Pods' }] }, 'spec.metrics[0].type', 'supported values: "Resource"'],
    [
      { scaleTargetRef: { kind: 'Job', name: 'web' } },
      'spec.scaleTargetRef.apiVersion',
      'Required value: write mesocosm.dev/v1',
    ],
    [
      { scaleTargetRef: { apiVersion: 'v1', kind: 'Widget', name: 'web' } },
      'spec.scaleTargetRef.apiVersion',
      'Invalid value: "v1": write group and version of the kind, mesocosm.dev/v1 for a Job',
    ],
    [{ metrics: [{ type: 'Resource' }] }, 'spec.metrics[0].resource', 'Required value'],
    [{ metrics: [cpu(0)] }, 'target.averageUtilization', 'must be greater than 0'],
    [
      {
        metrics: [{ type: 'Resource', resource: { name: 'gpu', target: { type: 'Utilization' } } }],
      },
      'spec.metrics[0].resource.name',
      'supported values: "cpu", "memory"',
    ],
    [
      { behavior: { scaleUp: { policies: [] } } },
      'spec.behavior.scaleUp.policies',
      'must specify at least one Policy',
    ],
    [
      { behavior: { scaleDown: { stabilizationWindowSeconds: 3601 } } },
      'stabilizationWindowSeconds',
      'must be less than or equal to 3600',
    ],
  ])('is refused with %j', async (spec, field, why) => {
    const { code, body } = await api.send('POST', v2, { body: newer('bad', spec) });
    expect(code).toBe(422);
    expect(at(body, 'message')).toContain(field);
    expect(at(body, 'message')).toContain(why);
  });

  it('may keep a target without a version that is stored already', async () => {
    const stored = {
      ...newer('ancient', { minReplicas: 1, scaleTargetRef: { kind: 'Job', name: 'web' } }),
      metadata: {
        name: 'ancient',
        namespace: 'default',
        uid: 'u',
        creationTimestamp: '2026-01-01T00:00:00Z',
      },
    };
    const key = '/autoscaling/horizontalpodautoscalers/default/ancient';
    await api.storage.create(key, Buffer.from(JSON.stringify(stored)));
    const patch = (path: string, spec: object) =>
      api.send('PATCH', `${path}/ancient`, {
        body: { spec },
        contentType: 'application/merge-patch+json',
      });
    for (const path of [v1, v2]) expect((await patch(path, { maxReplicas: 8 })).code).toBe(200);
    const other = { scaleTargetRef: { kind: 'Other' } };
    for (const path of [v1, v2]) expect((await patch(path, other)).code).toBe(422);
  });

  it.each([
    [{ metrics: [{ type: 'Pods', pods: {} }] }, 'spec.metrics[0].pods', 'use type Resource'],
    [{ metrics: [{ type: 'Object', object: {} }] }, 'spec.metrics[0].object', 'use type Resource'],
    [{ metrics: [{ type: 'External', external: {} }] }, 'metrics[0].external', 'use type Resource'],
    [{ behavior: { scaleDown: { tolerance: 0 } } }, 'scaleDown.tolerance', 'cannot be set'],
  ])('is refused with %j, which is not acted on, and says what is', async (spec, field, mend) => {
    const { code, body } = await api.send('POST', v2, { body: newer('bad', spec) });
    expect(code).toBe(400);
    expect(at(body, 'message')).toMatch(/strict decoding error: unknown field "spec\./);
    expect(at(body, 'message')).toContain(field);
    expect(at(body, 'message')).toContain(mend);
  });

  it('is refused with annotations that are not acted on', async () => {
    const external = { type: 'External', external: { metricName: 'q' } };
    for (const [name, value, mend] of [
      ['metrics', [external], 'use type Resource'],
      ['behavior', { ScaleUp: { Tolerance: 0.2 } }, 'cannot be set'],
      ['metrics', [{ type: 'Resource', resource: { name: 'gpu' } }], 'use autoscaling/v2'],
    ] as const) {
      const noted = { [note(name)]: JSON.stringify(value) };
      const old = await api.send('POST', v1, { body: older('bad', {}, noted) });
      expect(old.code).toBe(422);
      expect(at(old.body, 'message')).toContain(note(name));
      expect(at(old.body, 'message')).toContain(mend);
    }
    for (const text of ['{', '7', `{"ScaleUp":${'['.repeat(50_000)}${']'.repeat(50_000)}}`]) {
      const deep = { [note('behavior')]: text };
      expect((await api.send('POST', v1, { body: older('bad', {}, deep) })).code).toBe(422);
    }
  });
});
