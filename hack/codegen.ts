/**
 * Generates proto/mesos/generated from proto/mesos/*.proto (a flat descriptor that the codec walks, and
 * the TypeScript types of every message in Mesos' JSON shape), and manifests/crds from api/v1.
 *
 *   tsx hack/codegen.ts           writes the files
 *   tsx hack/codegen.ts --check   fails if they are not up to date
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { crdFiles } from './codegen/crds.ts';
import { generate } from './codegen/generate.ts';
import { loadProtos } from './codegen/load.ts';

const directory = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));
const checking = process.argv.includes('--check');
const stale: string[] = [];

function emit(target: string, files: Record<string, string>): void {
  mkdirSync(target, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    const path = `${target}/${name}`;
    if (!checking) writeFileSync(path, content);
    else if (!existsSync(path) || readFileSync(path, 'utf8') !== content) stale.push(path);
  }
}

emit(directory('proto/mesos/generated'), generate(loadProtos(directory('proto/mesos'))));
emit(directory('manifests/crds'), crdFiles());
if (stale.length > 0) {
  process.stderr.write(`not up to date, run "npm run codegen": ${stale.join(', ')}\n`);
  process.exitCode = 1;
}
