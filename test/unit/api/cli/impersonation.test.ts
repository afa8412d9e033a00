import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startCosm, type Cosm } from './support/cosm.ts';

let cosm: Cosm;
beforeAll(async () => {
  cosm = await startCosm();
});
afterAll(() => cosm.stop());

it('shows nobody what they may not see', async () => {
  const own = await cosm.run(['get', 'secrets']);
  const other = await cosm.run(['get', 'secrets', '--as', 'jane', '--as-group', 'a,b']);
  expect(own.code).toBe(0);
  expect(other.code).toBe(1);
  expect(other.stderr).toContain('"jane"');
});

it('acts as a member of every group that is given', async () => {
  const as = ['--as', 'jane', '--as-group', 'one', '--as-group', 'system:masters', '--as-uid', '7'];
  expect(await cosm.run(['get', 'secrets', ...as])).toMatchObject({ code: 0 });
});

it('acts as whom the kubeconfig says, but for another whom an option names', async () => {
  const text = readFileSync(join(cosm.directory, 'kubeconfig'), 'utf8');
  const file = cosm.file(
    'as',
    text.replace(
      /^( *)client-certificate-data:/m,
      (line, indent: string) =>
        `${indent}as: jane\n${indent}as-groups: ["system:masters"]\n${line}`,
    ),
  );
  const args = ['get', 'secrets', '--kubeconfig', join(cosm.directory, file)];
  expect(await cosm.run(args)).toMatchObject({ code: 0 });
  expect((await cosm.run([...args, '--as', 'joe'])).stderr).toContain('"joe"');
});

it('takes no group of nobody', async () => {
  const { code, stderr } = await cosm.run(['get', 'secrets', '--as-group', 'one']);
  expect(code).toBe(2);
  expect(stderr).toContain('takes the name of a user');
});
