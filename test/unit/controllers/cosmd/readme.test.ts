import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { configSchema } from '../../../../controllers/cosmd/config.ts';
import packageJson from '../../../../package.json' with { type: 'json' };

const readme = readFileSync(new URL('../../../../README.md', import.meta.url), 'utf8');

/** Paths of all fields below a schema: `mesos.roles`. */
function fieldsOf(schema: z.core.JSONSchema.BaseSchema, path: string): string[] {
  const inner = schema.items;
  if (typeof inner === 'object' && !Array.isArray(inner) && inner.properties !== undefined) {
    return fieldsOf(inner, path);
  }
  if (schema.properties === undefined) return [path];
  return Object.entries(schema.properties).flatMap(([name, child]) =>
    typeof child === 'object' ? fieldsOf(child, path === '' ? name : `${path}.${name}`) : [],
  );
}

it('the README lists every field of the configuration', () => {
  const fields = fieldsOf(z.toJSONSchema(configSchema, { io: 'input' }), '');
  expect(fields).toContain('mesos.roles');
  expect(fields.filter((field) => !readme.includes(`\`${field}\``))).toEqual([]);
});

it('the README gives a reason for every dependency', () => {
  const table = readme.slice(readme.indexOf('## Dependencies'));
  const names = Object.keys({ ...packageJson.dependencies, ...packageJson.devDependencies });
  const types = (name: string): boolean => name.startsWith('@types/');
  expect(names.filter((name) => !types(name) && !table.includes(`\`${name}\``))).toEqual([]);
});
