import type { Logger } from 'pino';
import type { Clock } from '../../api/machinery/clock.ts';
import { findCondition } from '../../api/machinery/conditions.ts';
import { objectKey } from '../../api/machinery/metadata.ts';
import {
  frameworkAnnotations,
  isReplacingHeld,
  replacingHeld,
  type Framework,
} from '../../api/v1/framework.ts';
import { parseMesosTaskId, phaseOf, type Task } from '../../api/v1/task.ts';
import type { TaskStatus as MesosTaskStatus } from '../../proto/mesos/generated/messages.ts';
import type { Runnable } from '../runtime/runnable.ts';
import { StoppedError } from './fenced-writer.ts';
import type { FrameworkRecord } from './framework-record.ts';
import { isLive } from './lifecycle.ts';
import type { Session } from './session.ts';
import { isDeadState, isUnreachableState } from './status.ts';
import type { TaskView } from './task-view.ts';
import { pause, Wakeup } from './wakeup.ts';

/** When losing many tasks at once is more likely the fault of Mesos, or ours, than theirs. */
export interface BrakeLimits {
  /** So many tasks may be lost at once, whatever the share. */
  tasks: number;
  /** Or this share of the live ones. */
  percent: number;
}

export const defaultBrake: BrakeLimits = { tasks: 10, percent: 20 };

/** Whether `lost` of `live` tasks (the lost ones included) are more than one pass may turn. */
export function isTooMany(lost: number, live: number, limits: BrakeLimits): boolean {
  return lost > limits.tasks && lost * 100 > live * limits.percent;
}

/**
 * An answer to a reconciliation by which a task that is in sight would be lost. One that was bound when
 * a leader died and that Mesos never spoke about was not in sight, nor is one that is unreachable.
 */
export function isLoss(update: MesosTaskStatus, task: Task | undefined): boolean {
  if (update.reason !== 'REASON_RECONCILIATION' || task === undefined || !isLive(task))
    return false;
  const phase = phaseOf(task);
  if (phase === 'Launching' || phase === 'Unreachable') return false;
  return isDeadState(update.state) || isUnreachableState(update.state);
}

export interface BrakeOptions {
  view: TaskView;
  record: FrameworkRecord;
  limits: BrakeLimits;
  clock: Clock;
  logger: Logger;
  /** Takes the answers that were kept back, once it is said what they mean. */
  receive: (update: MesosTaskStatus, session: Session) => void;
  onHeld: (framework: Framework, message: string) => void;
}

/** Answers of one pass come close together: it is over when none came for `settleMs`. */
const settleMs = 1_000;
const longestMs = 5_000;
const recheckMs = 30_000;

/**
 * Keeps back the losses that a reconciliation reports until its pass is over, so that it can be said,
 * before the first of them is stored, that replacing is held. They are stored in any case: what is held
 * is the replacing, by the loop that does it.
 */
export class Brake implements Runnable {
  readonly name = 'brake';
  readonly #options: BrakeOptions;
  /** By Mesos task id. */
  readonly #losses = new Map<string, { update: MesosTaskStatus; session: Session }>();
  /** Mesos task ids of losses that were handed on and are not stored yet. */
  readonly #unstored = new Set<string>();
  readonly #arrival: Wakeup;
  readonly #review: Wakeup;

  constructor(options: BrakeOptions) {
    this.#options = options;
    this.#arrival = new Wakeup(options.clock);
    this.#review = new Wakeup(options.clock);
  }

  /** True if the update is kept back; it is handed to `receive` later. */
  intercept(update: MesosTaskStatus, session: Session): boolean {
    const taskId = update.task_id.value;
    const ref = parseMesosTaskId(taskId);
    const task = ref === undefined ? undefined : this.#options.view.get(objectKey(ref));
    // What is known later counts.
    this.#losses.delete(taskId);
    if (!isLoss(update, task)) return false;
    this.#losses.set(taskId, { update, session });
    this.#arrival.wake();
    return true;
  }

  /** A subscription has begun: everything is asked for anew. */
  begin(): void {
    this.#losses.clear();
    this.#unstored.clear();
  }

  /** An update about the task has been taken to the store. */
  stored(taskId: string): void {
    this.#unstored.delete(taskId);
  }

  /** The Framework has changed: an operator may have decided. */
  reviewed(): void {
    this.#review.wake();
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#passes(signal), this.#reviews(signal)]);
  }

  async #passes(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (await this.#arrival.wait(signal)) {
      const deadline = clock.monotonic() + longestMs;
      for (let seen = -1; seen !== this.#losses.size && clock.monotonic() < deadline;) {
        seen = this.#losses.size;
        if (!(await pause(clock, settleMs, signal))) return;
      }
      try {
        await this.#judge();
      } catch (error) {
        // Not said, so not stored either: Mesos is asked again.
        this.#losses.clear();
        if (error instanceof StoppedError) return;
        this.#options.logger.error({ err: error }, 'holding the replacement of tasks failed');
      }
    }
  }

  async #judge(): Promise<void> {
    const { view, record, limits, logger, receive, onHeld } = this.#options;
    const losses = [...this.#losses.values()];
    const live = view.liveCount;
    if (isTooMany(losses.length, live, limits)) {
      const gone = losses.filter(({ update }) => isDeadState(update.state)).length;
      const reason = isTooMany(gone, live, limits) ? 'TasksGone' : 'TasksUnreachable';
      const message = `one reconciliation lost ${losses.length} of ${live} tasks (${gone} of them dead): none is replaced until they return, or until this Framework is annotated ${frameworkAnnotations.releaseReplacing}=true`;
      logger.error({ lost: losses.length, gone, live }, 'replacing tasks is held');
      await record.holdReplacing(reason, message);
      if (record.current !== undefined) onHeld(record.current, message);
      this.#review.wake();
    }
    for (const { update, session } of losses) {
      // An update that came while this was written down has taken its place.
      if (!this.#losses.delete(update.task_id.value)) continue;
      this.#unstored.add(update.task_id.value);
      receive(update, session);
    }
  }

  async #reviews(signal: AbortSignal): Promise<void> {
    const { record } = this.#options;
    const recheckIn = (): number => (isReplacingHeld(record.current) ? recheckMs : Infinity);
    while (await this.#review.wait(signal, recheckIn())) {
      try {
        await this.#release();
      } catch (error) {
        if (error instanceof StoppedError) return;
        this.#options.logger.error({ err: error }, 'releasing the replacement of tasks failed');
      }
    }
  }

  async #release(): Promise<void> {
    const { record, view, limits } = this.#options;
    const framework = record.current;
    if (framework?.metadata.annotations?.[frameworkAnnotations.releaseReplacing] === 'true') {
      await record.releaseReplacing('Released', 'an operator has released it');
      await record.dropAnnotation(frameworkAnnotations.releaseReplacing);
      return;
    }
    const condition = findCondition(framework?.status?.conditions, replacingHeld);
    if (condition?.status !== 'True' || condition.reason !== 'TasksUnreachable') return;
    const live = [...view.live()];
    const unreachable = live.filter((task) => phaseOf(task) === 'Unreachable').length;
    const coming = this.#losses.size + this.#unstored.size;
    if (isTooMany(unreachable + coming, live.length, limits)) return;
    await record.releaseReplacing('Recovered', 'the tasks have returned');
  }
}
