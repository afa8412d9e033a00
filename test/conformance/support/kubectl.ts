import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants, readdirSync, realpathSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';

const run = promisify(execFile);

/** A kubectl of this machine. */
export interface KubectlVersion {
  file: string;
  minor: number;
}

const versionSchema = z.object({ clientVersion: z.object({ minor: z.string() }) });

/**
 * Every kubectl at hand, one a minor version: Debian's from .local/tools, those named `kubectl` or
 * `kubectl.<version>` on PATH, beside what `kubectl` there is a link to, and in the directories of
 * KUBECTL_VERSIONS (separated like PATH). Some `kubectl` choose another by the server they talk to:
 * the ones with a version in their name come first.
 */
export async function kubectlVersions(): Promise<KubectlVersion[]> {
  const onPath = (process.env['PATH'] ?? '').split(delimiter);
  const linked = onPath.flatMap((directory) => {
    const file = join(directory, 'kubectl');
    return isExecutable(file) ? [dirname(realpathSync(file))] : [];
  });
  const named = (process.env['KUBECTL_VERSIONS'] ?? '').split(delimiter);
  const local = new URL('../../../.local/tools', import.meta.url).pathname;
  const files = [local, ...named, ...linked, ...onPath]
    .filter((directory) => directory !== '')
    .flatMap(kubectlsIn);
  files.sort((left, right) => Number(isNamed(right)) - Number(isNamed(left)));
  const byMinor = new Map<number, KubectlVersion>();
  for (const file of new Set(files)) {
    const { stdout } = await run(file, ['version', '--client', '-o', 'json'], {
      env: { ...process.env, KUBECONFIG: '/dev/null' },
    });
    const minor = Number.parseInt(versionSchema.parse(JSON.parse(stdout)).clientVersion.minor, 10);
    if (!byMinor.has(minor)) byMinor.set(minor, { file, minor });
  }
  return [...byMinor.values()].sort((left, right) => left.minor - right.minor);
}

function isNamed(file: string): boolean {
  return /kubectl[.-]\d/.test(file);
}

function kubectlsIn(directory: string): string[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
  return names
    .filter((name) => /^kubectl(?:[.-]1\.\d+)?$/.test(name))
    .map((name) => join(directory, name))
    .filter(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch (error) {
    if (error instanceof Error) return false;
    throw error;
  }
}

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

const failureSchema = z.object({ code: z.number(), stdout: z.string(), stderr: z.string() });

/** One kubectl against one server, with a home of its own. */
export class Kubectl {
  readonly #file: string;
  readonly #home: string;
  readonly #kubeconfig: string;

  constructor(file: string, home: string, kubeconfig: string) {
    this.#file = file;
    this.#home = home;
    this.#kubeconfig = kubeconfig;
  }

  /** Runs to the end; the outcome whatever the exit code. */
  async try(args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
    await mkdir(this.#home, { recursive: true });
    try {
      const { stdout, stderr } = await run(this.#file, args, {
        env: this.#environment(env),
        timeout: 60_000,
      });
      return { code: 0, stdout, stderr };
    } catch (error) {
      const failure = failureSchema.safeParse(error);
      if (!failure.success) throw error;
      return failure.data;
    }
  }

  /** Runs to the end, which must be a good one; what it printed. */
  async run(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.try(args);
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')} ended with ${code}: ${stderr}`);
    return stdout;
  }

  /** Starts one that does not end by itself. */
  start(...args: string[]): Streaming {
    return new Streaming(
      spawn(this.#file, args, { env: this.#environment({}), stdio: ['ignore', 'pipe', 'pipe'] }),
    );
  }

  /** Writes a file into its home; the path. */
  async file(name: string, text: string, mode = 0o600): Promise<string> {
    await mkdir(this.#home, { recursive: true });
    const path = join(this.#home, name);
    await writeFile(path, text, { mode });
    return path;
  }

  #environment(more: Record<string, string>): Record<string, string> {
    return {
      PATH: process.env['PATH'] ?? '',
      HOME: this.#home,
      KUBECONFIG: this.#kubeconfig,
      ...more,
    };
  }
}

/** A process whose lines are read as they come. */
export class Streaming {
  readonly #process: ChildProcess;
  #text = '';
  #errors = '';
  #wake: (() => void)[] = [];
  #ended = false;

  constructor(child: ChildProcess) {
    this.#process = child;
    child.stdout?.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('utf8');
      this.#notify();
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#errors += chunk.toString('utf8');
      this.#notify();
    });
    child.on('close', () => {
      this.#ended = true;
      this.#notify();
    });
  }

  /** What has been printed, once it matches. Fails if the process ends before. */
  until(pattern: RegExp): Promise<string> {
    return this.#until(pattern, () => this.#text);
  }

  /** As until, of what it printed as errors, where `-v=6` shows the requests. */
  untilLogged(pattern: RegExp): Promise<string> {
    return this.#until(pattern, () => this.#errors);
  }

  async #until(pattern: RegExp, text: () => string): Promise<string> {
    while (!pattern.test(text())) {
      if (this.#ended) {
        throw new Error(
          `the process ended before ${String(pattern)}: ${this.#text}${this.#errors}`,
        );
      }
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
    return text();
  }

  /** Waits for the end; the exit code. */
  async ended(): Promise<number | null> {
    while (!this.#ended) await new Promise<void>((resolve) => this.#wake.push(resolve));
    return this.#process.exitCode;
  }

  async stop(): Promise<void> {
    this.#process.kill('SIGTERM');
    await this.ended();
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const resolve of wake) resolve();
  }
}
