import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import type {
  ExecutorInfo,
  FrameworkInfo,
  Task,
  TaskInfo,
  TaskStatus,
} from '../../../proto/mesos/generated/messages.ts';
import type { StartedContainer } from './runtime.ts';

const object = <T>() => z.custom<T>((value) => typeof value === 'object' && value !== null);

const savedTask = z.object({
  info: object<TaskInfo>(),
  task: object<Task>(),
  containerId: z.string(),
  started: object<StartedContainer>().optional(),
  killed: z.boolean(),
});

const savedExecutor = z.object({
  kind: z.enum(['command', 'default']),
  containerId: z.string(),
  started: object<StartedContainer>().optional(),
  info: object<ExecutorInfo>().optional(),
  role: z.string(),
  frameworkId: z.string(),
  groups: z.array(z.array(savedTask)),
});

export const checkpointContent = z.object({
  agentId: z.string().optional(),
  frameworks: z.array(object<FrameworkInfo>()),
  executors: z.array(savedExecutor),
  updates: z.array(
    z.object({
      framework_id: z.string(),
      task_id: z.string(),
      statuses: z.array(object<TaskStatus>()),
    }),
  ),
  /** Terminal tasks whose last update is not acknowledged and whose executor is gone. */
  finished: z.array(object<Task>()),
});

export type SavedExecutor = z.infer<typeof savedExecutor>;
export type CheckpointContent = z.infer<typeof checkpointContent>;

/** What an agent remembers across restarts, as Mesos keeps under its work directory's `meta`. */
export interface Checkpoint {
  load(): CheckpointContent | undefined;
  /** `content` may be asked for later, once the agent has stopped. */
  save(content: () => CheckpointContent): void;
}

export function fileCheckpoint(path: string): Checkpoint {
  mkdirSync(dirname(path), { recursive: true });
  return {
    load: () => {
      try {
        return checkpointContent.parse(JSON.parse(readFileSync(path, 'utf8')));
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
        throw error;
      }
    },
    save: (content) => {
      writeFileSync(`${path}.next`, JSON.stringify(content()));
      renameSync(`${path}.next`, path);
    },
  };
}

/** For simulated agents: nothing is copied until an agent comes back. */
export function memoryCheckpoint(): Checkpoint {
  let saved: (() => CheckpointContent) | undefined;
  return {
    load: () =>
      saved === undefined
        ? undefined
        : checkpointContent.parse(JSON.parse(JSON.stringify(saved()))),
    save: (content) => {
      saved = content;
    },
  };
}
