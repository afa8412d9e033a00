import { describe, expect, it } from 'vitest';
import type { WatchEvent } from '../../../../api/client/client.ts';
import { createClient } from '../../../../api/client/resource-client.ts';
import type { ApiRequest, ApiResponse, Transport } from '../../../../api/client/transport.ts';
import { TransportError } from '../../../../api/client/transport.ts';
import { ApiError } from '../../../../api/machinery/errors.ts';
import type { Job } from '../../../../api/v1/job.ts';
import { jobResource } from '../../../../api/v1/job.ts';
import { storedJob, status } from './objects.ts';

/** A transport that records what it was asked and answers from a script. */
function scripted(...answers: (Partial<ApiResponse> | unknown[])[]): {
  transport: Transport;
  requests: ApiRequest[];
} {
  const requests: ApiRequest[] = [];
  const next = (request: ApiRequest): Partial<ApiResponse> | unknown[] => {
    requests.push(request);
    const answer = answers.shift();
    if (answer === undefined) throw new Error('the script has ended');
    return answer;
  };
  return {
    requests,
    transport: {
      request: (request) => {
        const answer = next(request);
        if (Array.isArray(answer)) throw new Error('the script expected a watch');
        return Promise.resolve({ code: 200, body: undefined, warnings: [], ...answer });
      },
      watch: async function* (request) {
        const answer = next(request);
        if (!Array.isArray(answer)) throw new Error('the script expected a request');
        await Promise.resolve();
        yield* answer;
      },
    },
  };
}

const ref = { namespace: 'prod', name: 'web' };

async function collect(events: AsyncIterable<WatchEvent<Job>>): Promise<WatchEvent<Job>[]> {
  const all: WatchEvent<Job>[] = [];
  for await (const event of events) all.push(event);
  return all;
}

