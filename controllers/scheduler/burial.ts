import { timestamp, type Clock } from '../../api/machinery/clock.ts';
import { objectKey } from '../../api/machinery/metadata.ts';
import {
  confirmDeadAnnotation,
  mesosTaskIds,
  phaseOf,
  type Task,
  type TaskStatus,
} from '../../api/v1/task.ts';
import type { TaskStatus as MesosTaskStatus } from '../../proto/mesos/generated/messages.ts';
import type { EventRecorder } from '../runtime/event-recorder.ts';
import type { FencedWriter } from './fenced-writer.ts';
import type { FrameworkRecord } from './framework-record.ts';
import { nextStep } from './lifecycle.ts';
import { applyUpdate } from './status.ts';

type Writer = FencedWriter<TaskStatus, Task>;

/** Stores that the tasks are dead: an operator has confirmed that nothing of the framework lives. */
export async function buryAll(tasks: Iterable<Task>, writer: Writer, now: string): Promise<void> {
  const message = 'an operator has confirmed that all tasks of the framework are dead';
  await Promise.all(
    [...tasks].map(({ metadata }) =>
      writer.changeStatus(objectKey(metadata), (newest) => buriedStatus(newest, message, now)),
    ),
  );
}

export interface BurialOptions {
  writer: Writer;
  record: FrameworkRecord;
  events: Pick<EventRecorder, 'record'>;
  clock: Clock;
}

/** What operators say of single tasks. */
export class Burial {
  readonly #options: BurialOptions;

  constructor(options: BurialOptions) {
    this.#options = options;
  }

  /**
   * Stores that an unreachable task is dead. First that it is to be killed if it returns: its Task may be
   * gone then.
   */
  async bury(key: string, task: Task): Promise<void> {
    const { writer, record, events, clock } = this.#options;
    await record.bury(mesosTaskIds(task).map(({ taskId }) => taskId));
    const message = 'an operator has declared it dead';
    const stored = await writer.changeStatus(key, (newest) =>
      nextStep(newest, false) === 'Bury'
        ? buriedStatus(newest, message, timestamp(clock))
        : undefined,
    );
    if (stored?.status?.mesos?.message !== message) return;
    events.record(stored, 'Warning', 'DeclaredDead', `${message}; if it returns, it is killed`);
  }

  /** What somebody says is dead is in sight: the word is taken back, so that it cannot count later. */
  async contradict(key: string): Promise<void> {
    const { writer, events } = this.#options;
    const stored = await writer.change(key, (newest) =>
      nextStep(newest, false) === 'Contradict' ? withoutConfirmation(newest) : undefined,
    );
    if (stored === undefined) return;
    const message = `not declared dead: only an Unreachable task can be ("true"), and it is ${phaseOf(stored)}; delete it, and Mesos is asked to kill it`;
    events.record(stored, 'Warning', 'NotDeclaredDead', message);
  }
}

function buriedStatus(task: Task, message: string, now: string): TaskStatus | undefined {
  const context = { now, trustAbsence: true, reconciled: false };
  const buried = mesosTaskIds(task).reduce((current, { taskId }) => {
    const gone: MesosTaskStatus = { task_id: { value: taskId }, state: 'TASK_GONE', message };
    const status = applyUpdate(current, gone, context);
    return status === undefined ? current : { ...current, status };
  }, task);
  return buried === task ? undefined : buried.status;
}

function withoutConfirmation(task: Task): Task {
  const { annotations = {} } = task.metadata;
  const kept = Object.entries(annotations).filter(([name]) => name !== confirmDeadAnnotation);
  return { ...task, metadata: { ...task.metadata, annotations: Object.fromEntries(kept) } };
}
