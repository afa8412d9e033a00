import { resourcePath } from '../../client/resource-client.ts';
import { TransportError } from '../../client/transport.ts';
import { sleep } from '../../machinery/clock.ts';
import { isApiError } from '../../machinery/errors.ts';
import { podResource } from '../../v1/pod.ts';
import type { Task } from '../../v1/task.ts';
import type { Connection } from '../connection.ts';
import type { Context, Output } from '../context.ts';
import { CommandError } from '../errors.ts';
import { LabelledLines } from './labelled-lines.ts';

export type LogStream = 'stdout' | 'stderr';

/** The output of one container of a task, as the server relays it from the agent. */
export interface Log {
  /** Name of the task, or TASK/CONTAINER if it has several. */
  label: string;
  path: string;
  query: Readonly<Record<string, string>>;
}

/** Of the containers of a task, or the one that is named. */
export function logsOf(task: Task, stream: LogStream, container?: string): Log[] {
  const names = task.spec.containers.map(({ name }) => name);
  const { namespace, name } = task.metadata;
  const path = resourcePath(podResource, { namespace, name }, 'log');
  return names
    .filter((each) => container === undefined || each === container)
    .map((each) => ({
      label: names.length > 1 ? `${name}/${each}` : name,
      path,
      query: { container: each, stream: stream === 'stdout' ? 'Stdout' : 'Stderr' },
    }));
}

export interface Reading {
  follow: boolean;
  /** All lines if absent. */
  tail: number | undefined;
  /** Puts the label before each line. */
  labelled: boolean;
  output: Output;
  signal: AbortSignal;
}

const retryMs = 1_000;
/** Failures in a row after which a log is given up: half a minute. */
const maxFailures = 30;

/** Writes a log: as it is now, or as it grows until its task ends. */
export async function writeLog(
  context: Context,
  connection: Connection,
  log: Log,
  reading: Reading,
): Promise<void> {
  const { output, signal } = reading;
  const aborted = (): boolean => signal.aborted;
  const lines = reading.labelled
    ? new LabelledLines(log.label, (data) => output.write(data))
    : undefined;
  const state = { tail: reading.tail, begun: false, failures: 0 };
  while (!aborted()) {
    try {
      for await (const chunk of connection.stream(
        requestOf(log, reading.follow, state.tail),
        signal,
      )) {
        if (lines === undefined) output.write(chunk);
        else lines.push(chunk);
        await output.drained?.();
        state.begun = true;
        state.failures = 0;
      }
      lines?.flush();
      return;
    } catch (error) {
      if (aborted()) return;
      lines?.flush();
      state.failures += 1;
      if (!reading.follow || !state.begun || !isPassing(error) || state.failures > maxFailures) {
        throw inOurWords(error);
      }
      context.stderr.write(
        `${log.label}: interrupted, going on at its end; lines in between may be missing: ${messageOf(error)}\n`,
      );
      state.tail = 0;
      await sleep(context.clock, retryMs, signal);
    }
  }
}

function requestOf({ path, query }: Log, follow: boolean, tail: number | undefined) {
  return {
    method: 'GET',
    path,
    accept: '*/*',
    query: {
      ...query,
      ...(follow ? { follow: 'true' } : {}),
      ...(tail === undefined ? {} : { tailLines: String(tail) }),
    },
  } as const;
}

function isPassing(error: unknown): boolean {
  return error instanceof TransportError || isApiError(error, 'ServiceUnavailable');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** An agent that cannot be reached is told apart from a refusal, as a server is. */
export function inOurWords(error: unknown): unknown {
  if (!isApiError(error, 'ServiceUnavailable')) return error;
  return new CommandError('unreachable', messageOf(error), error);
}
