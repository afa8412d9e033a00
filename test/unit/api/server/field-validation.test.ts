import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Method } from '../../../../api/client/transport.ts';
import { at, startHarness, textAt, widget, widgets, type Harness } from './support/harness.ts';

let api: Harness;
let version: string;
beforeEach(async () => {
  api = await startHarness();
  const { body } = await api.send('POST', widgets, { body: widget('a') });
  version = textAt(body, 'metadata.resourceVersion');
});
afterEach(() => api.stop());

interface Write {
  method: Method;
  path: string;
  body: (version: string) => unknown;
  contentType?: string;
  query?: Record<string, string>;
}

const one = `${widgets}/a`;
const merge = 'application/merge-patch+json';
const apply = {
  contentType: 'application/apply-patch+yaml',
  query: { fieldManager: 'me', force: 'true' },
};
const scale = { apiVersion: 'autoscaling/v1', kind: 'Scale', metadata: { name: 'a' } };

/** Each says one field that there is not. */
const writes: Record<string, [Write, string]> = {
  create: [
    { method: 'POST', path: widgets, body: () => widget('b', { color: 'red', bogus: 1 }) },
    'spec.bogus',
  ],
  update: [
    {
      method: 'PUT',
      path: one,
      body: (resourceVersion) => widget('a', { color: 'blue', bogus: 1 }, { resourceVersion }),
    },
    'spec.bogus',
  ],
  'merge patch': [
    {
      method: 'PATCH',
      path: one,
      body: () => ({ spec: { color: 'blue', bogus: 1 } }),
      contentType: merge,
    },
    'spec.bogus',
  ],
  'json patch': [
    {
      method: 'PATCH',
      path: one,
      body: () => [{ op: 'add', path: '/spec/bogus', value: 1 }],
      contentType: 'application/json-patch+json',
    },
    'spec.bogus',
  ],
  apply: [
    { method: 'PATCH', path: one, body: () => widget('a', { color: 'red', bogus: 1 }), ...apply },
    'spec.bogus',
  ],
  'apply that creates': [
    {
      method: 'PATCH',
      path: `${widgets}/c`,
      body: () => widget('c', { color: 'red', bogus: 1 }),
      ...apply,
    },
    'spec.bogus',
  ],
  status: [
    {
      method: 'PATCH',
      path: `${one}/status`,
      body: () => ({ status: { bogus: 1 } }),
      contentType: merge,
    },
    'status.bogus',
  ],
  metadata: [
    { method: 'POST', path: widgets, body: () => widget('d', { color: 'red' }, { bogus: 1 }) },
    'metadata.bogus',
  ],
  'strategic patch': [
    {
      method: 'PATCH',
      path: '/api/v1/namespaces/default',
      body: () => ({ spec: { bogus: 1 } }),
      contentType: 'application/strategic-merge-patch+json',
    },
    'spec.bogus',
  ],
  scale: [
    {
      method: 'PUT',
      path: `${one}/scale`,
      body: () => ({ ...scale, spec: { replicas: 3, bogus: 1 } }),
    },
    'spec.bogus',
  ],
  'scale by patch': [
    {
      method: 'PATCH',
      path: `${one}/scale`,
      body: () => ({ spec: { replicas: 3, bogus: 1 } }),
      contentType: merge,
    },
    'spec.bogus',
  ],
  'scale by apply': [
    {
      method: 'PATCH',
      path: `${one}/scale`,
      body: () => ({ ...scale, spec: { replicas: 3, bogus: 1 } }),
      ...apply,
    },
    'spec.bogus',
  ],
};
const cases = Object.entries(writes).map(([name, [write, path]]) => ({ name, write, path }));
/** Nobody can own a field that there is not, so that an apply of one is always refused. */
const tolerant = cases.filter(({ name }) => !name.startsWith('apply'));

function send({ method, path, body, contentType, query }: Write, fieldValidation?: string) {
  return api.send(method, path, {
    body: body(version),
    ...(contentType === undefined ? {} : { contentType }),
    query: { ...query, ...(fieldValidation === undefined ? {} : { fieldValidation }) },
  });
}

describe('a field that there is not', () => {
  it.each(cases)('is refused in $name with Strict, by its name', async ({ write, path }) => {
    const before = await api.storage.head();
    const answer = await send(write, 'Strict');
    expect(answer.code).toBe(400);
    expect(textAt(answer.body, 'message')).toContain(
      `strict decoding error: unknown field "${path}"`,
    );
    expect(await api.storage.head()).toBe(before);
  });

  it.each(tolerant)(
    'is warned of in $name with Warn, and if nothing is said',
    async ({ write, path }) => {
      for (const mode of ['Warn', undefined]) {
        const answer = await send({ ...write, query: { ...write.query, dryRun: 'All' } }, mode);
        expect(answer.code).toBeLessThan(300);
        expect(answer.warnings).toContain(`unknown field "${path}"`);
        expect(JSON.stringify(answer.body)).not.toContain('bogus');
      }
    },
  );

  it.each(tolerant)('is dropped in $name with Ignore', async ({ write }) => {
    const answer = await send(write, 'Ignore');
    expect(answer.code).toBeLessThan(300);
    expect(JSON.stringify(answer.body)).not.toContain('bogus');
  });

  it.each(['Strict', 'Warn', 'Ignore'])('is refused by our kinds with %s, too', async (mode) => {
    const container = {
      name: 'main',
      script: 'true',
      resources: { requests: { cpu: 1, memory: '64Mi' } },
      imagePullPolicy: 'Always',
    };
    const body = {
      apiVersion: 'mesocosm.dev/v1',
      kind: 'Job',
      metadata: { name: 'web' },
      spec: { template: { spec: { containers: [container] } } },
    };
    const path = '/apis/mesocosm.dev/v1/namespaces/default/jobs';
    const answer = await api.send('POST', path, { body, query: { fieldValidation: mode } });
    expect(answer.code).toBe(400);
    expect(textAt(answer.body, 'message')).toContain(
      'unknown field "spec.template.spec.containers[0].imagePullPolicy"',
    );
  });

  it('may be a mode of validation, which is refused', async () => {
    for (const { write } of cases) expect((await send(write, 'Loose')).code).toBe(422);
    const { body } = await send(cases[0]?.write ?? neverHappens(), 'Loose');
    expect(at(body, 'details.causes.0.field')).toBe('fieldValidation');
  });
});

function neverHappens(): never {
  throw new Error('there are no cases');
}
