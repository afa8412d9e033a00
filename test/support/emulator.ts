import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { z } from 'zod';
import type { EmulatorConfig } from '../../hack/emulator/config.ts';
import type { EmulatorDescription } from '../../hack/emulator/emulator.ts';

export interface EmulatorOptions {
  mode?: EmulatorConfig['mode'];
  masters?: number;
  agents?: number | { hostname?: string; attributes?: Record<string, string> }[];
  /** `zk://host:port/path`. */
  zk?: string;
  cniConfigDir?: string;
  agentAddress?: string;
  timings?: Partial<EmulatorConfig['timings']>;
  seed?: number;
  /** Kept between two starts if given, and then not removed. */
  workDir?: string;
}

const description = z.custom<EmulatorDescription>(
  (value) => typeof value === 'object' && value !== null && 'masters' in value,
);

/** An emulated Mesos cluster in processes of its own, as `hack/emulator/main.ts` starts it. */
export class TestEmulator {
  #description: EmulatorDescription;
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly #log: () => string;
  readonly workDir: string;

  private constructor(
    child: ChildProcess,
    ready: EmulatorDescription,
    directory: string,
    workDir: string,
    log: () => string,
  ) {
    this.#child = child;
    this.#description = ready;
    this.#directory = directory;
    this.workDir = workDir;
    this.#log = log;
  }

  static async start(options: EmulatorOptions = {}): Promise<TestEmulator> {
    const temporary = await mkdtemp(join(tmpdir(), 'mesocosm-emulator-'));
    const { workDir = join(temporary, 'work'), ...config } = options;
    // Tests that restart agents have other things to wait for.
    const timings = { agentRecovery: 100, ...options.timings };
    const main = await bundle(join(temporary, 'emulator.mjs'));
    const file = join(temporary, 'emulator.yaml');
    const networkPrefix = `t${randomBytes(3).toString('hex')}`;
    // YAML is a superset of JSON.
    await writeFile(file, JSON.stringify({ networkPrefix, ...config, timings, workDir }));
    // --pdeathsig: when a test runner is killed, the emulator ends and cleans up by itself.
    const command = ['--pdeathsig', 'TERM', process.execPath, main, '--config', file];
    const child = spawn('setpriv', command, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let log = '';
    child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
    const ready = new Promise<EmulatorDescription>((resolve, reject) => {
      child.stdout.on('data', (chunk: Buffer) => {
        output += chunk.toString();
        const end = output.indexOf('\n');
        if (end >= 0) resolve(description.parse(JSON.parse(output.slice(0, end))));
      });
      child.once('exit', (code) => {
        reject(new Error(`the emulator ended with ${String(code)}:\n${log}`));
      });
    });
    ready.catch(() => undefined);
    return new TestEmulator(child, await ready, temporary, workDir, () => log);
  }

  /** For a framework's configuration: `zk://…`, or the master's `host:port`. */
  get master(): string {
    return this.#description.master;
  }

  /** Each master's `host:port`. */
  get masters(): string[] {
    return this.#description.masters.map(({ address }) => address);
  }

  get agents(): EmulatorDescription['agents'] {
    return this.#description.agents;
  }

  /** What masters and agents said on stderr. */
  get log(): string {
    return this.#log();
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  killMaster(index: number): Promise<void> {
    return this.#act(`masters/${index}/kill`);
  }

  startMaster(index: number): Promise<void> {
    return this.#act(`masters/${index}/start`);
  }

  /** kill -9; its tasks go on. */
  killAgent(index: number): Promise<void> {
    return this.#act(`agents/${index}/kill`);
  }

  startAgent(index: number): Promise<void> {
    return this.#act(`agents/${index}/start`);
  }

  /** Graceful: tasks end, the master is told. */
  unregisterAgent(index: number): Promise<void> {
    return this.#act(`agents/${index}/unregister`);
  }

  /** Silent but alive. */
  pauseAgent(index: number): Promise<void> {
    return this.#act(`agents/${index}/pause`);
  }

  resumeAgent(index: number): Promise<void> {
    return this.#act(`agents/${index}/resume`);
  }

  /** SIGKILL to a task's command, as if somebody on the agent had sent it. */
  killTask(taskId: string): Promise<void> {
    return this.#act(`tasks/${encodeURIComponent(taskId)}/kill`);
  }

  /** kill -9 of a task's executor. */
  crashExecutor(taskId: string): Promise<void> {
    return this.#act(`tasks/${encodeURIComponent(taskId)}/crash-executor`);
  }

  /** SIGTERM: everything ends and is removed. */
  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGTERM');
      await once(this.#child, 'exit');
    }
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** SIGKILL of the whole cluster's parent process; what it leaves cleans itself up. */
  async crash(): Promise<void> {
    this.#child.kill('SIGKILL');
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      await once(this.#child, 'exit');
    }
  }

  async #act(path: string): Promise<void> {
    const response = await fetch(`http://${this.#description.control ?? ''}/${path}`, {
      method: 'POST',
    });
    if (!response.ok) {
      throw new Error(`${path}: ${response.status} ${await response.text()}\n${this.log}`);
    }
    const { control } = this.#description;
    this.#description = {
      ...description.parse(await response.json()),
      ...(control === undefined ? {} : { control }),
    };
  }
}

/** One file starts in a fraction of the time that loading the sources takes, in every process. */
async function bundle(outfile: string): Promise<string> {
  await build({
    entryPoints: [fileURLToPath(new URL('../../hack/emulator/main.ts', import.meta.url))],
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    outfile,
    // Packages in CommonJS ask for node's own modules.
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
    logLevel: 'silent',
  });
  return outfile;
}