describe('createClient', () => {
  it('addresses objects, collections and subresources as Kubernetes does', async () => {
    const job = storedJob('web');
    const list = { metadata: { resourceVersion: '9' }, items: [] };
    const scale = { spec: { replicas: 4 }, status: { replicas: 2, selector: 'a=b' } };
    const { transport, requests } = scripted(
      { body: job },
      { body: list },
      { body: list },
      { body: job },
      { body: job },
      { body: status(200, '', '') },
      { body: scale },
    );
    const jobs = createClient(transport, { fieldManager: 'tester' }).of(jobResource);
    const stored = await jobs.get(ref);
    await jobs.list({ labelSelector: 'app=web', limit: 5, continue: 'token' });
    await jobs.list({ namespace: 'prod', resourceVersion: '0' });
    await jobs.updateStatus(stored);
    await jobs.patch(ref, { spec: {} }, { type: 'merge' });
    await jobs.delete(ref, { propagationPolicy: 'Orphan', preconditions: { uid: 'u' } });
    expect(await jobs.setScale(ref, 4)).toEqual({
      replicas: 4,
      statusReplicas: 2,
      selector: 'a=b',
      resourceVersion: '',
    });

    const group = '/apis/mesocosm.dev/v1';
    const web = `${group}/namespaces/prod/jobs/web`;
    expect(requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      `GET ${web}`,
      `GET ${group}/jobs`,
      `GET ${group}/namespaces/prod/jobs`,
      `PUT ${web}/status`,
      `PATCH ${web}`,
      `DELETE ${web}`,
      `PATCH ${web}/scale`,
    ]);
    expect(requests[1]?.query).toEqual({ labelSelector: 'app=web', limit: '5', continue: 'token' });
    expect(requests[3]?.query).toEqual({ fieldManager: 'tester' });
    expect(requests[4]?.contentType).toBe('application/merge-patch+json');
    expect(requests[5]?.body).toEqual({
      kind: 'DeleteOptions',
      apiVersion: 'v1',
      propagationPolicy: 'Orphan',
      preconditions: { uid: 'u' },
    });
  });

  it('puts the fence on every write and on no read', async () => {
    const job = storedJob('web');
    const { transport, requests } = scripted(...Array.from({ length: 6 }, () => ({ body: job })));
    const fence = { namespace: 'system', name: 'leader', epoch: 42 };
    const jobs = createClient(transport).fenced(fence).of(jobResource);
    const stored = await jobs.get(ref);
    await jobs.create(stored);
    await jobs.update(stored);
    await jobs.updateStatus(stored);
    await jobs.patch(ref, [], { type: 'json' });
    await jobs.delete(ref);
    expect(requests.map(({ fence: sent }) => sent)).toEqual([
      undefined,
      fence,
      fence,
      fence,
      fence,
      fence,
    ]);
  });

  it('turns a Status into an ApiError and absence into undefined where asked', async () => {
    const missing = status(404, 'NotFound', 'jobs.mesocosm.dev "web" not found');
    const { transport } = scripted(
      { code: 404, body: missing },
      { code: 404, body: missing },
      { code: 409, body: status(409, 'LeaderChanged', 'another leads') },
      { code: 503, body: 'upstream is away\n' },
    );
    const jobs = createClient(transport).of(jobResource);
    expect(await jobs.find(ref)).toBeUndefined();
    await expect(jobs.get(ref)).rejects.toMatchObject({ reason: 'NotFound', code: 404 });
    await expect(jobs.get(ref)).rejects.toMatchObject({ reason: 'LeaderChanged' });
    await expect(jobs.find(ref)).rejects.toMatchObject({
      reason: 'ServiceUnavailable',
      message: 'upstream is away',
    });
  });

  it('prunes the fields of a newer server at every depth instead of refusing them', async () => {
    const job = structuredClone(storedJob('web'));
    Object.assign(job, { extra: 1 });
    const spec = job['spec'] as { template: { spec: { containers: object[] } } };
    Object.assign(spec, { newField: { deep: true } });
    Object.assign(spec.template.spec.containers[0]!, { image: 'x', other: [] });
    const before = structuredClone(job);
    const { transport } = scripted({ body: job });
    const read = await createClient(transport).of(jobResource).get(ref);
    expect(read).toEqual(storedJob('web'));
    expect(job).toEqual(before);
  });

  it('takes a null in the metadata for absence: it is no deletion', async () => {
    const job = storedJob('web');
    const metadata = { ...(job['metadata'] as object), deletionTimestamp: null, labels: null };
    const { transport } = scripted({ body: { ...job, metadata } });
    const read = await createClient(transport).of(jobResource).get(ref);
    expect(Object.keys(read.metadata)).not.toContain('deletionTimestamp');
    expect(read).toEqual(job);
  });

  it('refuses an answer that is no object of the kind, saying where it differs', async () => {
    const wrong = { ...storedJob('web'), spec: { replicas: 'many', newField: 1 } };
    const unstored = storedJob('web', '');
    const { transport } = scripted({ body: wrong }, { body: unstored }, { body: 'hello' });
    const jobs = createClient(transport).of(jobResource);
    await expect(jobs.get(ref)).rejects.toThrow(/no Job: spec/);
    await expect(jobs.get(ref)).rejects.toThrow(/resourceVersion/);
    await expect(jobs.get(ref)).rejects.toBeInstanceOf(TransportError);
  });

  it("accepts a dry run's answer, which has no resourceVersion", async () => {
    const answer = storedJob('web');
    delete (answer['metadata'] as Record<string, unknown>)['resourceVersion'];
    const { transport, requests } = scripted({ body: storedJob('web') }, { body: answer });
    const jobs = createClient(transport).of(jobResource);
    const made = await jobs.create(await jobs.get(ref), { dryRun: true });
    expect(made.metadata.name).toBe('web');
    expect(requests[1]?.query).toEqual({ dryRun: 'All' });
  });

  it('yields watch events and only the bookmarks that were asked for', async () => {
    const frames = [
      { type: 'ADDED', object: storedJob('web', '8') },
      {
        type: 'BOOKMARK',
        object: { kind: 'Job', apiVersion: 'mesocosm.dev/v1', metadata: { resourceVersion: '9' } },
      },
      { type: 'DELETED', object: storedJob('web', '10') },
    ];
    const { transport, requests } = scripted(frames, frames);
    const jobs = createClient(transport).of(jobResource);
    const { signal } = new AbortController();
    const plain = await collect(jobs.watch({ namespace: 'prod', resourceVersion: '7' }, signal));
    expect(plain.map(({ type }) => type)).toEqual(['ADDED', 'DELETED']);
    const marked = await collect(jobs.watch({ allowBookmarks: true }, signal));
    expect(marked[1]).toEqual({ type: 'BOOKMARK', resourceVersion: '9' });
    expect(requests[0]).toMatchObject({
      path: '/apis/mesocosm.dev/v1/namespaces/prod/jobs',
      query: { watch: 'true', allowWatchBookmarks: 'true', resourceVersion: '7' },
    });
  });

  it('throws the ApiError that an ERROR event carries', async () => {
    const gone = { type: 'ERROR', object: status(410, 'Expired', 'too old resource version') };
    const { transport } = scripted([gone]);
    const jobs = createClient(transport).of(jobResource);
    const watching = collect(jobs.watch({}, new AbortController().signal));
    await expect(watching).rejects.toBeInstanceOf(ApiError);
    await expect(watching).rejects.toMatchObject({ reason: 'Expired' });
  });

  it('hands warnings on and refuses a namespaced object without its namespace', async () => {
    const heard: string[] = [];
    const { transport } = scripted({ body: storedJob('web'), warnings: ['careful'] });
    const jobs = createClient(transport, { onWarning: (text) => heard.push(text) }).of(jobResource);
    await jobs.get(ref);
    expect(heard).toEqual(['careful']);
    await expect(jobs.get({ name: 'web' })).rejects.toThrow(/namespace/);
  });
});
