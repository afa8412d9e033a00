import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../../api/machinery/clock.ts';
import { seededRandom } from '../../../../../api/machinery/random.ts';
import type { AuditEvent } from '../../../../../api/server/audit/event.ts';
import type { AuditRule } from '../../../../../api/server/audit/policy.ts';
import { createApiServer, type ApiServer } from '../../../../../api/server/server.ts';
import { MemoryStorage } from '../../../../../api/storage/memory.ts';
import { resources } from '../../../../../api/v1/resources.ts';

const secrets = '/api/v1/namespaces/default/secrets';
const maps = '/api/v1/namespaces/default/configmaps';

let server: ApiServer | undefined;
afterEach(async () => {
  await server?.stop();
  server = undefined;
});

async function recorded(rules: readonly AuditRule[] = [{ level: 'Request', users: ['ann'] }]) {
  const events: AuditEvent[] = [];
  const clock = systemClock();
  server = createApiServer({
    storage: new MemoryStorage({ clock }),
    resources,
    clock,
    random: seededRandom(1),
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    version: '0.0.0',
    serverSetRoots: [],
    authorization: {
      authorize: ({ user, verb }) =>
        Promise.resolve(
          user.name === 'ann' && verb === 'delete'
            ? { allowed: false, reason: 'no rule' }
            : { allowed: true, reason: 'a rule' },
        ),
    },
    audit: {
      rules,
      sink: {
        write: (lines) => {
          for (const line of lines.trim().split('\n')) events.push(JSON.parse(line) as AuditEvent);
          return Promise.resolve();
        },
      },
    },
  });
  await server.start();
  const transport = server.transport({
    name: 'ann',
    uid: 'u1',
    groups: ['dev'],
    extra: { scopes: ['s'] },
  });
  return { events, transport };
}

/** Resolves once so many events are there: they are written a moment after the answer. */
async function until(events: readonly AuditEvent[], count: number): Promise<void> {
  while (events.length < count) await new Promise((resolve) => setImmediate(resolve));
}

function configMap(name: string | undefined, data: object): object {
  const metadata = name === undefined ? { generateName: 'made-' } : { name };
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata, data };
}

describe('the audit log', () => {
  it('says who did what, with what was sent, and how it ended', async () => {
    const { events, transport } = await recorded();
    const body = configMap(undefined, { key: 'value' });
    const created = await transport.request({
      method: 'POST',
      path: maps,
      query: { fieldManager: 'me' },
      body,
    });
    await until(events, 1);
    const { name, uid } = (created.body as { metadata: { name: string; uid: string } }).metadata;
    expect(events).toEqual([
      expect.objectContaining({
        kind: 'Event',
        apiVersion: 'audit.k8s.io/v1',
        level: 'Request',
        stage: 'ResponseComplete',
        requestURI: `${maps}?fieldManager=me`,
        verb: 'create',
        user: { username: 'ann', uid: 'u1', groups: ['dev'], extra: { scopes: ['s'] } },
        objectRef: { resource: 'configmaps', namespace: 'default', name, uid, apiVersion: 'v1' },
        responseStatus: { metadata: {}, code: 201 },
        requestObject: body,
        annotations: {
          'authorization.k8s.io/decision': 'allow',
          'authorization.k8s.io/reason': 'a rule',
        },
      }),
    ]);
    const [event] = events;
    expect(Date.parse(event?.stageTimestamp ?? '')).toBeGreaterThanOrEqual(
      Date.parse(event?.requestReceivedTimestamp ?? ''),
    );
  });

  it('says what was refused, and why', async () => {
    const { events, transport } = await recorded();
    await transport.request({ method: 'DELETE', path: `${maps}/x` });
    await until(events, 1);
    expect(events[0]).toMatchObject({
      verb: 'delete',
      objectRef: { name: 'x' },
      responseStatus: { status: 'Failure', reason: 'Forbidden', code: 403 },
      annotations: {
        'authorization.k8s.io/decision': 'forbid',
        'authorization.k8s.io/reason': 'no rule',
      },
    });
  });

  it('says when a watch begins, and when it ends', async () => {
    const { events, transport } = await recorded();
    const gone = new AbortController();
    const watching = transport.watch(
      { method: 'GET', path: maps, query: { watch: 'true' } },
      gone.signal,
    );
    const iterator = watching[Symbol.asyncIterator]();
    const next = iterator.next();
    await until(events, 1);
    expect(events[0]).toMatchObject({ stage: 'ResponseStarted', verb: 'watch' });
    gone.abort();
    await next;
    await until(events, 2);
    expect(events).toHaveLength(2);
    expect(events[1]).toMatchObject({
      stage: 'ResponseComplete',
      auditID: events[0]?.auditID,
      responseStatus: { code: 200 },
    });
  });

  it('never holds what is secret, not even of what is refused', async () => {
    const { events, transport } = await recorded();
    const hidden = Buffer.from('hunter2').toString('base64');
    const secret = (data: unknown) => ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 's', annotations: { last: 'hunter2' } },
      data,
    });
    const send = async (
      method: 'POST' | 'PUT' | 'PATCH',
      path: string,
      body: unknown,
    ): Promise<number> => {
      const type = method === 'PATCH' ? { contentType: 'application/merge-patch+json' } : {};
      return (await transport.request({ method, path, body, ...type })).code;
    };
    expect(await send('POST', secrets, secret({ password: hidden }))).toBe(201);
    expect(await send('POST', secrets, secret({ password: 'hunter2!' }))).toBe(422);
    expect(await send('PUT', `${secrets}/s`, secret({ 'bad key hunter2': hidden }))).toBe(422);
    expect(await send('PATCH', `${secrets}/s`, { stringData: { more: 'hunter2' } })).toBe(200);
    const review = { spec: { token: 'hunter2' } };
    expect(await send('POST', '/apis/authentication.k8s.io/v1/tokenreviews', review)).toBe(201);
    expect(await send('POST', '/apis/authentication.k8s.io/v1/tokenreviews', 'hunter2')).toBe(400);
    const misnamed = { kind: 'hunter2', apiVersion: 'v1', metadata: {} };
    expect(await send('POST', secrets, misnamed)).toBe(422);
    const access = { spec: { user: 'hunter2', nonResourceAttributes: { path: '/', verb: 'get' } } };
    const reviews = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
    expect(await send('POST', reviews, access)).toBe(201);
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'ci' } };
    const accounts = '/api/v1/namespaces/default/serviceaccounts';
    expect(await send('POST', accounts, account)).toBe(201);
    const order = { spec: { audiences: ['hunter2'] } };
    expect(await send('POST', `${accounts}/ci/token`, order)).toBe(503);
    await until(events, 10);
    const levels = events.map(({ level, objectRef }) => `${objectRef?.resource ?? ''} ${level}`);
    expect(levels.filter((text) => text.endsWith('Request'))).toEqual(['serviceaccounts Request']);
    expect(JSON.stringify(events)).not.toMatch(new RegExp(`hunter2|${hidden}`));
    expect(events[0]?.objectRef).toMatchObject({ resource: 'secrets', name: 's' });
  });

  it('holds nothing of those whom no rule names', async () => {
    const { events, transport } = await recorded([
      { level: 'None', resources: [{ resources: ['configmaps'] }] },
      { level: 'Metadata', users: ['ann'] },
    ]);
    await transport.request({ method: 'GET', path: `${maps}/x` });
    await transport.request({ method: 'GET', path: `${secrets}/x` });
    await until(events, 1);
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({ objectRef: { resource: 'secrets' }, level: 'Metadata' });
  });
});
