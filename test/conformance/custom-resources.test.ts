import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resources } from '../../api/v1/resources.ts';
import { kubectlVersions, type Kubectl, type KubectlVersion } from './support/kubectl.ts';
import { administrator } from './support/people.ts';
import { startServer, type RunningServer } from './support/server.ts';
import { resourceGroups, widgetsOf } from './support/definitions.ts';

const installed = await kubectlVersions();
/** Debian's, and the newest: what lies between speaks as one of them. */
const versions = [...new Set([installed[0], installed.at(-1)])].filter(
  (version): version is KubectlVersion => version !== undefined,
);

describe.each(versions)('kubectl 1.$minor and kinds of users', ({ file, minor }) => {
  let running: RunningServer;
  let kubectl: Kubectl;
  const group = `v${minor}.example.dev`;
  const apiVersion = `${group}/v1`;
  const definition = `widgets.${group}`;
  const modern = minor >= 27;

  beforeAll(async () => {
    running = await startServer(resources);
    kubectl = administrator(file, running);
  });
  afterAll(() => running.stop());

  const widget = (name: string, spec: object): string =>
    JSON.stringify({ apiVersion, kind: 'Widget', metadata: { name }, spec });

  it('applies a definition, waits for it, and applies an object of it', async () => {
    const crd = await kubectl.file('crd.json', JSON.stringify(widgetsOf(group)));
    expect(await kubectl.run('apply', '-f', crd)).toContain('created');
    await kubectl.run('wait', '--for=condition=Established', `crd/${definition}`, '--timeout=60s');
    const web = await kubectl.file('web.json', widget('web', { color: 'red', replicas: 2 }));
    expect(await kubectl.run('apply', '-f', web)).toBe(`widget.${group}/web created\n`);
    expect(await kubectl.run('apply', '-f', web)).toBe(`widget.${group}/web unchanged\n`);
    expect(await kubectl.run('apply', '-f', crd)).toContain('unchanged');
  });

  it('finds it by every name and shows its columns', async () => {
    for (const name of ['widgets', 'widget', 'wd', definition, 'Widget']) {
      const table = await kubectl.run('get', name);
      expect(table).toMatch(/^NAME +REPLICAS +PHASE +AGE\nweb +2 +\d+[sm]\S*\n$/);
    }
    expect(await kubectl.run('get', 'wd', '-o', 'wide')).toMatch(
      /^NAME +REPLICAS +PHASE +IMAGE +AGE\n/,
    );
    expect(await kubectl.run('api-resources', `--api-group=${group}`)).toMatch(
      /widgets +wd +\S+ +true +Widget/,
    );
    const explained = await kubectl.run('explain', 'widget.spec.color');
    expect(explained).toContain('what it looks like');
  });

  it('prunes, completes and refuses as the schema says', async () => {
    const stored = await kubectl.run('get', 'widget', 'web', '-o', 'json');
    expect(JSON.parse(stored)).toMatchObject({ spec: { color: 'red', replicas: 2, size: 'M' } });
    const bad = await kubectl.file('bad.json', widget('bad', { color: 'pink' }));
    const refused = await kubectl.try(['create', '--validate=false', '-f', bad]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(
      'spec.color: Unsupported value: "pink": supported values: "red", "green"',
    );
    const unknown = await kubectl.file(
      'unknown.json',
      widget('unknown', { color: 'red', colour: 1 }),
    );
    const strict = await kubectl.try(['create', '-f', unknown]);
    expect(strict.code).toBe(1);
    expect(strict.stderr).toMatch(/unknown field "?(?:spec\.)?colour/);
  });

  it('scales it and keeps its status apart', async () => {
    await kubectl.run('scale', 'widget', 'web', '--replicas=5');
    expect(await kubectl.run('get', 'widget', 'web', '-o', 'jsonpath={.spec.replicas}')).toBe('5');
    if (!modern) return;
    const patch = JSON.stringify({ status: { phase: 'Ready' }, spec: { replicas: 1 } });
    await kubectl.run(
      'patch',
      'widget',
      'web',
      '--subresource=status',
      '--type=merge',
      '-p',
      patch,
    );
    expect(
      await kubectl.run('get', 'widget', 'web', '-o', 'jsonpath={.spec.replicas} {.status.phase}'),
    ).toBe('5 Ready');
    expect(
      await kubectl.run('get', 'widgets', '--field-selector=spec.color=red', '-o', 'name'),
    ).toBe(`widget.${group}/web\n`);
    expect(
      await kubectl.run('get', 'widgets', '--field-selector=spec.color=green', '-o', 'name'),
    ).toBe('');
  });

  it('applies on the server by the types of its lists', async () => {
    const items = (name: string): Promise<string> =>
      kubectl.file(`${name}.json`, widget('web', { color: 'red', items: [{ name }] }));
    await kubectl.run(
      'apply',
      '--server-side',
      '--field-manager=one',
      '--force-conflicts',
      '-f',
      await items('a'),
    );
    await kubectl.run(
      'apply',
      '--server-side',
      '--field-manager=two',
      '--force-conflicts',
      '-f',
      await items('b'),
    );
    const names = 'jsonpath={.spec.items[*].name}';
    expect(await kubectl.run('get', 'widget', 'web', '-o', names)).toBe('a b');
  });

  it('serves another version as soon as the definition has it', async () => {
    const crd = await kubectl.file('crd2.json', JSON.stringify(widgetsOf(group, ['v2', 'v1'])));
    await kubectl.run('apply', '-f', crd);
    const shown = await kubectl.run(
      'get',
      '--raw',
      `/apis/${group}/v2/namespaces/default/widgets/web`,
    );
    expect(JSON.parse(shown)).toMatchObject({ apiVersion: `${group}/v2`, spec: { replicas: 5 } });
    const stored = await kubectl.run(
      'get',
      'crd',
      definition,
      '-o',
      'jsonpath={.status.storedVersions}',
    );
    expect(JSON.parse(stored)).toEqual(['v1', 'v2']);
  });

  it('refuses definitions that it cannot keep, field by field', async () => {
    const broken = structuredClone(widgetsOf(`other.${group}`));
    const [version] = broken.spec.versions;
    if (version === undefined) throw new Error('a definition has a version');
    version.schema.openAPIV3Schema.properties.spec = {
      type: 'object',
      properties: { a: {}, b: { type: 'string', 'x-kubernetes-validations': [{ rule: 'true' }] } },
    };
    const file = await kubectl.file('broken.json', JSON.stringify(broken));
    const { code, stderr } = await kubectl.try(['create', '--validate=false', '-f', file]);
    expect(code).toBe(1);
    const at = 'spec.versions[0].schema.openAPIV3Schema.properties[spec].properties';
    expect(stderr).toContain(
      `${at}[a].type: Required value: must not be empty for specified object fields`,
    );
    expect(stderr).toContain(
      `${at}[b].x-kubernetes-validations: Forbidden: this server does not evaluate CEL`,
    );
  });

  it('keeps what kpt keeps its inventory in', async () => {
    const crd = await kubectl.file('resourcegroups.json', JSON.stringify(resourceGroups));
    await kubectl.run('apply', '-f', crd);
    await kubectl.run(
      'wait',
      '--for=condition=Established',
      'crd/resourcegroups.kpt.dev',
      '--timeout=60s',
    );
    const inventory = await kubectl.file(
      'inventory.json',
      JSON.stringify({
        apiVersion: 'kpt.dev/v1alpha1',
        kind: 'ResourceGroup',
        metadata: { name: 'inventory', labels: { 'cli-utils.sigs.k8s.io/inventory-id': 'x-1' } },
        spec: { resources: [{ group: '', kind: 'ConfigMap', name: 'a', namespace: 'default' }] },
      }),
    );
    await kubectl.run('apply', '-f', inventory);
    expect(
      await kubectl.run('get', 'rg', '-o', 'jsonpath={.items[0].spec.resources[0].kind}'),
    ).toBe('ConfigMap');
  });

  it('deletes a definition with its objects', async () => {
    await kubectl.run('delete', 'crd', definition, '--timeout=60s');
    const { code, stderr } = await kubectl.try(['get', 'widgets']);
    expect(code).toBe(1);
    expect(stderr).toContain('could not find the requested resource');
    await kubectl.run(
      'apply',
      '-f',
      await kubectl.file('again.json', JSON.stringify(widgetsOf(group))),
    );
    await kubectl.run('wait', '--for=condition=Established', `crd/${definition}`, '--timeout=60s');
    expect(await kubectl.run('get', `widgets.v1.${group}`, '-o', 'name')).toBe('');
    expect(running.complaints).toEqual([]);
  });

  it('takes a definition and an object of it from one file, which kubectl sends in two runs', async () => {
    const items = [
      widgetsOf(`both.${group}`),
      {
        apiVersion: `both.${group}/v1`,
        kind: 'Widget',
        metadata: { name: 'w' },
        spec: { color: 'red' },
      },
    ];
    const both = await kubectl.file(
      'both.json',
      JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
    );
    // It looks for all kinds before it sends anything, whatever the server.
    const first = await kubectl.try(['apply', '-f', both]);
    expect(first.stderr).toContain('no matches for kind "Widget"');
    expect(await kubectl.run('apply', '-f', both)).toContain(`widget.both.${group}/w created`);
    expect(running.complaints).toEqual([]);
  });
});
