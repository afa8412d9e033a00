import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { jobResource } from '../../../../api/v1/job.ts';
import { resourceQuotaResource } from '../../../../api/v1/resource-quota.ts';
import { jobRevisionResource } from '../../../../api/v1/job-revision.ts';
import { resources } from '../../../../api/v1/resources.ts';
import { createQuotaController } from '../../../../controllers/gc/quotas.ts';
import { Kinds } from '../../../../controllers/gc/kinds.ts';
import { Caches, ownerIndexers } from '../../../../controllers/gc/caches.ts';
import { Informer } from '../../../../controllers/runtime/informer.ts';
import { runAll } from '../../../../controllers/runtime/manager.ts';
import { createClient } from '../../../../api/client/resource-client.ts';
import type { TestApi } from '../runtime/api.ts';
import { silent, startApi, until } from '../runtime/api.ts';
import { FaultyTransport } from '../runtime/faulty-transport.ts';
import { isApiError } from '../../../../api/machinery/errors.ts';

let api: TestApi;
let loops: { transport: FaultyTransport; stop(): Promise<void> };

function startQuotas() {
  const transport = new FaultyTransport(api.transport);
  const client = createClient(transport);
  const { clock, random } = api;
  const options = { clock, random, logger: silent };
  const jobs = new Informer({
    client: client.of(jobResource),
    ...options,
    indexers: ownerIndexers,
  });
  const quotas = new Informer({ client: client.of(resourceQuotaResource), ...options });
  const loop = createQuotaController({
    client,
    quotas,
    caches: new Caches([jobs]),
    kinds: new Kinds({ client, own: resources }),
    clock,
    logger: silent,
  });
  const abort = new AbortController();
  const running = runAll([jobs, quotas, loop], abort.signal, silent);
  return {
    transport,
    stop: async () => {
      abort.abort();
      await running;
    },
  };
}

beforeEach(async () => {
  api = await startApi();
  loops = startQuotas();
});
afterEach(async () => {
  await loops.stop();
  await api.stop();
});

const quotas = () => api.client.of(resourceQuotaResource);
const jobs = () => api.client.of(jobResource);
const ref = { namespace: 'prod', name: 'team' };

function createQuota(hard: Record<string, string>) {
  return quotas().create({
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: ref,
    spec: { hard },
  });
}

function createJob(name: string, replicas = 1) {
  const resources = { requests: { cpu: '500m', memory: '64Mi' } };
  return jobs().create({
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Job',
    metadata: { name, namespace: 'prod' },
    spec: {
      replicas,
      template: { spec: { containers: [{ name: 'main', script: 'true', resources }] } },
    },
  });
}

const status = async () => (await quotas().get(ref)).status;
const becomes = (used: Record<string, string>) =>
  until(api.clock, async () => {
    const now = await status();
    return now?.pending === undefined && JSON.stringify(now?.used) === JSON.stringify(used);
  });

describe('counting a ResourceQuota', () => {
  it('begins with what is there', async () => {
    await createJob('a', 3);
    await createQuota({
      'requests.cpu': '4',
      'count/jobs.mesocosm.dev': '9',
      'limits.memory': '1Gi',
    });
    await becomes({
      'count/jobs.mesocosm.dev': '1',
      'limits.memory': '192Mi',
      'requests.cpu': '1500m',
    });
    expect((await status())?.hard).toEqual((await quotas().get(ref)).spec?.hard);
  });

  it('gives back what is scaled down or deleted', async () => {
    await createQuota({ 'requests.cpu': '4' });
    await becomes({ 'requests.cpu': '0' });
    await createJob('a', 3);
    await jobs().setScale({ namespace: 'prod', name: 'a' }, 1);
    await becomes({ 'requests.cpu': '500m' });
    await jobs().delete({ namespace: 'prod', name: 'a' });
    await becomes({ 'requests.cpu': '0' });
  });

  it('follows a changed spec', async () => {
    await createQuota({ 'requests.cpu': '4' });
    await becomes({ 'requests.cpu': '0' });
    await createJob('a');
    await quotas().patch(
      ref,
      { spec: { hard: { 'count/jobs.mesocosm.dev': '3' } } },
      { type: 'merge' },
    );
    await becomes({ 'count/jobs.mesocosm.dev': '1', 'requests.cpu': '500m' });
  });

  it('counts kinds of which it hears nothing', async () => {
    await createQuota({ 'count/jobrevisions.mesocosm.dev': '5' });
    await becomes({ 'count/jobrevisions.mesocosm.dev': '0' });
    const { spec } = await createJob('a');
    await api.client.of(jobRevisionResource).create({
      apiVersion: 'mesocosm.dev/v1',
      kind: 'JobRevision',
      metadata: { name: 'a-1', namespace: 'prod' },
      spec: { revision: 1, template: spec.template },
    });
    await api.client.of(jobRevisionResource).delete({ namespace: 'prod', name: 'a-1' });
    await becomes({ 'count/jobrevisions.mesocosm.dev': '0' });
  });

  it('keeps an entry without an outcome while it may yet be stored, and drops it then', async () => {
    await createQuota({ 'requests.cpu': '4' });
    await becomes({ 'requests.cpu': '0' });
    const quota = await quotas().get(ref);
    const lost = {
      id: 'x',
      resource: 'jobs.mesocosm.dev',
      name: 'lost',
      base: '',
      amounts: { 'requests.cpu': 1000 },
    };
    await quotas().updateStatus({
      ...quota,
      status: { ...quota.status, used: { 'requests.cpu': '1' }, pending: [lost] },
    });
    await api.clock.advance(30_000);
    expect((await status())?.used).toEqual({ 'requests.cpu': '1' });
    await becomes({ 'requests.cpu': '0' });
  });

  it('does not count twice what was stored though its answer was lost', async () => {
    await createQuota({ 'requests.cpu': '4' });
    await becomes({ 'requests.cpu': '0' });
    await createJob('a', 2);
    const quota = await quotas().get(ref);
    const landed = {
      id: 'y',
      resource: 'jobs.mesocosm.dev',
      name: 'a',
      base: '',
      amounts: { 'requests.cpu': 1000 },
    };
    await quotas().updateStatus({
      ...quota,
      status: { ...quota.status, used: { 'requests.cpu': '2' }, pending: [landed] },
    });
    await becomes({ 'requests.cpu': '1' });
  });

  it('writes nothing while nothing changes', async () => {
    await createQuota({ 'requests.cpu': '4' });
    await becomes({ 'requests.cpu': '0' });
    await createJob('a');
    await becomes({ 'requests.cpu': '500m' });
    const writes = loops.transport.writes.length;
    await api.clock.advance(20 * 60_000);
    expect(loops.transport.writes.length).toBe(writes);
  });

  it('leaves room that a refused create can use once something went', async () => {
    await createQuota({ 'count/jobs.mesocosm.dev': '1' });
    await becomes({ 'count/jobs.mesocosm.dev': '0' });
    await createJob('a');
    const refusal = await createJob('b').then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(isApiError(refusal, 'Forbidden')).toBe(true);
    await jobs().delete({ namespace: 'prod', name: 'a' });
    await becomes({ 'count/jobs.mesocosm.dev': '0' });
    await createJob('b');
  });
});
