import { sandboxesOf } from '../../v1/sandbox.ts';
import type { Task } from '../../v1/task.ts';
import { CommandError } from '../errors.ts';
import { logsOf, type Log, type LogStream } from './log.ts';

/** What is read of whom. */
export interface Wish {
  job: boolean;
  name: string;
  stream: LogStream;
  container: string | undefined;
  tail: number | undefined;
}

export type Located = { logs: Log[]; reason?: never } | { logs?: never; reason: string };

/** The logs of a task, or why it has none. */
export function locate(task: Task, { stream, container }: Wish): Located {
  const names = task.spec.containers.map(({ name }) => name);
  if (container !== undefined && !names.includes(container)) {
    return { reason: `has no container "${container}"; it has ${names.join(', ')}` };
  }
  const found = sandboxesOf(task);
  return 'reason' in found ? found : { logs: logsOf(task, stream, container) };
}

export function unreadable(task: Task, reason: string): CommandError {
  return new CommandError('failed', `task "${task.metadata.name}" ${reason}`);
}
