import type { ApiError } from '../../api/machinery/errors.ts';
import type { Job } from '../../api/v1/job.ts';
import type { Task } from '../../api/v1/task.ts';
import type { TaskStatus as MesosTaskStatus } from '../../proto/mesos/generated/messages.ts';
import type { EventRecorder } from '../runtime/event-recorder.ts';
import type { Informer } from '../runtime/informer.ts';
import type { Agents } from './agents.ts';
import { followUpsOf, isLiveState, type FollowUps } from './follow-ups.ts';
import type { Killer } from './killer.ts';
import type { Reconciler } from './reconciler.ts';
import { jobKey, type TaskView } from './task-view.ts';
import type { AppliedUpdate } from './updates.ts';

export interface ConsequencesOptions {
  view: TaskView;
  agents: Pick<Agents, 'lacksNetwork' | 'reported'>;
  killer: Killer;
  reconciler: Reconciler;
  events: Pick<EventRecorder, 'record'>;
  jobs: Pick<Informer<Job>, 'get'>;
  /** The store has what an update says about this Mesos task. */
  stored: (taskId: string) => void;
}

/** After so long Mesos is asked again about a task whose status the store did not take. */
const refusedAgainMs = 10_000;

/** Does what follows from status updates besides storing them. */
export class Consequences {
  readonly #options: ConsequencesOptions;

  constructor(options: ConsequencesOptions) {
    this.#options = options;
  }

  applied(applied: AppliedUpdate): void {
    const { agents, killer, reconciler, stored } = this.#options;
    const { update, after, doubtful } = applied;
    const taskId = update.task_id.value;
    const followUps = followUpsOf(applied);
    stored(taskId);
    if (!doubtful) reconciler.answered(taskId);
    if (followUps.lacksNetwork !== undefined) {
      const { agentId: lacking, cniName } = followUps.lacksNetwork;
      agents.lacksNetwork(lacking, cniName);
    }
    const agentId = update.agent_id?.value;
    if (agentId !== undefined && isLiveState(update.state)) agents.reported(agentId);
    if (followUps.kill !== undefined) killer.want(followUps.kill);
    if (followUps.forgetKill) killer.forget(taskId);
    if (followUps.urgeKill) killer.urge(taskId);
    if (followUps.askInMs !== undefined) reconciler.ask(after, followUps.askInMs);
    if (followUps.event !== undefined) this.#report(after, followUps.event);
  }

  /** What Mesos does not send again by itself is asked for, less and less often. */
  refused(update: MesosTaskStatus, key: string, error: ApiError): void {
    const { view, reconciler, events } = this.#options;
    const task = view.get(key);
    if (task === undefined) return;
    if (update.uuid === undefined) reconciler.ask(task, refusedAgainMs);
    const message = `${update.state} could not be stored and is not acknowledged: ${error.message}`;
    events.record(task, 'Warning', 'StatusRefused', message);
  }

  #report(task: Task, { type, reason, message, aboutJob }: NonNullable<FollowUps['event']>): void {
    const { events, jobs } = this.#options;
    events.record(task, type, reason, message);
    const job = aboutJob ? jobs.get(jobKey(task)) : undefined;
    if (job !== undefined) events.record(job, type, reason, `${task.metadata.name}: ${message}`);
  }
}
