import type { ContainerID } from '../../../proto/mesos/generated/messages.ts';
import type { SessionInput } from '../../../proto/mesos/agent-session.ts';
import type { Random } from '../../machinery/random.ts';
import { isDead, phaseOf, type Task } from '../../v1/task.ts';
import { badRequest } from '../errors.ts';
import type { ChannelConnection, Ending } from '../request.ts';
import { agentFailure, type PodAgents } from './agents.ts';
import { parseWindowSize, type ConnectOptions } from './exec-options.ts';
import { chosenContainer, sandboxOf, type LogContext } from './log.ts';
import { contents, tailOffset } from './log-reader.ts';

/** A container that a command can be run beside. */
export interface RunningContainer {
  name: string;
  agentId: string;
  id: ContainerID;
}

/** Throws 400 if the container that is named, or the only one, does not run. */
export function runningContainer(task: Task, named: string | undefined): RunningContainer {
  const name = chosenContainer(task, named);
  const { mesos, containers } = task.status ?? {};
  const cannot = (why: string): Error =>
    badRequest(`cannot enter a container of pod ${task.metadata.name}, which ${why}`);
  if (isDead(task)) throw cannot(`has ended: it is ${phaseOf(task)}`);
  const root = mesos?.containerId;
  const agentId = mesos?.agentId;
  if (agentId === undefined || root === undefined) {
    throw cannot(`does not run yet: it is ${phaseOf(task)}`);
  }
  if (task.spec.containers.length === 1) return { name, agentId, id: { value: root } };
  const value = containers?.find((container) => container.name === name)?.containerId;
  if (value === undefined) throw cannot(`has not started its container "${name}" yet`);
  return { name, agentId, id: { value, parent: { value: root } } };
}

/** Until the client tells the size of its window. */
const firstWindow = { rows: 24, columns: 80 };

/** Runs a command beside a container, over the channels of a client. */
export async function runExec(
  container: RunningContainer,
  options: ConnectOptions,
  { agents, random }: { agents: PodAgents; random: Random },
  connection: ChannelConnection,
): Promise<Ending> {
  try {
    const status = await agents.session(container.agentId, {
      container: container.id,
      name: `exec-${random.uuid()}`,
      command: options.command,
      terminal: options.tty ? firstWindow : undefined,
      input: sessionInput(connection, options),
      output: async (stream, data) => {
        if (stream === 'STDOUT' && options.stdout) await connection.write('stdout', data);
        if (stream === 'STDERR' && options.stderr) await connection.write('stderr', data);
      },
      signal: connection.signal,
    });
    return { exitCode: exitCodeOf(status) };
  } catch (error) {
    throw agentFailure(error) ?? error;
  }
}

/** Bytes of input in one message to the agent. */
const pieceBytes = 64 * 1024;

async function* sessionInput(
  { input }: ChannelConnection,
  { stdin, tty }: ConnectOptions,
): AsyncGenerator<SessionInput, void, undefined> {
  // Without either there is nothing to wait for, and a command that reads must find an end.
  if (!stdin && !tty) return;
  for await (const message of input) {
    if ('resize' in message) {
      const size = tty ? parseWindowSize(message.resize) : undefined;
      if (size !== undefined) yield { size };
    } else if (stdin) {
      for (let at = 0; at < message.data.length; at += pieceBytes) {
        yield { data: message.data.subarray(at, at + pieceBytes) };
      }
    }
  }
}

/** As a shell tells it: 128 and the signal for a command that was killed. */
function exitCodeOf(status: number): number {
  const signal = status & 0x7f;
  return signal === 0 ? (status >> 8) & 0xff : 128 + signal;
}

/**
 * What a container writes from now on, both streams at once, until its task ends. From its files: Mesos
 * attaches to nothing that was launched without a terminal.
 */
export async function runAttach(
  task: Task,
  options: ConnectOptions,
  context: Omit<LogContext, 'signal'>,
  connection: ChannelConnection,
): Promise<Ending> {
  const sandbox = sandboxOf(task, chosenContainer(task, options.container));
  const over = new AbortController();
  const signal = AbortSignal.any([connection.signal, over.signal]);
  const files = context.agents.files(sandbox.agentId, signal);
  const wanted = (['stdout', 'stderr'] as const).filter((stream) => options[stream]);
  try {
    await Promise.all(
      wanted.map(async (stream) => {
        const file = { files, path: `${sandbox.directory}/${stream}` };
        const offset = (await tailOffset(file, 0)) ?? 0;
        for await (const data of contents(file, offset, { ...context, signal })) {
          await connection.write(stream, data);
        }
      }),
    );
    return { exitCode: 0 };
  } catch (error) {
    throw agentFailure(error) ?? error;
  } finally {
    over.abort();
    await files.close();
  }
}
