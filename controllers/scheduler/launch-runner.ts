import type { Logger } from 'pino';
import { timestamp, type Clock } from '../../api/machinery/clock.ts';
import { objectKey } from '../../api/machinery/metadata.ts';
import { mesosTaskIds, type Task, type TaskStatus } from '../../api/v1/task.ts';
import type { CallOutcome } from '../../proto/mesos/transport.ts';
import { boundStatus, droppedUpdate } from './bind.ts';
import { acceptCall, declineCall } from './calls.ts';
import { StoppedError, type FencedWriter } from './fenced-writer.ts';
import { launchOperation, type LaunchContext } from './launch.ts';
import type { LaunchGate } from './launch-gate.ts';
import type { LaunchLog } from './launches.ts';
import { isUnwanted } from './lifecycle.ts';
import type { NetworkNames } from './network-names.ts';
import type { Placement } from './placement.ts';
import type { Session } from './session.ts';
import { applyUpdate } from './status.ts';
import type { TaskView } from './task-view.ts';

export interface LaunchRunnerOptions {
  view: TaskView;
  writer: FencedWriter<TaskStatus, Task>;
  launches: LaunchLog;
  cniNameOf: NetworkNames;
  /** Whether a task has the addresses that it asks for, and what it refers to. */
  gate: (task: Task) => LaunchGate;
  clock: Clock;
  logger: Logger;
  /** Mesos has been asked to launch the tasks: ask it again if it says nothing. */
  onLaunched: (keys: readonly string[]) => void;
}

export interface LaunchResult {
  /** The store did not answer: it is no use to go on at once. */
  storeIsAway: boolean;
}

/** What became of writing down where a task is to run; only a stored one may be launched. */
type Bind = { outcome: 'stored'; bound: Bound } | { outcome: 'overtaken' | 'unknown' | 'refused' };

/** A stored placement with what the task takes along, which nobody stores. */
type Bound = Placement & Pick<LaunchContext, 'contents'>;

/** The launches on one agent's offers: bound in the store one by one, then accepted by one call. */
export class LaunchRunner {
  readonly #options: LaunchRunnerOptions;

  constructor(options: LaunchRunnerOptions) {
    this.#options = options;
  }

  /** Never rejects. At the end the offers are used up, the tasks launched, dropped or left waiting. */
  async run(session: Session, placements: readonly Placement[]): Promise<LaunchResult> {
    const { logger } = this.#options;
    const binds = await Promise.all(placements.map((placement) => this.#bind(session, placement)));
    const bound = binds.flatMap((bind) => (bind.outcome === 'stored' ? [bind.bound] : []));
    try {
      await this.#accept(session, placements, bound);
    } catch (error) {
      if (!(error instanceof StoppedError)) logger.error({ err: error }, 'a launch failed');
    }
    return { storeIsAway: binds.some(({ outcome }) => outcome === 'unknown') };
  }

  async #bind(session: Session, placement: Placement): Promise<Bind> {
    const { writer, clock, logger } = this.#options;
    const { task } = placement;
    const gate = this.#options.gate(task);
    if (gate.kind === 'Closed') return { outcome: 'refused' };
    const { requested, contents } = gate;
    const context = { ...this.#names(session, task), requested, now: timestamp(clock) };
    const status = boundStatus(placement, context);
    try {
      const attempt = await writer.attemptStatus(task, status);
      if (attempt.outcome !== 'stored') return attempt;
      return { outcome: 'stored', bound: { ...placement, task: attempt.object, contents } };
    } catch (error) {
      // The Task alone is at fault; those that go with it are not.
      if (!(error instanceof StoppedError)) {
        logger.error({ err: error, task: task.metadata.name }, 'a task could not be bound');
      }
      return { outcome: 'refused' };
    }
  }

  /** From here to the call nothing waits: what is checked holds when the call leaves. */
  async #accept(
    session: Session,
    placements: readonly Placement[],
    bound: readonly Bound[],
  ): Promise<void> {
    const { launches, clock, view, onLaunched } = this.#options;
    const offerIds = placements[0]?.offer.offerIds ?? [];
    const launched: Bound[] = [];
    const stopped: Bound[] = [];
    for (const placement of bound) {
      const newest = view.get(objectKey(placement.task.metadata));
      const wanted = newest?.metadata.uid === placement.task.metadata.uid && !isUnwanted(newest);
      (wanted ? launched : stopped).push(placement);
    }
    if (launched.length === 0) {
      void session.call(declineCall(offerIds, 0));
      await this.#drop(stopped, 'the task was stopped before it was launched');
      return;
    }
    const operations = launched.map((placement) => {
      const { task, contents } = placement;
      return launchOperation(placement, { ...this.#names(session, task), contents });
    });
    const keys = launched.map(({ task }) => objectKey(task.metadata));
    for (const key of keys) launches.send(key, session.number);
    const outcome = await session.call(acceptCall(offerIds, operations));
    if (outcome.kind === 'accepted') {
      for (const key of keys) launches.accept(key, clock.monotonic());
    }
    // The answer may be lost: whether they were launched is for Mesos to say.
    if (outcome.kind === 'accepted' || outcome.kind === 'unknown') onLaunched(keys);
    else await this.#drop(launched, `the launch did not reach Mesos: ${reasonOf(outcome)}`);
    await this.#drop(stopped, 'the task was stopped before it was launched');
  }

  /** Only tasks whose networks have names are placed. */
  #names({ frameworkId }: Session, task: Task): Omit<LaunchContext, 'contents'> {
    const { cniNameOf } = this.#options;
    return { frameworkId, cniNameOf: (network) => cniNameOf(network, task) ?? network };
  }

  /** Bound, and certainly never launched: a task is bound once, so this one is over. */
  async #drop(placements: readonly Placement[], message: string): Promise<void> {
    const { writer, launches, clock } = this.#options;
    const context = { now: timestamp(clock), trustAbsence: true, reconciled: false };
    await Promise.all(
      placements.map(async ({ task }) => {
        const key = objectKey(task.metadata);
        launches.bind(key);
        for (const { taskId } of mesosTaskIds(task)) {
          await writer.changeStatus(key, (current) =>
            current.metadata.uid === task.metadata.uid
              ? applyUpdate(current, droppedUpdate(taskId, message), context)
              : undefined,
          );
        }
      }),
    );
  }
}

function reasonOf(outcome: CallOutcome): string {
  switch (outcome.kind) {
    case 'accepted':
      return 'accepted';
    case 'rejected':
      return `${outcome.status} ${outcome.message}`;
    case 'unsent':
    case 'unknown':
      return outcome.cause.message;
  }
}
