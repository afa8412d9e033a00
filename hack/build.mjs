#!/usr/bin/env node
// Bundles the programs into .local/build and links the commands that people use into .local/bin.
import { chmod, mkdir, readdir, rm, symlink } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const outdir = join(root, '.local/build');
const bindir = join(root, '.local/bin');

/** Name of a program -> its first file. A program whose file does not exist is left out. */
const programs = {
  cosm: 'api/cli/cosm.ts',
  cosmd: 'controllers/cosmd.ts',
  emulator: 'hack/emulator/main.ts',
  quickstart: 'hack/quickstart.ts',
  bench: 'hack/bench.ts',
  mesos: 'hack/mesos.ts',
};

/** Programs that people call by name. */
const commands = ['cosm', 'cosmd'];

// These read files beside themselves (.proto, worker scripts), so they stay where npm put them.
const external = ['etcd3', '@grpc/grpc-js', 'cockatiel', 'protobufjs', 'pino'];

const entryPoints = Object.fromEntries(
  Object.entries(programs).filter(([, file]) => existsSync(join(root, file))),
);

const { metafile } = await build({
  metafile: true,
  absWorkingDir: root,
  entryPoints,
  outdir,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  // Each import() becomes a file of its own: a command loads only what it needs.
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  external,
  sourcemap: 'linked',
  legalComments: 'none',
  logLevel: 'warning',
  // Packages in CommonJS call require for the built-in modules.
  banner: {
    js: '#!/usr/bin/env node\nimport{createRequire as $createRequire}from"node:module";const require=$createRequire(import.meta.url);',
  },
});

// Files of earlier builds go last: whoever runs while we build keeps what it has not loaded yet.
const built = new Set(Object.keys(metafile.outputs).map((file) => basename(file)));
for (const file of await readdir(outdir)) {
  if (!built.has(file)) await rm(join(outdir, file), { recursive: true });
}

await mkdir(bindir, { recursive: true });
for (const command of commands.filter((name) => name in entryPoints)) {
  const program = join(outdir, `${command}.mjs`);
  await chmod(program, 0o755);
  await rm(join(bindir, command), { force: true });
  await symlink(join('../build', `${command}.mjs`), join(bindir, command));
}
