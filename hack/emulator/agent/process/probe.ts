import { runCommand } from '../../process.ts';
import type { Probe, ProbeResult } from '../runtime.ts';
import { argumentsOf } from './command.ts';
import { probeScript } from './executor.ts';

export interface ProbeTarget {
  /** The executor: first process of the container's PID namespace. */
  readonly pid: number;
  readonly sandbox: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** HTTP and TCP go to loopback inside the namespace, commands run in the container. */
export async function probeContainer(target: ProbeTarget, probe: Probe): Promise<ProbeResult> {
  const { pid, environment: env } = target;
  const { timeout } = probe;
  if (probe.type === 'COMMAND') {
    const { program, argv } = argumentsOf(probe.command);
    const variables = probe.command.environment?.variables ?? [];
    const own = Object.fromEntries(variables.map(({ name, value }) => [name, value ?? '']));
    const { code } = await runCommand(
      'nsenter',
      [
        ...[`--target=${pid}`, '--net', '--pid', '--mount', '--'],
        ...['/bin/sh', '-c', 'cd "$1" && shift && exec "$@"', 'sh', target.sandbox],
        ...[program, ...argv.slice(1)],
      ],
      { env: { ...env, ...own }, timeout },
    );
    return code === undefined ? { type: 'failed' } : { type: 'COMMAND', exitCode: code };
  }
  if (probe.type === 'HTTP' && probe.scheme !== 'http') return { type: 'failed' };
  const { code, stdout } = await runCommand(
    'nsenter',
    [
      ...[`--target=${pid}`, '--net', '--', 'perl', '-e', probeScript, '--'],
      ...[probe.type, probe.ipv6 ? '6' : '4', String(probe.port)],
      ...(probe.type === 'HTTP' ? [probe.path] : []),
    ],
    { timeout, env },
  );
  if (probe.type === 'TCP') return { type: 'TCP', succeeded: code === 0 };
  return code === 0 ? { type: 'HTTP', statusCode: Number(stdout) } : { type: 'failed' };
}
