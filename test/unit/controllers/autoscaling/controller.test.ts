import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createClient } from '../../../../api/client/resource-client.ts';
import type { ApiRequest, ApiResponse, Transport } from '../../../../api/client/transport.ts';
import { rfc3339 } from '../../../../api/machinery/clock.ts';
import { findCondition } from '../../../../api/machinery/conditions.ts';
import { eventResource } from '../../../../api/v1/core.ts';
import { customResourceDefinitionResource } from '../../../../api/v1/custom-resource-definition.ts';
import {
  horizontalPodAutoscalerResource,
  type AutoscalerSpec,
} from '../../../../api/v1/horizontal-pod-autoscaler.ts';
import { jobLabel, jobResource } from '../../../../api/v1/job.ts';
import { resources } from '../../../../api/v1/resources.ts';
import { taskResource } from '../../../../api/v1/task.ts';
import {
  autoscalerIndexers,
  createAutoscalingController,
  scaledTaskIndexers,
} from '../../../../controllers/autoscaling/controller.ts';
import { EventRecorder } from '../../../../controllers/runtime/event-recorder.ts';
import { Informer } from '../../../../controllers/runtime/informer.ts';
import { runAll } from '../../../../controllers/runtime/manager.ts';
import { makeTask } from '../../api/cli/support/objects.ts';
import { silent, startApi, until, type TestApi } from '../runtime/api.ts';
import { FaultyTransport } from '../runtime/faulty-transport.ts';

const metricsPath = '/apis/metrics.k8s.io/v1beta1/namespaces/default/pods';

/** Answers for agents that there are none of: what each task uses, in thousandths of a core. */
class Metering implements Transport {
  readonly #inner: Transport;
  readonly #now: () => number;
  readonly milliCores = new Map<string, number>();
  /** What happens while somebody waits for an answer. */
  meanwhile: () => Promise<unknown> = () => Promise.resolve();

  constructor(inner: Transport, now: () => number) {
    this.#inner = inner;
    this.#now = now;
  }

