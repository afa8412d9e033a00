import { spawn } from 'node:child_process';

export interface CommandResult {
  /** Exit status; undefined if a signal ended it. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  input?: string;
  env?: Readonly<Record<string, string>>;
  cwd?: string;
  /** Milliseconds until SIGKILL. */
  timeout?: number;
}

/** Runs a program without a shell and waits for its end. Rejects only if it cannot be started. */
export function runCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(options.env === undefined ? {} : { env: options.env }),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.timeout === undefined
        ? {}
        : { timeout: options.timeout, killSignal: 'SIGKILL' as const }),
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.once('error', reject);
    child.once('close', (code) => {
      resolve({ code: code ?? undefined, stdout, stderr });
    });
    // A program that ends without reading its input is no error of ours.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
  });
}

/** As runCommand, but an exit status other than 0 is an error that quotes what was said. */
export async function mustRun(program: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCommand(program, args);
  if (code !== 0) {
    throw new Error(`${program} ${args.join(' ')}: exit ${String(code)}: ${stderr || stdout}`);
  }
  return stdout;
}
