/**
 * Generates proto/mesos/generated from proto/mesos/*.proto: a flat descriptor that the codec walks,
 * and the TypeScript types of every message in Mesos' JSON shape.
 *
 *   tsx hack/codegen.ts           writes the files
 *   tsx hack/codegen.ts --check   fails if they are not up to date
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { generate } from './codegen/generate.ts';
import { loadProtos } from './codegen/load.ts';

const sources = fileURLToPath(new URL('../proto/mesos', import.meta.url));
const target = `${sources}/generated`;
const checking = process.argv.includes('--check');
const stale: string[] = [];

mkdirSync(target, { recursive: true });
for (const [name, content] of Object.entries(generate(loadProtos(sources)))) {
  const path = `${target}/${name}`;
  if (!checking) writeFileSync(path, content);
  else if (readFileSync(path, 'utf8') !== content) stale.push(path);
}
if (stale.length > 0) {
  process.stderr.write(`not up to date, run "npm run codegen": ${stale.join(', ')}\n`);
  process.exitCode = 1;
}
