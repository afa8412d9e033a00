import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCosm, type Cosm, type Outcome } from '../unit/api/cli/support/cosm.ts';
import { Kubectl, kubectlVersions } from './support/kubectl.ts';

/** ApplySets came with 1.27. */
const newest = (await kubectlVersions()).filter(({ minor }) => minor >= 27).at(-1);

let cosm: Cosm;
let kubectl: Kubectl;

beforeAll(async () => {
  cosm = await startCosm();
  if (newest === undefined) throw new Error('there is no kubectl of 1.27 or later');
  kubectl = new Kubectl(
    newest.file,
    join(cosm.directory, 'home'),
    join(cosm.directory, 'kubeconfig'),
  );
});
afterAll(() => cosm.stop());

const configMap = (name: string): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {a: "1"}\n`;
const network = (name: string): string =>
  `apiVersion: mesocosm.dev/v1\nkind: Network\nmetadata: {name: ${name}}\nspec: {}\n`;

async function files(name: string, ...documents: string[]): Promise<string> {
  return kubectl.file(`${name}.yaml`, documents.join('---\n'));
}

const byCosm = (file: string, set: string, ...flags: string[]): Promise<Outcome> =>
  cosm.run(['apply', '-f', file, '--prune', '--applyset', set, ...flags]);
const byKubectl = (file: string, set: string, ...flags: string[]): Promise<Outcome> =>
  kubectl.try(['apply', '-n', 'default', '-f', file, '--prune', `--applyset=${set}`, ...flags], {
    KUBECTL_APPLYSET: 'true',
  });

describe('an ApplySet', () => {
  it('made by cosm is pruned by kubectl', async () => {
    const both = await files('both', configMap('a'), network('net-a'));
    expect(await byCosm(both, 'from-cosm')).toMatchObject({ code: 0 });
    const one = await files('one', configMap('a'));
    const outcome = await byKubectl(one, 'from-cosm');
    expect(outcome).toMatchObject({ code: 0 });
    expect(outcome.stdout).toContain('network.mesocosm.dev/net-a pruned');
    expect((await cosm.run(['get', 'network/net-a'])).code).toBe(1);
    expect((await cosm.run(['get', 'cm/a'])).code).toBe(0);
  });

  it('made by kubectl is pruned by cosm', async () => {
    const both = await files('both', configMap('b'), network('net-b'));
    expect(await byKubectl(both, 'configmap/from-kubectl')).toMatchObject({ code: 0 });
    const one = await files('one', network('net-b'));
    const outcome = await byCosm(one, 'configmap/from-kubectl');
    expect(outcome).toMatchObject({ code: 0 });
    expect(outcome.stdout).toContain('configmap/b pruned');
    expect((await cosm.run(['get', 'cm/b'])).code).toBe(1);
  });

  it('goes from one to the other, applied on the server side, without a conflict', async () => {
    const both = await files('both', configMap('c'), network('net-c'));
    expect(await byKubectl(both, 'shared', '--server-side')).toMatchObject({ code: 0 });
    expect(await byCosm(both, 'shared', '--server-side')).toMatchObject({ code: 0 });
    const one = await files('one', configMap('c'));
    expect(await byKubectl(one, 'shared', '--server-side')).toMatchObject({ code: 0 });
    expect(await byCosm(one, 'shared', '--server-side')).toMatchObject({
      code: 0,
      stdout: 'configmap/c unchanged\n',
    });
  });
});

describe('kinds of users', () => {
  const definition = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Widget, plural: widgets, shortNames: [wd]}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            description: What the widget is like.
            properties: {size: {type: integer, description: In inches.}}
`;
  const widget = `apiVersion: example.com/v1
kind: Widget
metadata: {name: w}
spec: {size: 3}
`;

  it('are applied with their definition, shown, explained, diffed, waited for and pruned', async () => {
    const all = await files('widgets', widget, definition);
    expect(await byCosm(all, 'widgets')).toEqual({
      code: 0,
      stdout:
        'customresourcedefinition.apiextensions.k8s.io/widgets.example.com created\nwidget.example.com/w created\n',
      stderr: '',
    });
    expect((await cosm.run(['get', 'wd'])).stdout).toMatch(/^w +/m);
    expect((await cosm.run(['explain', 'widget.spec.size'])).stdout).toContain('In inches.');
    expect((await cosm.run(['describe', 'widget/w'])).stdout).toContain('w');
    const larger = await files('larger', definition, widget.replace('size: 3', 'size: 4'));
    const diff = await cosm.run(['diff', '-f', larger]);
    expect(diff.code).toBe(1);
    expect(diff.stdout).toMatch(/^-  size: 3\n\+  size: 4$/m);
    const wait = await cosm.run(['wait', 'crd/widgets.example.com', '--for=healthy']);
    expect(wait.stdout).toBe(
      'customresourcedefinition.apiextensions.k8s.io/widgets.example.com healthy\n',
    );
    const refused = await files('wrong', widget.replace('3', '"three"'));
    expect((await cosm.run(['diff', '-f', refused])).code).toBe(2);
    const none = await files('none', definition);
    expect((await byCosm(none, 'widgets')).stdout).toContain('widget.example.com/w pruned\n');
  });
});
