import { z } from 'zod';
import type { WindowSize } from '../../../proto/mesos/agent-session.ts';
import { badRequest } from '../errors.ts';
import { flag, text, type Query } from '../query.ts';

/** v1 PodExecOptions and PodAttachOptions. */
export interface ConnectOptions {
  container: string | undefined;
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
  command: readonly string[];
}

function streams(query: Query): Omit<ConnectOptions, 'command'> {
  const options = {
    container: text(query, 'container'),
    stdin: flag(query, 'stdin'),
    stdout: flag(query, 'stdout'),
    stderr: flag(query, 'stderr'),
    tty: flag(query, 'tty'),
  };
  if (!options.stdin && !options.stdout && !options.stderr) {
    throw badRequest('you must specify at least 1 of stdin, stdout, stderr');
  }
  return options;
}

/** Throws 400. */
export function parseExecOptions(query: Query): ConnectOptions {
  const command = query.getAll('command');
  if (command.length === 0 || command[0] === '') {
    throw badRequest('you must specify at least 1 command for the container');
  }
  return { ...streams(query), command };
}

/** Throws 400 also for input, which Mesos attaches to nothing that was launched without a terminal. */
export function parseAttachOptions(query: Query): ConnectOptions {
  const options = streams(query);
  if (options.stdin || options.tty) {
    throw badRequest(
      'the container takes no input: Mesos attaches none to what was launched without a terminal. Attach without stdin and tty, or run a command with exec',
    );
  }
  return { ...options, command: [] };
}

const windowSchema = z.object({
  Width: z.int().min(1).max(65_535),
  Height: z.int().min(1).max(65_535),
});

/** A message of the resize channel: `{"Width":80,"Height":24}`. Undefined if it makes no sense. */
export function parseWindowSize(message: Buffer): WindowSize | undefined {
  let value: unknown;
  try {
    value = JSON.parse(message.toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  const { data } = windowSchema.safeParse(value);
  return data === undefined ? undefined : { rows: data.Height, columns: data.Width };
}
