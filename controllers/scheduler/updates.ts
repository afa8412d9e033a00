import type { Logger } from 'pino';
import type { Clock } from '../../api/machinery/clock.ts';
import { timestamp } from '../../api/machinery/clock.ts';
import { isApiError, type ApiError } from '../../api/machinery/errors.ts';
import { objectKey } from '../../api/machinery/metadata.ts';
import {
  isDead,
  mesosTaskId,
  mesosTaskIds,
  parseMesosTaskId,
  type Task,
  type TaskStatus,
} from '../../api/v1/task.ts';
import type { TaskStatus as MesosTaskStatus } from '../../proto/mesos/generated/messages.ts';
import { requestedNetworks } from '../network/addresses.ts';
import { staticRequests } from '../network/claims.ts';
import { StoppedError, type FencedWriter } from './fenced-writer.ts';
import { trustsAbsence, type LaunchLog } from './launches.ts';
import type { Session } from './session.ts';
import { applyUpdate, isDeadState, isUnreachableState } from './status.ts';
import { Wakeup } from './wakeup.ts';

/** What became of an update that was taken in. */
export interface AppliedUpdate {
  update: MesosTaskStatus;
  session: Session;
  before: Task;
  after: Task;
  /** It says that Mesos does not know the task, while its launch may be on its way: it says nothing. */
  doubtful: boolean;
}

export interface UpdateProcessorOptions {
  writer: FencedWriter<TaskStatus, Task>;
  launches: LaunchLog;
  cniNameOf: (network: string, task: Task) => string;
  clock: Clock;
  logger: Logger;
  signal: AbortSignal;
  /** The store has what the update says. Called before it is acknowledged; must not throw. */
  onApplied: (applied: AppliedUpdate) => void;
  /** The update is about a task that no object stands for, read back from the store. */
  onOrphan: (update: MesosTaskStatus) => void;
  /** The store does not take what the update says: it is not acknowledged. */
  onRefused: (update: MesosTaskStatus, key: string, error: ApiError) => void;
}

interface Item {
  update: MesosTaskStatus;
  session: Session;
}

/** Updates taken in but not stored yet, over all tasks. */
const maxQueued = 10_000;

/**
 * Takes status updates to the store: those of one task in their order, those of different tasks side by
 * side. An update is acknowledged once it is stored or changes nothing, never before; one that could not
 * be stored is not acknowledged, and Mesos sends it again.
 */
export class UpdateProcessor {
  readonly #options: UpdateProcessorOptions;
  readonly #queues = new Map<string, Item[]>();
  readonly #room: Wakeup;
  #queued = 0;

  constructor(options: UpdateProcessorOptions) {
    this.#options = options;
    this.#room = new Wakeup(options.clock);
  }

  receive(update: MesosTaskStatus, session: Session): void {
    const ref = parseMesosTaskId(update.task_id.value);
    const key = ref === undefined ? update.task_id.value : objectKey(ref);
    const item = { update, session };
    this.#queued += 1;
    const queue = this.#queues.get(key);
    if (queue !== undefined) {
      queue.push(item);
      return;
    }
    const started = [item];
    this.#queues.set(key, started);
    void this.#drain(key, started, ref !== undefined);
  }

  /** Resolves once more may be taken in. Until then no event should be read. */
  async hasRoom(signal: AbortSignal): Promise<void> {
    while (this.#queued >= maxQueued && !signal.aborted) await this.#room.wait(signal);
  }

  async #drain(key: string, queue: Item[], ours: boolean): Promise<void> {
    for (let item = queue[0]; item !== undefined; item = queue[0]) {
      try {
        await this.#process(key, item, ours);
      } catch (error) {
        this.#failed(key, item, error);
      }
      queue.shift();
      this.#queued -= 1;
      this.#room.wake();
    }
    this.#queues.delete(key);
  }

  async #process(key: string, { update, session }: Item, ours: boolean): Promise<void> {
    const { writer, launches, onApplied, onOrphan } = this.#options;
    let before: Task | undefined;
    const after = ours
      ? await writer.changeStatus(key, (task) => {
          before = task;
          return this.#statusAfter(key, task, update, session);
        })
      : undefined;
    if (this.#options.signal.aborted) return;
    if (before === undefined || after === undefined) {
      launches.settle(key);
      onOrphan(update);
    } else if (!isOf(after, update)) {
      onOrphan(update);
    } else {
      const doubtful = this.#isDoubtful(key, update, session);
      if (!doubtful) launches.settle(key);
      onApplied({ update, session, before, after, doubtful });
    }
    session.acknowledge(update);
  }

  /** Absence while the launch may be on its way says nothing. */
  #isDoubtful(key: string, { state }: MesosTaskStatus, session: Session): boolean {
    if (state !== 'TASK_GONE' && !isUnreachableState(state)) return false;
    return !this.#trusts(key, session);
  }

  #trusts(key: string, session: Session): boolean {
    const { launches, clock } = this.#options;
    return trustsAbsence(launches.get(key), session.number, clock.monotonic());
  }

  #statusAfter(
    key: string,
    task: Task,
    update: MesosTaskStatus,
    session: Session,
  ): TaskStatus | undefined {
    const { clock, cniNameOf } = this.#options;
    const now = timestamp(clock);
    const known = isUnboundButLive(task, update)
      ? { ...task, status: adoptedStatus(task, update, cniNameOf, now) }
      : task;
    return applyUpdate(known, update, {
      now,
      trustAbsence: this.#trusts(key, session),
      reconciled: update.reason === 'REASON_RECONCILIATION',
    });
  }

  /** Mesos sends it again, later and later, if it is to be acknowledged. */
  #failed(key: string, { update }: Item, error: unknown): void {
    const { logger, signal, onRefused } = this.#options;
    if (error instanceof StoppedError || signal.aborted) return;
    const { task_id: taskId, state } = update;
    const fields = isApiError(error) ? error.details?.causes : undefined;
    logger.error(
      { err: error, task: taskId.value, state, fields },
      'a status update could not be stored',
    );
    if (isApiError(error)) onRefused(update, key, error);
  }
}

/** Whether a container of the Task has this Mesos task: what has none of them nobody has launched. */
function isOf(task: Task, { task_id: { value } }: MesosTaskStatus): boolean {
  return mesosTaskIds(task).some(({ taskId }) => taskId === value);
}

/**
 * A task runs of which the store says that it waits: the store has lost a write, as when it was restored
 * from a backup. It is adopted, not launched once more under its id.
 */
function isUnboundButLive(task: Task, { state }: MesosTaskStatus): boolean {
  if (task.status?.mesos !== undefined || isDead(task)) return false;
  return !isDeadState(state) && !isUnreachableState(state);
}

function adoptedStatus(
  task: Task,
  update: MesosTaskStatus,
  cniNameOf: (network: string, task: Task) => string,
  now: string,
): TaskStatus {
  const agentId = update.agent_id?.value;
  const attachments = task.spec.networks ?? [];
  const networks = requestedNetworks(
    attachments,
    (name) => cniNameOf(name, task),
    now,
    staticRequests(attachments),
  );
  return {
    ...task.status,
    phase: 'Launching',
    mesos: { taskId: mesosTaskId(task), ...(agentId === undefined ? {} : { agentId }) },
    ...(networks.length === 0 ? {} : { networks }),
  };
}
