import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { generate } from '../../../../hack/codegen/generate.ts';
import { loadProtos } from '../../../../hack/codegen/load.ts';

const folder = fileURLToPath(new URL('../../../../proto/mesos', import.meta.url));

test('the generated files are those that the .proto files give (npm run codegen)', () => {
  const files = generate(loadProtos(folder));
  expect(Object.keys(files)).toStrictEqual(['descriptor.ts', 'messages.ts']);
  for (const [name, content] of Object.entries(files)) {
    expect(readFileSync(`${folder}/generated/${name}`, 'utf8') === content, name).toBe(true);
  }
});
