/**
 * The main job on a local cluster, shown step by step: `quickstart [up]` starts everything, applies the
 * samples and proves what they promise; `quickstart down` stops and removes everything.
 */
import { fileURLToPath } from 'node:url';
import { dirname } from 'node:path';
import { LocalCluster } from './local/cluster.ts';
import { demonstrate } from './local/demonstration.ts';

/** The bundle lies in .local/build of the checkout. */
const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

function say(words: string): void {
  process.stdout.write(`==> ${words}\n`);
}

async function main([verb = 'up', ...rest]: readonly string[]): Promise<number> {
  if (rest.length > 0 || (verb !== 'up' && verb !== 'down')) {
    process.stderr.write('usage: hack/quickstart [up|down]\n');
    return 2;
  }
  const cluster = new LocalCluster(root, say);
  if (verb === 'down') {
    await cluster.down();
    return 0;
  }
  const state = await cluster.up();
  await demonstrate({ root, kubeconfig: cluster.kubeconfig, state, say });
  return 0;
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`quickstart: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  },
);
