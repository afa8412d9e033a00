import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../../api/machinery/clock.ts';
import { seededRandom } from '../../../../../api/machinery/random.ts';
import type { ApiResponse } from '../../../../../api/client/transport.ts';
import { createApiServer } from '../../../../../api/server/server.ts';
import { MemoryStorage } from '../../../../../api/storage/memory.ts';
import { resources } from '../../../../../api/v1/resources.ts';
import { widgetsOf, type Definition } from '../../../../conformance/support/definitions.ts';
import { faultWhen, withFaults, type FaultRule } from '../../../../support/faults.ts';
import { applyTo, owners } from '../support/applying.ts';
import { at, startHarness, textAt, type Harness } from '../support/harness.ts';

const group = 'example.dev';
const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const definition = `${definitions}/widgets.${group}`;
const widgets = `/apis/${group}/v1/namespaces/default/widgets`;

function widget(name: string, spec: object = { color: 'red' }, metadata: object = {}): object {
  return { apiVersion: `${group}/v1`, kind: 'Widget', metadata: { name, ...metadata }, spec };
}

/** Asks until the answer is as it should be: what happens in the background takes a moment. */
async function until<T>(ask: () => Promise<T>, good: (answer: T) => boolean): Promise<T> {
  const end = Date.now() + 60_000;
  for (;;) {
    const answer = await ask();
    if (good(answer)) return answer;
    if (Date.now() > end) throw new Error(`never: ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('kinds of users', () => {
  let storage: MemoryStorage;
  /** Two servers on one store. */
  let here: Harness;
  let there: Harness;

  beforeEach(async () => {
    storage = new MemoryStorage({ clock: systemClock() });
    here = await startHarness({ storage, resources });
    there = await startHarness({ storage, resources, seed: 2 });
  });
  afterEach(async () => {
    await here.server.stop();
    await there.server.stop();
    await storage.close();
    expect([...here.logged, ...there.logged].filter(({ level }) => level === 'error')).toEqual([]);
  });

  async function define(document: Definition = widgetsOf(group)): Promise<void> {
    const answer = await here.send('POST', definitions, { body: document });
    expect(answer, JSON.stringify(answer.body)).toMatchObject({ code: 201 });
  }

  it('are served at once, by every server', async () => {
    await define();
    expect(await there.send('POST', widgets, { body: widget('a') })).toMatchObject({ code: 201 });
    expect(await here.send('GET', `${widgets}/a`)).toMatchObject({
      code: 200,
      body: { spec: { color: 'red', replicas: 1, size: 'M' } },
    });
    for (const path of [`/apis/${group}/v1`, `/openapi/v3/apis/${group}/v1`]) {
      expect(await there.send('GET', path)).toMatchObject({ code: 200 });
    }
  });

  it('are served by servers that accept them at the same moment', async () => {
    for (let round = 1; round <= 5; round += 1) {
      await define(widgetsOf(`round${round}.dev`));
      const path = `/apis/round${round}.dev/v1/widgets`;
      const answers = await Promise.all([here.send('GET', path), there.send('GET', path)]);
      expect(answers.map(({ code }) => code)).toEqual([200, 200]);
    }
  });

  it('are accepted and established once, whoever of the servers does it', async () => {
    await define();
    const status = {
      conditions: [
        { type: 'NamesAccepted', status: 'True' },
        { type: 'Established', status: 'True' },
      ],
    };
    const answer = await until(
      () => there.send('GET', definition),
      ({ body }) => at(body, 'status.conditions.1.status') === 'True',
    );
    expect(answer.body).toMatchObject({
      spec: { names: { singular: 'widget', listKind: 'WidgetList' } },
      status: {
        ...status,
        acceptedNames: { plural: 'widgets', kind: 'Widget' },
        storedVersions: ['v1'],
      },
    });
    const version = textAt(answer.body, 'metadata.resourceVersion');
    await here.send('GET', `/apis/${group}/v1`);
    await there.send('GET', `/apis/${group}/v1`);
    expect(textAt((await here.send('GET', definition)).body, 'metadata.resourceVersion')).toBe(
      version,
    );
  });

  it('are there again when a server starts', async () => {
    await define();
    await here.send('POST', widgets, { body: widget('a') });
    const third = await startHarness({ storage, resources, seed: 3 });
    expect(await third.send('GET', `${widgets}/a`)).toMatchObject({ code: 200 });
    await third.server.stop();
  });

  it('change at once with their definitions, and end the watches of what they were', async () => {
    await define();
    await here.send('POST', widgets, { body: widget('a') });
    const watch = here.transport.watch(
      { method: 'GET', path: widgets, query: { watch: 'true' } },
      new AbortController().signal,
    );
    const events = watch[Symbol.asyncIterator]();
    expect(await events.next()).toMatchObject({ value: { type: 'ADDED' } });
    const patch = [
      {
        op: 'add',
        path: '/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/shape',
        value: { type: 'string', default: 'round' },
      },
    ];
    const changed = await here.send('PATCH', definition, {
      body: patch,
      contentType: 'application/json-patch+json',
    });
    expect(changed).toMatchObject({ code: 200 });
    expect(await events.next()).toMatchObject({ done: true });
    await until(
      () => here.send('GET', `${widgets}/a`),
      ({ body }) => at(body, 'spec.shape') === 'round',
    );
  });

  it('look at a status only where it can be set', async () => {
    await define();
    const strange = { ...widget('a'), status: { phase: 7, conditions: 'none' } };
    const made = await here.send('POST', widgets, { body: strange });
    expect(made).toMatchObject({ code: 201 });
    expect(made.body).not.toHaveProperty('status');
    const body = { ...strange, metadata: at(made.body, 'metadata') };
    expect(await here.send('PUT', `${widgets}/a`, { body })).toMatchObject({ code: 200 });
    expect(await here.send('PUT', `${widgets}/a/status`, { body })).toMatchObject({ code: 422 });
  });

  it('have the same owners in all of their versions', async () => {
    await define(widgetsOf(group, ['v1', 'v2']));
    const in2 = widgets.replace('/v1/', '/v2/');
    const apply = (path: string, version: string, by: string, spec: object): Promise<ApiResponse> =>
      applyTo(here, { ...widget('a', spec), apiVersion: `${group}/${version}` }, { path, by });
    await apply(`${widgets}/a`, 'v1', 'one', { color: 'red', size: 'L' });
    const shared = await apply(`${in2}/a`, 'v2', 'two', { color: 'red' });
    expect(owners(shared)).toEqual({
      'one Apply': { 'f:spec': { 'f:color': {}, 'f:size': {} } },
      'two Apply': { 'f:spec': { 'f:color': {} } },
    });
    expect(await apply(`${in2}/a`, 'v2', 'two', { color: 'green' })).toMatchObject({
      code: 409,
      body: { message: 'Apply failed with 1 conflict: conflict with "one": .spec.color' },
    });
    const patched = await here.send('PATCH', `${in2}/a`, {
      body: { spec: { size: 'S' } },
      contentType: 'application/merge-patch+json',
      query: { fieldManager: 'three' },
    });
    expect(owners(patched)).toMatchObject({
      'one Apply': { 'f:spec': { 'f:color': {} } },
      'three Update': { 'f:spec': { 'f:size': {} } },
    });
    const left = await apply(`${in2}/a`, 'v2', 'one', { color: 'red' });
    expect(left).toMatchObject({ code: 200, body: { spec: { color: 'red', size: 'S' } } });
    expect(Object.keys(owners(left)).sort()).toEqual(['one Apply', 'three Update', 'two Apply']);
  });

  it('show what is stored in each of their versions, and store it in one', async () => {
    await define();
    await here.send('POST', widgets, { body: widget('a') });
    const { body } = await here.send('GET', definition);
    const next = { ...widgetsOf(group, ['v2', 'v1']), metadata: at(body, 'metadata') };
    expect(await here.send('PUT', definition, { body: next })).toMatchObject({
      code: 200,
      body: { status: { storedVersions: ['v1', 'v2'] } },
    });
    const second = widgets.replace('/v1/', '/v2/');
    await until(
      () => here.send('GET', second),
      ({ code }) => code === 200,
    );
    const list = await here.send('GET', second);
    expect(list.body).toMatchObject({ kind: 'WidgetList', items: [{ apiVersion: `${group}/v2` }] });
    expect((await here.send('GET', widgets)).body).toMatchObject({
      items: [{ apiVersion: `${group}/v1` }],
    });

    const written = await here.send('POST', widgets, { body: widget('b') });
    expect(written).toMatchObject({ code: 201, body: { apiVersion: `${group}/v1` } });
    const stored = await storage.get(`/${group}/widgets/default/b`);
    expect(JSON.parse(Buffer.from(stored?.value ?? []).toString())).toMatchObject({
      apiVersion: `${group}/v2`,
    });

    // A write that changes nothing brings an object into the version for storage.
    const same = await here.send('GET', `${widgets}/a`);
    expect(await here.send('PUT', `${widgets}/a`, { body: same.body })).toMatchObject({
      code: 200,
    });
    const migrated = await storage.get(`/${group}/widgets/default/a`);
    expect(JSON.parse(Buffer.from(migrated?.value ?? []).toString())).toMatchObject({
      apiVersion: `${group}/v2`,
    });

    const keep = { status: { storedVersions: ['v1'] } };
    const trim = { status: { storedVersions: ['v2'] } };
    const merge = { contentType: 'application/merge-patch+json' };
    expect(
      await here.send('PATCH', `${definition}/status`, { ...merge, body: keep }),
    ).toMatchObject({ code: 422 });
    expect(
      await here.send('PATCH', `${definition}/status`, { ...merge, body: trim }),
    ).toMatchObject({ code: 200 });
  });

  it('watch objects in the version that is asked for', async () => {
    await define(widgetsOf(group, ['v2', 'v1']));
    await here.send('GET', widgets);
    const watch = here.transport.watch(
      { method: 'GET', path: widgets, query: { watch: 'true', resourceVersion: '0' } },
      new AbortController().signal,
    );
    const events = watch[Symbol.asyncIterator]();
    const first = events.next();
    await here.send('POST', widgets, { body: widget('a') });
    expect(await first).toMatchObject({
      value: { type: 'ADDED', object: { apiVersion: `${group}/v1` } },
    });
    await events.return?.();
  });

  it('warn of versions that will go', async () => {
    const old = widgetsOf(group);
    Object.assign(old.spec.versions[0] ?? {}, { deprecated: true });
    await define(old);
    const { warnings } = await here.send('POST', widgets, { body: widget('a') });
    expect(warnings).toEqual(['example.dev/v1 Widget is deprecated']);
  });

  it('go with all their objects, and take no new ones meanwhile', async () => {
    await define();
    const held = { finalizers: ['example.dev/held'] };
    await here.send('POST', widgets, { body: widget('free') });
    await here.send('POST', widgets, { body: widget('held', { color: 'red' }, held) });
    expect(await here.send('DELETE', definition)).toMatchObject({
      code: 200,
      body: { metadata: { finalizers: ['customresourcecleanup.apiextensions.k8s.io'] } },
    });
    const left = await until(
      () => there.send('GET', widgets),
      ({ body }) => at(body, 'items.1') === undefined,
    );
    expect(at(left.body, 'items.0.metadata.name')).toBe('held');
    expect(await there.send('POST', widgets, { body: widget('late') })).toMatchObject({
      code: 405,
      body: { message: 'create not allowed while custom resource definition is terminating' },
    });
    const apply = { contentType: 'application/apply-patch+yaml', query: { fieldManager: 'x' } };
    expect(
      await there.send('PATCH', `${widgets}/later`, { ...apply, body: widget('later') }),
    ).toMatchObject({ code: 405 });
    expect(await here.send('GET', definition)).toMatchObject({ code: 200 });

    const release = [{ op: 'remove', path: '/metadata/finalizers' }];
    await here.send('PATCH', `${widgets}/held`, {
      body: release,
      contentType: 'application/json-patch+json',
    });
    await until(
      () => here.send('GET', definition),
      ({ code }) => code === 404,
    );
    await until(
      () => there.send('GET', widgets),
      ({ code }) => code === 404,
    );
    expect((await storage.list(`/${group}/`)).items).toEqual([]);
  });

  it('cannot have the names of our own, whose objects their deletion leaves alone', async () => {
    const network = {
      apiVersion: 'mesocosm.dev/v1',
      kind: 'Network',
      metadata: { name: 'n' },
      spec: { ipFamilies: ['IPv4'] },
    };
    await here.send('POST', '/apis/mesocosm.dev/v1/networks', { body: network });
    const rival = widgetsOf('mesocosm.dev', ['v2']);
    rival.metadata.name = 'networks.mesocosm.dev';
    Object.assign(rival.spec, { scope: 'Cluster', names: { plural: 'networks', kind: 'Network' } });
    await define(rival);
    const path = `${definitions}/networks.mesocosm.dev`;
    const refused = await until(
      () => here.send('GET', path),
      ({ body }) => at(body, 'status.conditions.0') !== undefined,
    );
    expect(at(refused.body, 'status.conditions')).toMatchObject([
      {
        type: 'NamesAccepted',
        status: 'False',
        reason: 'PluralConflict',
        message: '"networks" is already in use',
      },
      { type: 'Established', status: 'False', reason: 'NotAccepted' },
    ]);
    expect(await here.send('GET', '/apis/mesocosm.dev/v2/networks')).toMatchObject({ code: 404 });
    await here.send('DELETE', path);
    await until(
      () => here.send('GET', path),
      ({ code }) => code === 404,
    );
    expect(await here.send('GET', '/apis/mesocosm.dev/v1/networks/n')).toMatchObject({ code: 200 });
  });

  it('give way to those that had the names before, until these go', async () => {
    await define();
    const rival = widgetsOf(group);
    rival.metadata.name = `gadgets.${group}`;
    Object.assign(rival.spec, { names: { plural: 'gadgets', kind: 'Gadget', shortNames: ['wd'] } });
    await define(rival);
    const path = `${definitions}/gadgets.${group}`;
    const refused = await until(
      () => here.send('GET', path),
      ({ body }) => at(body, 'status.conditions.0') !== undefined,
    );
    expect(at(refused.body, 'status.conditions.0')).toMatchObject({
      status: 'False',
      reason: 'ShortNamesConflict',
    });
    expect(at(refused.body, 'status.acceptedNames.plural')).toBe('gadgets');
    await here.send('DELETE', definition);
    await until(
      () => here.send('GET', path),
      ({ body }) => at(body, 'status.conditions.1.status') === 'True',
    );
    expect(await here.send('GET', `/apis/${group}/v1/gadgets`)).toMatchObject({ code: 200 });
  });

  it('are not said to be gone while the store cannot be asked', async () => {
    await define();
    await here.send('POST', widgets, { body: widget('a') });
    const rules: FaultRule[] = [];
    const store = withFaults(storage, rules, systemClock());
    const fourth = await startHarness({ storage: store, resources, seed: 4 });
    expect(await fourth.send('GET', `${widgets}/a`)).toMatchObject({ code: 200 });
    rules.push(faultWhen(() => true, { kind: 'unavailable' }));
    const unknown = `/apis/${group}/v1/namespaces/default/gadgets`;
    expect(await fourth.send('GET', unknown)).toMatchObject({ code: 503 });
    const known = await fourth.send('GET', `/apis/${group}/v1`);
    expect(at(known.body, 'resources.0.name')).toBe('widgets');
    rules.pop();
    expect(await fourth.send('GET', unknown)).toMatchObject({ code: 404 });
    await fourth.server.stop();
  });

  it('are known to a server that has only begun to listen', async () => {
    await define();
    await here.send('POST', widgets, { body: widget('a') });
    const rules = [faultWhen(({ operation }) => operation === 'watch', { kind: 'hang' })];
    const server = createApiServer({
      storage: withFaults(storage, rules, systemClock()),
      resources,
      clock: systemClock(),
      random: seededRandom(5),
      logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
      version: '0.0.0',
      serverSetRoots: [],
      authorization: 'AlwaysAllow',
    });
    const transport = server.transport({ name: 'tester', groups: [] });
    const answer = await transport.request({ method: 'GET', path: `${widgets}/a` });
    expect(answer).toMatchObject({ code: 200, body: { kind: 'Widget' } });
    await server.stop();
  });
});
