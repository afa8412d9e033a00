import { afterAll, beforeAll, expect, it } from 'vitest';
import { widgetsOf } from '../../../conformance/support/definitions.ts';
import { startCosm, type Cosm } from './support/cosm.ts';

let cosm: Cosm;
beforeAll(async () => {
  cosm = await startCosm();
  const scaled = widgetsOf('scaled.test');
  const plain = widgetsOf('plain.test');
  plain.spec.names = { kind: 'Gadget', plural: 'gadgets' };
  plain.metadata.name = 'gadgets.plain.test';
  for (const version of plain.spec.versions) delete version['subresources'];
  await cosm.run(['apply', '-f', '-'], {
    stdin: [scaled, plain].map((each) => JSON.stringify(each)).join('\n---\n'),
  });
  await cosm.run(['wait', 'crd/widgets.scaled.test', 'crd/gadgets.plain.test', '--for', 'healthy']);
});
afterAll(() => cosm.stop());

it('scales objects of a custom kind', async () => {
  const stdin =
    '{apiVersion: scaled.test/v1, kind: Widget, metadata: {name: w}, spec: {color: red}}';
  expect(await cosm.run(['apply', '-f', '-'], { stdin })).toMatchObject({ code: 0 });
  expect(await cosm.run(['scale', 'widget/w', '--replicas=4'])).toEqual({
    code: 0,
    stdout: 'widget.scaled.test/w scaled to 4 instances\n',
    stderr: '',
  });
  const { stdout } = await cosm.run(['get', 'widget/w', '-o', 'jsonpath={.spec.replicas}']);
  expect(stdout).toContain('4');
});

it('points at the unknown fields of a custom object', async () => {
  const stdin =
    'apiVersion: scaled.test/v1\nkind: Widget\nmetadata: {name: x}\nspec:\n  color: red\n  colour: red\n  items:\n  - {name: a, bogus: 1}\n';
  for (const flags of [[], ['--server-side']]) {
    const { code, stderr } = await cosm.run(['apply', '-f', '-', ...flags], { stdin });
    expect(code).toBe(1);
    expect(stderr).toBe(
      'stdin:6:11: spec.colour: unknown field: remove it or check its spelling\n' +
        'stdin:8:22: spec.items[0].bogus: unknown field: remove it or check its spelling\n' +
        'error: 2 mistakes; nothing was changed\n',
    );
  }
});

it('refuses a custom kind that does not scale', async () => {
  const { code, stderr } = await cosm.run(['scale', 'gadget/g', '--replicas=4']);
  expect(code).toBe(2);
  expect(stderr).toContain('gadgets cannot be scaled');
});
