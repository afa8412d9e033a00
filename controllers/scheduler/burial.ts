import { objectKey } from '../../api/machinery/metadata.ts';
import { mesosTaskIds, type Task, type TaskStatus } from '../../api/v1/task.ts';
import type { TaskStatus as MesosTaskStatus } from '../../proto/mesos/generated/messages.ts';
import type { FencedWriter } from './fenced-writer.ts';
import { applyUpdate } from './status.ts';

const message = 'an operator has confirmed that all tasks of the framework are dead';

/** Stores that the tasks are dead: an operator has confirmed that nothing of the framework lives. */
export async function buryAll(
  tasks: Iterable<Task>,
  writer: FencedWriter<TaskStatus, Task>,
  now: string,
): Promise<void> {
  const context = { now, trustAbsence: true, reconciled: false };
  await Promise.all(
    [...tasks].map(async (task) => {
      for (const { taskId } of mesosTaskIds(task)) {
        const gone: MesosTaskStatus = { task_id: { value: taskId }, state: 'TASK_GONE', message };
        await writer.changeStatus(objectKey(task.metadata), (newest) =>
          applyUpdate(newest, gone, context),
        );
      }
    }),
  );
}
