import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { at, startHarness, widget, widgets, type Harness } from './support/harness.ts';

let api: Harness;
beforeEach(async () => {
  api = await startHarness();
});
afterEach(() => api.stop());

describe('create and read', () => {
  it('completes metadata, applies defaults and answers with what a get then answers', async () => {
    const created = await api.send('POST', widgets, { body: widget('a') });
    expect(created.code).toBe(201);
    expect(at(created.body, 'metadata')).toEqual({
      name: 'a',
      namespace: 'default',
      uid: expect.stringMatching(/^[0-9a-f-]{36}$/) as unknown,
      creationTimestamp: expect.stringMatching(/^\d{4}-.*Z$/) as unknown,
      generation: 1,
      resourceVersion: expect.stringMatching(/^\d+$/) as unknown,
    });
    expect(at(created.body, 'spec')).toEqual({ color: 'red', replicas: 1 });
    const got = await api.send('GET', `${widgets}/a`);
    expect(got).toEqual({ code: 200, body: created.body, warnings: [] });
  });

  it('stores no resourceVersion', async () => {
    await api.send('POST', widgets, { body: widget('a') });
    const stored = await api.storage.get('/conformance.dev/widgets/default/a');
    expect(Buffer.from(stored!.value).toString()).not.toContain('resourceVersion');
  });
});
