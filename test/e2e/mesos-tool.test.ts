import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { MesosStatus } from '../../hack/local/mesos-cluster.ts';
import type { Offer } from '../../proto/mesos/generated/messages.ts';
import { shellTask, TestFramework } from '../support/test-framework.ts';

const networkPrefix = `t${randomBytes(3).toString('hex')}`;
/** Told from every other process by its argument. */
const command = `sleep 600.${Number.parseInt(randomBytes(3).toString('hex'), 16)}`;
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'mesocosm-tool-'));
  const file = (name: string): string =>
    fileURLToPath(new URL(`../../hack/${name}`, import.meta.url));
  await build({
    entryPoints: { mesos: file('mesos.ts'), emulator: file('emulator/main.ts') },
    outdir: directory,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
    logLevel: 'silent',
  });
  await writeFile(
    join(directory, 'mesos.yaml'),
    `mode: process
masters: 2
zookeeper: true
networkPrefix: ${networkPrefix}
agents:
  - hostname: db.test
    attributes: {rack: r7, level: 10}
  - hostname: web.test
timings: {zkSessionTimeout: 5000}
`,
  );
});

afterAll(async () => {
  await tool('down');
  await rm(directory, { recursive: true, force: true });
});

test('what the command line or the file gets wrong is named, and starts nothing', async () => {
  await writeFile(join(directory, 'wrong.yaml'), 'masters: 1\nagents:\n  - cpu: 4\n');
  const wrong = await tool('up', '--config', join(directory, 'wrong.yaml'));
  expect(wrong).toMatchObject({ code: 2 });
  expect(wrong.stderr).toContain('wrong.yaml:3:');
  expect(wrong.stderr).toContain('agents[0].cpu: unknown field');
  expect(await tool('up', '--masters', '3')).toMatchObject({ code: 2 });
  expect(await tool('kill-agent')).toMatchObject({ code: 2 });
  expect(await tool('partition', 'db.test', '--for', 'ever')).toMatchObject({ code: 2 });
  expect(existsSync(join(directory, 'state'))).toBe(false);
});

test('a cluster comes up, bears every fault, and leaves nothing behind', async () => {
  expect(await tool('status')).toMatchObject({ code: 3 });
  const up = await tool('up', '--config', join(directory, 'mesos.yaml'), '-o', 'json');
  expect(up).toMatchObject({ code: 0 });
  const { leader, master } = statusOf(up.stdout);
  expect(master).toMatch(/^zk:\/\/127\.0\.0\.1:\d+\/mesos$/);

  const framework = await TestFramework.subscribe(leader ?? '', { checkpoint: true });
  const offers = (): Offer[] => framework.events.flatMap((event) => event.offers?.offers ?? []);
  await expect
    .poll(() =>
      offers()
        .map(({ hostname }) => hostname)
        .sort(),
    )
    .toEqual(['db.test', 'web.test']);
  expect(offers().find(({ hostname }) => hostname === 'db.test')?.attributes).toEqual([
    { name: 'rack', type: 'TEXT', text: { value: 'r7' } },
    { name: 'level', type: 'SCALAR', scalar: { value: 10 } },
  ]);
  await framework.launch(shellTask('kept', command, ['dev-net']));
  await framework.status('kept', 'TASK_RUNNING');

  expect(await tool('kill-agent', 'db.test')).toMatchObject({ code: 0 });
  expect(await tool('kill-agent', 'no.test')).toMatchObject({ code: 4 });
  expect(await agentStates()).toEqual({ 'db.test': 'Down', 'web.test': 'Running' });
  await tool('heal', 'db.test');
  await tool('partition', 'web.test');
  expect(await agentStates()).toEqual({ 'db.test': 'Running', 'web.test': 'Partitioned' });
  await tool('heal', 'web.test');
  await tool('partition', 'web.test', '--for', '1s');
  await expect.poll(agentStates).toEqual({ 'db.test': 'Running', 'web.test': 'Running' });

  expect(await tool('failover')).toMatchObject({ code: 0 });
  const after = statusOf((await tool('status', '-o', 'json')).stdout);
  expect(after.leader).not.toBe(leader);
  const again = await TestFramework.subscribe(after.leader ?? '', {
    id: { value: framework.id ?? '' },
  });
  await expect.poll(async () => (await status()).connectedAgents).toBe(2);
  await again.call({ type: 'RECONCILE', reconcile: { tasks: [] } });
  await again.status('kept', 'TASK_RUNNING');
  again.close();
  framework.close();

  // The worst: it is killed while an agent is stopped and cannot hear of it.
  await tool('partition', 'db.test');
  expect(remains()).not.toEqual([]);
  process.kill(emulatorPid(), 'SIGKILL');
  expect(await tool('down')).toMatchObject({ code: 0 });
  expect(existsSync(join(directory, 'state'))).toBe(false);
  expect(remains()).toEqual([]);
  expect(await tool('down')).toMatchObject({ code: 0 });
}, 240_000);

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

function tool(...args: readonly string[]): Promise<Ended> {
  const program = [join(directory, 'mesos.mjs'), '--state-dir', join(directory, 'state'), ...args];
  return new Promise((resolve) => {
    const child = execFile(process.execPath, program, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stdout, stderr });
    });
  });
}

function statusOf(text: string): MesosStatus {
  return z
    .custom<MesosStatus>(
      (value) => typeof value === 'object' && value !== null && 'leader' in value,
    )
    .parse(JSON.parse(text));
}

async function status(): Promise<MesosStatus> {
  return statusOf((await tool('status', '-o', 'json')).stdout);
}

async function agentStates(): Promise<Record<string, string>> {
  return Object.fromEntries((await status()).agents.map(({ name, state }) => [name, state]));
}

function emulatorPid(): number {
  const processes = z
    .array(z.object({ name: z.string(), pid: z.int() }))
    .parse(JSON.parse(readFileSync(join(directory, 'state/processes.json'), 'utf8')));
  return processes.find(({ name }) => name === 'emulator')?.pid ?? Number.NaN;
}

/** Processes that belong to the cluster or its task, and its network interfaces. */
function remains(): string[] {
  const processes = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(commandOf)
    .filter((words) => words.includes(join(directory, 'state')) || words.includes(command));
  const links = readdirSync('/sys/class/net').filter((name) => name.startsWith(networkPrefix));
  return [...processes, ...links];
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch (error) {
    // It ended meanwhile.
    if (error instanceof Error && 'code' in error) return '';
    throw error;
  }
}
