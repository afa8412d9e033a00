/**
 * Packs recordings of a real Mesos into test/golden/data/mesos/<format>/<scenario>.json.gz.
 *
 *   tsx test/golden/pack.ts <folder of the recordings>
 *
 * The folder holds json/<scenario>.json and protobuf/<scenario>.json, each
 * {format, scenario, exchanges: [{name, req, res}], timeline}; see test/golden/recordings.ts for the
 * fields. Nothing is left out: the content is written without white space and gzipped.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const [source] = process.argv.slice(2);
if (source === undefined) throw new Error('usage: tsx test/golden/pack.ts <folder>');
const target = fileURLToPath(new URL('data/mesos', import.meta.url));

for (const format of ['json', 'protobuf']) {
  mkdirSync(`${target}/${format}`, { recursive: true });
  for (const name of readdirSync(`${source}/${format}`)) {
    const content: unknown = JSON.parse(readFileSync(`${source}/${format}/${name}`, 'utf8'));
    const packed = gzipSync(JSON.stringify(content), { level: 9 });
    writeFileSync(`${target}/${format}/${name}.gz`, packed);
  }
}
