import type { Clock } from '../../machinery/clock.ts';
import { ApiError } from '../../machinery/errors.ts';
import { sandboxesOf, type LogStream, type Sandbox } from '../../v1/sandbox.ts';
import { isDead, phaseOf, type Task } from '../../v1/task.ts';
import { badRequest } from '../errors.ts';
import { agentFailure, type PodAgents } from './agents.ts';
import { containerState } from './container-state.ts';
import { podPhase } from './pod.ts';
import type { LogOptions } from './log-options.ts';
import {
  contents,
  limited,
  merged,
  tailOffset,
  wholeLines,
  type Following,
  type LogFile,
} from './log-reader.ts';

export interface LogContext {
  agents: PodAgents;
  clock: Clock;
  /** Aborts when the client has gone. */
  signal: AbortSignal;
  /** Whether the task can no longer write. */
  ended: () => Promise<boolean>;
}

type Bytes = AsyncGenerator<Buffer, void, undefined>;

export interface OpenLog {
  chunks: Bytes;
  close(): Promise<void>;
}

/** The container that is named, or the only one. Throws 400 in Kubernetes' words. */
export function chosenContainer(task: Task, named: string | undefined): string {
  const names = task.spec.containers.map(({ name }) => name);
  const [only = ''] = names;
  if (named === undefined) {
    if (names.length === 1) return only;
    throw badRequest(
      `a container name must be specified for pod ${task.metadata.name}, choose one of: [${names.join(' ')}]`,
    );
  }
  if (names.includes(named)) return named;
  throw badRequest(
    `container ${named} is not valid for pod ${task.metadata.name}: it has ${names.join(', ')}`,
  );
}

/** Throws 400 unless the container of the task has run. */
export function sandboxOf(task: Task, container: string): Sandbox {
  const found = sandboxesOf(task);
  const sandbox =
    'sandboxes' in found
      ? found.sandboxes.find((candidate) => candidate.container === container)
      : undefined;
  if (sandbox !== undefined) return sandbox;
  const { waiting } = containerState(task, container);
  throw badRequest(
    `container "${container}" in pod "${task.metadata.name}" ${
      waiting === undefined ? 'has never run' : `is waiting to start: ${waiting.reason}`
    }`,
  );
}

/**
 * What a container has written, and writes. Resolves once the first bytes can come, so that what is
 * refused is refused with a Status. Throws 400, 404, 503.
 */
export async function openLog(
  task: Task,
  options: LogOptions,
  context: LogContext,
): Promise<OpenLog> {
  const container = chosenContainer(task, options.container);
  const sandbox = sandboxOf(task, container);
  const files = context.agents.files(sandbox.agentId, context.signal);
  try {
    const opened: { file: LogFile; offset: number }[] = [];
    const absent: string[] = [];
    for (const stream of options.streams) {
      const file = { files, path: `${sandbox.directory}/${stream}` };
      const offset = await offsetOf(task, sandbox, { file, stream, options });
      if (offset === undefined) absent.push(file.path);
      if (offset !== undefined || (options.follow && !isDead(task))) {
        opened.push({ file, offset: offset ?? 0 });
      }
    }
    if (opened.length === 0) throw noSuchFile(task, absent);
    const following = options.follow ? context : undefined;
    return { chunks: combined(opened, options, following), close: () => files.close() };
  } catch (error) {
    await files.close();
    throw agentFailure(error) ?? error;
  }
}

function combined(
  opened: readonly { file: LogFile; offset: number }[],
  { limitBytes }: LogOptions,
  following: Following | undefined,
): Bytes {
  const streams = opened.map(({ file, offset }) => contents(file, offset, following));
  const [first] = streams;
  const all =
    first !== undefined && streams.length === 1
      ? first
      : following === undefined
        ? inTurn(streams.map(wholeLines))
        : merged(streams.map(wholeLines));
  return limitBytes === undefined ? all : limited(all, limitBytes);
}

/** One after the other; each begins on a line of its own. */
async function* inTurn(streams: readonly Bytes[]): Bytes {
  let unfinished = false;
  for (const stream of streams) {
    let begun = false;
    for await (const lines of stream) {
      if (!begun && unfinished) yield Buffer.from('\n');
      begun = true;
      unfinished = lines.at(-1) !== 0x0a;
      yield lines;
    }
  }
}

/** Where reading begins; undefined if the file is not there. */
async function offsetOf(
  task: Task,
  { directory }: Sandbox,
  { file, stream, options }: { file: LogFile; stream: LogStream; options: LogOptions },
): Promise<number | undefined> {
  const { since, tailLines } = options;
  const began = task.status?.scheduledTime ?? task.metadata.creationTimestamp;
  if (since === undefined || Date.parse(began) >= since) return tailOffset(file, tailLines);
  const modified = await file.files.modified(directory, stream);
  if (modified !== undefined && modified < since) return tailOffset(file, 0);
  if (modified === undefined) return undefined;
  throw badRequest(
    `only a part of ${stream} is that new, and agents of Mesos do not keep when a line was written: use tailLines instead of sinceSeconds or sinceTime`,
  );
}

function noSuchFile(task: Task, paths: readonly string[]): ApiError {
  const why =
    podPhase(task) === 'Pending'
      ? `the task has not started yet: it is ${phaseOf(task)}`
      : 'its sandbox has been collected';
  return new ApiError('NotFound', `the agent has no ${paths.join(' and no ')}: ${why}`);
}
