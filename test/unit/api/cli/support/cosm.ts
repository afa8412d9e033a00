import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { createClient } from '../../../../../api/client/resource-client.ts';
import type { Client } from '../../../../../api/client/client.ts';
import type { Context, Output } from '../../../../../api/cli/context.ts';
import { main } from '../../../../../api/cli/main.ts';
import type { Reporters } from '../../../../../api/server/endpoint.ts';
import { systemClock, type Clock } from '../../../../../api/machinery/clock.ts';
import { systemRandom } from '../../../../../api/machinery/random.ts';
import { resources } from '../../../../../api/v1/resources.ts';
import { writeKubeconfig } from '../../../../../hack/local/certificates.ts';
import { until } from '../../../../../hack/local/wait.ts';
import { startServer, type RunningServer } from '../../../../conformance/support/server.ts';

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

export interface Call {
  stdin?: string;
  env?: Record<string, string>;
  terminal?: boolean;
  /** How much faster time passes for what waits long, but not for answers. */
  hurry?: number;
  /** Called with each text on standard output as it is written. */
  onOutput?: (text: string) => void;
}

/** A command that is still running. */
export interface Running {
  stdout(): string;
  stderr(): string;
  /** Resolves once the output has `text`; fails if it does not come. */
  shows(text: string): Promise<void>;
  /** Ctrl-C. */
  interrupt(): void;
  done: Promise<Outcome>;
}

export interface Cosm {
  server: RunningServer;
  client: Client;
  directory: string;
  /** Writes a file into the working directory and returns its name. */
  file(name: string, text: string): string;
  run(args: readonly string[], call?: Call): Promise<Outcome>;
  start(args: readonly string[], call?: Call): Running;
  stop(): Promise<void>;
}

/** cosm in this process, against a real API server over HTTPS and memory storage. */
export async function startCosm(reporters: Reporters = {}): Promise<Cosm> {
  const server = await startServer(resources, undefined, undefined, {
    reporters,
    // As the agents of tests speak.
    agents: { format: 'json' },
  });
  const directory = mkdtempSync(join(tmpdir(), 'cosm-'));
  const kubeconfig = join(directory, 'kubeconfig');
  writeKubeconfig(kubeconfig, `https://127.0.0.1:${server.port}`, server.certificates);
  const env = { KUBECONFIG: kubeconfig };
  const start = (args: readonly string[], call: Call = {}): Running =>
    startCommand(args, directory, { ...call, env: { ...env, ...call.env } });
  return {
    server,
    client: createClient(server.server.transport({ name: 'tester', groups: ['system:masters'] })),
    directory,
    file: (name, text) => {
      const path = join(directory, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
      return name;
    },
    start,
    run: (args, call) => start(args, call).done,
    stop: async () => {
      await server.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Runs one command line in this process, with captured streams. */
export function startCommand(args: readonly string[], cwd: string, call: Call): Running {
  const interruption = new AbortController();
  const stdout = new Capture(call.terminal ?? false, call.onOutput);
  const stderr = new Capture(call.terminal ?? false);
  const context: Context = {
    stdout,
    stderr,
    readStdin: () => Promise.resolve(call.stdin ?? ''),
    env: call.env ?? {},
    cwd,
    home: cwd,
    stdin: { chunks: () => Readable.from([Buffer.from(call.stdin ?? '')]) },
    clock: hurried(call.hurry ?? 1),
    random: systemRandom(),
    signal: interruption.signal,
  };
  const done = main(args, context).then((code) => ({
    code,
    stdout: stdout.text,
    stderr: stderr.text,
  }));
  return {
    stdout: () => stdout.text,
    stderr: () => stderr.text,
    shows: async (text) => {
      const shown = await until(() => (stdout.text + stderr.text).includes(text), 60_000);
      if (!shown) {
        throw new Error(`no "${text}" in:\n${stdout.text}\n--- stderr:\n${stderr.text}`);
      }
    },
    interrupt: () => {
      interruption.abort();
    },
    done,
  };
}

/** The bounds of one request and of the silence of a watch: on a busy machine they would be hit if hurried. */
const patience: ReadonlySet<number> = new Set([30_000, 150_000]);

function hurried(factor: number): Clock {
  const clock = systemClock();
  const after: Clock['after'] = (ms, callback) =>
    clock.after(patience.has(ms) ? ms : ms / factor, callback);
  return { ...clock, after };
}

class Capture implements Output {
  readonly isTerminal: boolean;
  readonly #chunks: Buffer[] = [];
  readonly #onOutput: ((text: string) => void) | undefined;

  constructor(isTerminal: boolean, onOutput?: (text: string) => void) {
    this.isTerminal = isTerminal;
    this.#onOutput = onOutput;
  }

  write(data: string | Uint8Array): void {
    this.#chunks.push(Buffer.from(data));
    this.#onOutput?.(Buffer.from(data).toString());
  }

  get text(): string {
    return Buffer.concat(this.#chunks).toString('utf8');
  }
}
