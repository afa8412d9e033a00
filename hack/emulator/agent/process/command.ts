import { copyFileSync, chmodSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type {
  CommandInfo,
  EnvironmentVariable,
} from '../../../../proto/mesos/generated/messages.ts';
import type { ContainerSpec } from '../runtime.ts';

export interface EnvironmentContext {
  readonly agentId: string;
  /** `ip:port` that the agent advertises. */
  readonly endpoint: string;
  readonly sandbox: string;
}

const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The environment that Mesos gives a task, its own variables last. */
export function taskEnvironment(
  spec: ContainerSpec,
  { agentId, endpoint, sandbox }: EnvironmentContext,
): Record<string, string> {
  const variables = spec.command?.environment?.variables ?? [];
  return {
    LIBPROCESS_IP: '0.0.0.0',
    LIBPROCESS_PORT: '0',
    MESOS_AGENT_ENDPOINT: endpoint,
    MESOS_CHECKPOINT: '1',
    MESOS_DIRECTORY: sandbox,
    MESOS_EXECUTOR_ID: spec.executorId,
    MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD: '5secs',
    MESOS_FRAMEWORK_ID: spec.frameworkId,
    MESOS_HTTP_COMMAND_EXECUTOR: '0',
    MESOS_RECOVERY_TIMEOUT: '15mins',
    MESOS_SANDBOX: sandbox,
    MESOS_SLAVE_ID: agentId,
    MESOS_SLAVE_PID: `slave(1)@${endpoint}`,
    MESOS_SUBSCRIPTION_BACKOFF_MAX: '2secs',
    PATH: path,
    PWD: sandbox,
    ...Object.fromEntries(variables.map((variable) => [variable.name, valueOf(variable)])),
  };
}

/** As the isolator environment/secret: only secrets that carry their value. */
function valueOf({ type, value, secret }: EnvironmentVariable): string {
  if (type !== 'SECRET') return value ?? '';
  return Buffer.from(secret?.value?.data ?? '', 'base64').toString();
}

/** Program and argument vector: `sh -c` unless `shell` is false. */
export function argumentsOf(command: CommandInfo): { program: string; argv: string[] } {
  if (command.shell ?? true) {
    return { program: '/bin/sh', argv: ['sh', '-c', command.value ?? ''] };
  }
  const program = command.value ?? '';
  const argv = command.arguments ?? [];
  return { program, argv: argv.length === 0 ? [program] : argv };
}

/** Puts the command's URIs into the sandbox; false if one could not be had. */
export async function fetchUris(command: CommandInfo, sandbox: string): Promise<boolean> {
  for (const { value, executable, output_file } of command.uris ?? []) {
    const target = join(sandbox, output_file ?? basename(value));
    try {
      if (/^https?:/.test(value)) {
        const response = await fetch(value);
        if (!response.ok) return false;
        writeFileSync(target, Buffer.from(await response.arrayBuffer()));
      } else {
        copyFileSync(value.replace(/^file:\/\//, ''), target);
      }
      if (executable === true) chmodSync(target, 0o755);
    } catch (error) {
      writeFileSync(join(sandbox, 'stderr'), `Failed to fetch '${value}': ${String(error)}\n`, {
        flag: 'a',
      });
      return false;
    }
  }
  return true;
}
