import type { Logger } from 'pino';
import { timestamp, type Clock } from '../../api/machinery/clock.ts';
import { objectKey } from '../../api/machinery/metadata.ts';
import type { Task, TaskStatus } from '../../api/v1/task.ts';
import type { EventRecorder } from '../runtime/event-recorder.ts';
import { unschedulableStatus } from './bind.ts';
import { StoppedError, type FencedWriter } from './fenced-writer.ts';
import type { LaunchLog } from './launches.ts';
import { isWaiting } from './lifecycle.ts';
import type { Unplaced } from './placement.ts';

export interface UnschedulableReportOptions {
  writer: FencedWriter<TaskStatus, Task>;
  launches: LaunchLog;
  events: Pick<EventRecorder, 'record'>;
  clock: Clock;
  logger: Logger;
}

/** Writes on a Task why it finds no agent. Never rejects: the reason is found again if it lasts. */
export async function reportUnschedulable(
  { writer, launches, events, clock, logger }: UnschedulableReportOptions,
  { task, message }: Unplaced,
): Promise<void> {
  const key = objectKey(task.metadata);
  try {
    const after = await writer.changeStatus(key, (newest) =>
      isWaiting(newest) && !launches.isBinding(key)
        ? unschedulableStatus(newest, message, timestamp(clock))
        : undefined,
    );
    if (after !== undefined) events.record(after, 'Warning', 'FailedScheduling', message);
  } catch (error) {
    if (error instanceof StoppedError) return;
    logger.warn({ err: error, task: key }, 'the reason for waiting could not be stored');
  }
}
