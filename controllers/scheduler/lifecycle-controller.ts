import type { Logger } from 'pino';
import { timestamp, type Clock } from '../../api/machinery/clock.ts';
import { objectKey } from '../../api/machinery/metadata.ts';
import { mesosFinalizer, type Task, type TaskStatus } from '../../api/v1/task.ts';
import type { SchedulerCallKill } from '../../proto/mesos/generated/messages.ts';
import { Controller } from '../runtime/controller.ts';
import { discardedStatus } from './bind.ts';
import type { Burial } from './burial.ts';
import { StoppedError, type FencedWriter } from './fenced-writer.ts';
import type { Killer } from './killer.ts';
import { killPolicy } from './launch.ts';
import type { LaunchLog } from './launches.ts';
import { liveTaskIds, nextStep } from './lifecycle.ts';
import type { TaskView } from './task-view.ts';

export interface LifecycleOptions {
  view: TaskView;
  writer: FencedWriter<TaskStatus, Task>;
  launches: LaunchLog;
  killer: Killer;
  burial: Burial;
  clock: Clock;
  logger: Logger;
}

/** Carries out the next step of each Task that is enqueued. */
export function lifecycleController(options: LifecycleOptions): Controller {
  const { view, clock, logger } = options;
  return new Controller({
    name: 'task-lifecycle',
    waitFor: [],
    clock,
    logger,
    concurrency: 32,
    reconcile: async (key) => {
      try {
        await takeStep(options, key, view.get(key));
      } catch (error) {
        if (!(error instanceof StoppedError)) throw error;
      }
      return {};
    },
  });
}

async function takeStep(
  { writer, launches, killer, burial, clock }: LifecycleOptions,
  key: string,
  task: Task | undefined,
): Promise<void> {
  if (task === undefined) return;
  const step = nextStep(task, launches.isBinding(key));
  switch (step) {
    case 'None':
      return;
    case 'Kill':
      for (const order of killOrders(task)) killer.want(order);
      return;
    case 'Discard':
      await writer.changeStatus(key, (newest) =>
        nextStep(newest, launches.isBinding(key)) === step
          ? discardedStatus(newest, timestamp(clock))
          : undefined,
      );
      return;
    case 'Bury':
      await burial.bury(key, task);
      return;
    case 'Contradict':
      await burial.contradict(key);
      return;
    case 'Release':
      await writer.change(key, (newest) =>
        nextStep(newest, false) === step ? withoutOurFinalizer(newest) : undefined,
      );
  }
}

export function killOrders(task: Task): SchedulerCallKill[] {
  const agentId = task.status?.mesos?.agentId;
  return liveTaskIds(task).map((taskId) => ({
    task_id: { value: taskId },
    ...(agentId === undefined ? {} : { agent_id: { value: agentId } }),
    kill_policy: killPolicy(task),
  }));
}

function withoutOurFinalizer(task: Task): Task {
  const finalizers = (task.metadata.finalizers ?? []).filter((one) => one !== mesosFinalizer);
  return { ...task, metadata: { ...task.metadata, finalizers } };
}

/** Whether the controller has anything to do for the Task. */
export function needsStep(task: Task, launches: LaunchLog): boolean {
  return nextStep(task, launches.isBinding(objectKey(task.metadata))) !== 'None';
}
