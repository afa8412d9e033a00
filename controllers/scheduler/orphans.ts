import type { Logger } from 'pino';
import type { TaskStatus as MesosTaskStatus } from '../../proto/mesos/generated/messages.ts';
import type { EventRecorder } from '../runtime/event-recorder.ts';
import { isLiveState } from './follow-ups.ts';
import type { FrameworkRecord } from './framework-record.ts';
import type { Killer } from './killer.ts';

/** What happens to tasks of our framework that the store does not know. */
export type OrphanPolicy = 'Keep' | 'Kill';

export interface OrphansOptions {
  policy: OrphanPolicy;
  killer: Killer;
  record: FrameworkRecord;
  events: Pick<EventRecorder, 'record'>;
  logger: Logger;
}

/** Says that a task runs for which there is no Task, as after a store was restored from a backup. */
export class Orphans {
  readonly #options: OrphansOptions;

  constructor(options: OrphansOptions) {
    this.#options = options;
  }

  /** An update about a task that no object stands for. */
  reported({ task_id: taskId, agent_id: agentId, state }: MesosTaskStatus): void {
    const { killer, record, events, logger } = this.#options;
    if (!isLiveState(state)) {
      killer.forget(taskId.value);
      return;
    }
    const isBuried = record.isBuried(taskId.value);
    const policy = isBuried ? 'Kill' : this.#options.policy;
    const killed = isBuried ? 'an operator has declared it dead, so it is killed' : 'it is killed';
    const fate = policy === 'Kill' ? killed : 'it is left alone';
    const message = `task ${taskId.value} runs on agent ${agentId?.value ?? 'unknown'} (${state}), and no Task stands for it: ${fate}`;
    logger.warn({ task: taskId.value, agent: agentId?.value, state, policy }, 'orphan');
    if (record.current !== undefined) events.record(record.current, 'Warning', 'Orphan', message);
    if (policy === 'Keep') return;
    killer.want({ task_id: taskId, ...(agentId === undefined ? {} : { agent_id: agentId }) });
  }
}
