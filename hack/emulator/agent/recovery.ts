import type { FrameworkInfo } from '../../../proto/mesos/generated/messages.ts';
import type { SavedExecutor } from './checkpoint.ts';
import { CommandExecutor, type Executor } from './command-executor.ts';
import { DefaultExecutor } from './default-executor.ts';
import type { StartedContainer } from './runtime.ts';
import type { ExecutorContext, TaskRun } from './task-run.ts';

export function saveExecutor(executor: Executor): SavedExecutor {
  const started = executor.started();
  const groups = executor instanceof DefaultExecutor ? executor.groups() : [executor.runs];
  return {
    kind: executor instanceof DefaultExecutor ? 'default' : 'command',
    containerId: executor.spec().id.value,
    ...(started === undefined ? {} : { started }),
    ...(executor instanceof DefaultExecutor ? { info: executor.info } : {}),
    role: executor instanceof DefaultExecutor ? executor.role : '*',
    frameworkId: executor.frameworkId,
    groups: groups.map((runs) => runs.map(saveRun)),
  };
}

function saveRun({ info, task, containerId, started, killed }: TaskRun) {
  return {
    info,
    task,
    containerId: containerId.value,
    ...(started === undefined ? {} : { started }),
    killed,
  };
}

/**
 * Takes up an executor of the agent's former life. Those of frameworks that do not checkpoint, and
 * those that had not started, are ended. `add` comes before any event of the containers.
 */
export function recoverExecutor(
  saved: SavedExecutor,
  frameworks: ReadonlyMap<string, FrameworkInfo>,
  context: ExecutorContext,
  add: (executor: Executor) => void,
): void {
  const framework = frameworks.get(saved.frameworkId);
  const started = saved.started === undefined ? undefined : afterRestart(saved.started);
  if (framework?.checkpoint !== true || started === undefined) {
    for (const { containerId } of saved.groups.flat()) {
      context.runtime.destroy(containerId, () => undefined);
    }
    context.runtime.destroy(saved.containerId, () => undefined);
    return;
  }
  const first = saved.groups[0]?.[0];
  if (saved.kind === 'command' && first !== undefined) {
    const { info, task, containerId, killed } = first;
    const executor = new CommandExecutor({ context, framework, info, task, containerId });
    add(executor);
    executor.recover(started, killed);
  } else if (saved.info !== undefined) {
    const { info, role, containerId } = saved;
    const executor = new DefaultExecutor({ context, framework, info, role, containerId });
    add(executor);
    executor.recover(
      started,
      saved.groups.map((group) =>
        group.map(({ started: container, ...run }) => ({
          ...run,
          ...(container === undefined ? {} : { started: afterRestart(container) }),
        })),
      ),
    );
  }
}

/** Mesos rebuilds its tables from disk, in another hash order. */
function afterRestart({ networks, pid }: StartedContainer): StartedContainer {
  return { networks: [...networks].reverse(), pid };
}