  async request(request: ApiRequest, signal?: AbortSignal): Promise<ApiResponse> {
    if (request.path !== metricsPath) return this.#inner.request(request, signal);
    await this.meanwhile();
    const tasks = await createClient(this.#inner).of(taskResource).list({ namespace: 'default' });
    const items = tasks.items.flatMap(({ metadata }) => {
      const used = this.milliCores.get(metadata.name);
      if (used === undefined) return [];
      const containers = [{ name: 'main', usage: { cpu: `${used}m`, memory: '16Mi' } }];
      return { metadata, timestamp: rfc3339(this.#now()), window: '15.000s', containers };
    });
    const list = { kind: 'PodMetricsList', apiVersion: 'metrics.k8s.io/v1beta1' };
    return {
      code: 200,
      body: { ...list, metadata: { resourceVersion: '1' }, items },
      warnings: [],
    };
  }

  watch(request: ApiRequest, signal: AbortSignal): AsyncIterable<unknown> {
    return this.#inner.watch(request, signal);
  }
}

let api: TestApi;
let transport: FaultyTransport;
let metering: Metering;
let stop: () => Promise<void>;

beforeEach(async () => {
  api = await startApi();
  const { clock, random } = api;
  metering = new Metering(api.transport, () => clock.now());
  transport = new FaultyTransport(metering);
  const client = createClient(transport);
  const options = { clock, random, logger: silent };
  const autoscalers = new Informer({
    client: client.of(horizontalPodAutoscalerResource),
    indexers: autoscalerIndexers,
    ...options,
  });
  const tasks = new Informer({
    client: client.of(taskResource),
    indexers: scaledTaskIndexers,
    ...options,
  });
  const definitions = new Informer({
    client: client.of(customResourceDefinitionResource),
    ...options,
  });
  const loop = createAutoscalingController({
    client,
    autoscalers,
    tasks,
    definitions,
    own: resources,
    events: new EventRecorder({ client, component: 'hpa', ...options }),
    clock,
    logger: silent,
  });
  const abort = new AbortController();
  const running = runAll([autoscalers, tasks, definitions, loop], abort.signal, silent);
  stop = async () => {
    abort.abort();
    await running;
  };
});
afterEach(async () => {
  await stop();
  await api.stop();
});

const ref = { namespace: 'default', name: 'web' };
const jobs = () => api.client.of(jobResource);
const autoscalers = () => api.client.of(horizontalPodAutoscalerResource);
const replicasOf = async () => (await jobs().get(ref)).spec.replicas;
const conditionOf = async (type: string) =>
  findCondition((await autoscalers().get(ref)).status?.conditions, type);
const reasonOf = async (type: string) => (await conditionOf(type))?.reason;

/** A Job with tasks that are ready since a while, each requesting 100 thousandths of a core. */
async function start(replicas: number, spec: Partial<AutoscalerSpec> = {}): Promise<void> {
  const resource = { requests: { cpu: '100m', memory: '32Mi' } };
  const job = await jobs().create({
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Job',
    metadata: ref,
    spec: {
      replicas,
      template: { spec: { containers: [{ name: 'main', script: 'true', resources: resource }] } },
    },
  });
  await jobs().updateStatus({ ...job, status: { replicas, selector: `${jobLabel}=web` } });
  const before = rfc3339(api.clock.now() - 3_600_000);
  for (let instance = 0; instance < replicas; instance += 1) {
    await makeTask(api.client, `web-${instance}`, {
      instance,
      status: {
        phase: 'Running',
        startTime: before,
        conditions: [
          {
            type: 'Ready',
            status: 'True',
            reason: 'Running',
            message: '',
            lastTransitionTime: before,
          },
        ],
      },
    });
  }
  await autoscalers().create({
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: ref,
    spec: {
      scaleTargetRef: { apiVersion: 'mesocosm.dev/v1', kind: 'Job', name: 'web' },
      minReplicas: 1,
      maxReplicas: 10,
      metrics: [
        {
          type: 'Resource',
          resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } },
        },
      ],
      ...spec,
    },
  });
}

function use(milliCores: number, ...instances: number[]): void {
  for (const instance of instances) metering.milliCores.set(`web-${instance}`, milliCores);
}

/** Whether a write to the scale was tried. */
const scaled = () => transport.writes.filter(({ path }) => path.endsWith('/scale')).length > 0;

describe('the autoscaling loop', () => {
  it('adds replicas to a busy target, and says so', async () => {
    use(100, 0, 1);
    await start(2);
    await until(api.clock, async () => (await replicasOf()) === 4);
    await until(api.clock, async () => (await reasonOf('AbleToScale')) === 'SucceededRescale');
    const { status } = await autoscalers().get(ref);
    expect(Date.parse(status?.lastScaleTime ?? '')).not.toBeNaN();
    expect(status).toMatchObject({
      currentReplicas: 2,
      desiredReplicas: 4,
      currentMetrics: [
        {
          type: 'Resource',
          resource: { name: 'cpu', current: { averageUtilization: 100, averageValue: '100m' } },
        },
      ],
    });
    const told = async () =>
      (await api.client.of(eventResource).list({ namespace: 'default' })).items.find(
        ({ reason }) => reason === 'SuccessfulRescale',
      );
    await until(api.clock, async () => (await told()) !== undefined);
    expect((await told())?.message).toBe(
      'New size: 4; reason: cpu resource utilization (percentage of request) above target',
    );
  });

  it('takes replicas away once five minutes have needed fewer', async () => {
    use(10, 0, 1, 2, 3);
    await start(4);
    await until(api.clock, async () => (await reasonOf('AbleToScale')) === 'ScaleDownStabilized');
    expect(await replicasOf()).toBe(4);
    await until(api.clock, async () => (await replicasOf()) === 1, 400_000);
  });

  it('takes nobody away while a task tells nothing, however long', async () => {
    use(1, 0, 1, 2);
    await start(4);
    await until(api.clock, async () => (await reasonOf('ScalingLimited')) === 'MissingMetrics');
    await api.clock.advance(900_000);
    expect(await replicasOf()).toBe(4);
    expect(scaled()).toBe(false);
  });

  it('does nothing while metrics cannot be had, and says why', async () => {
    use(1, 0, 1);
    transport.fault = ({ path }) => (path === metricsPath ? 'away' : undefined);
    await start(2);
    await until(
      api.clock,
      async () => (await reasonOf('ScalingActive')) === 'FailedGetResourceMetric',
    );
    await api.clock.advance(900_000);
    expect(scaled()).toBe(false);
    transport.fault = () => undefined;
    await until(api.clock, async () => (await reasonOf('ScalingActive')) === 'ValidMetricFound');
    expect(await replicasOf()).toBe(2);
  });

  it('leaves alone what somebody has stopped', async () => {
    use(100, 0, 1);
    await start(2, { minReplicas: 2 });
    await until(api.clock, async () => (await replicasOf()) === 4);
    await jobs().setScale(ref, 0);
    await until(api.clock, async () => (await reasonOf('ScalingActive')) === 'ScalingDisabled');
    expect(await replicasOf()).toBe(0);
  });

  it('does not undo what somebody does while it measures', async () => {
    use(100, 0, 1);
    metering.meanwhile = () => jobs().setScale(ref, 0);
    await start(2);
    await until(api.clock, async () => (await reasonOf('ScalingActive')) === 'ScalingDisabled');
    expect(await replicasOf()).toBe(0);
    expect(scaled()).toBe(false);
  });

  it('brings what is out of bounds back without measuring', async () => {
    await start(2, { minReplicas: 3 });
    await until(api.clock, async () => (await replicasOf()) === 3);
    await jobs().setScale(ref, 20);
    await until(api.clock, async () => (await replicasOf()) === 10);
  });

  it('does not undo what another autoscaler of the same target does', async () => {
    use(100, 0, 1);
    const spec = { scaleTargetRef: { apiVersion: 'mesocosm.dev/v1', kind: 'Job', name: 'web' } };
    await autoscalers().create({
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: { namespace: 'default', name: 'other' },
      spec: { ...spec, maxReplicas: 3 },
    });
    await start(2);
    await until(api.clock, async () => (await reasonOf('ScalingActive')) === 'AmbiguousSelector');
    expect(scaled()).toBe(false);
  });

  it('says that there is no such target', async () => {
    await start(1, { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' } });
    await until(api.clock, async () => (await reasonOf('AbleToScale')) === 'FailedGetScale');
    expect((await conditionOf('AbleToScale'))?.message).toContain('no kind Deployment of apps/v1');
  });

  it('keeps its number when a Job that names none is applied again', async () => {
    use(100, 0, 1);
    await start(2);
    await until(api.clock, async () => (await replicasOf()) === 4);
    const { template } = (await jobs().get(ref)).spec;
    const job = { apiVersion: 'mesocosm.dev/v1', kind: 'Job', metadata: ref, spec: { template } };
    for (const contentType of ['application/apply-patch+yaml', 'application/merge-patch+json']) {
      const answer = await api.transport.request({
        method: 'PATCH',
        path: '/apis/mesocosm.dev/v1/namespaces/default/jobs/web',
        query: {
          fieldManager: 'kubectl',
          ...(contentType.includes('apply') ? { force: 'true' } : {}),
        },
        contentType,
        body: job,
      });
      expect(answer.code).toBe(200);
      expect(await replicasOf()).toBe(4);
    }
  });
});
