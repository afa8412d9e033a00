import type { StoreWrite } from '../store.ts';
import {
  isDead,
  isUnwanted,
  mayBePublished,
  mesosIdsOf,
  phaseOf,
  prefixes,
  type TaskFacts,
} from '../views.ts';
import type { LawBook, Truth } from './law-book.ts';

interface Version {
  revision: number;
  publishable: boolean;
}

/** Laws about what is written into Tasks, and what they have been. */
export class TaskLaws {
  readonly #book: LawBook;
  readonly #truth: Truth;
  readonly #history = new Map<string, Version[]>();
  readonly #everUnreachable = new Set<string>();
  /** Keys of the Tasks that were deleted as they should be: nothing of them ran. */
  readonly #buried = new Set<string>();

  constructor(book: LawBook, truth: Truth) {
    this.#book = book;
    this.#truth = truth;
  }

  /** Whether it was out of sight, or an operator has said that its agent never comes back. */
  wasUnreachable(uid: string): boolean {
    return this.#everUnreachable.has(uid);
  }

  wasBuried(key: string): boolean {
    return this.#buried.has(key);
  }

  /** Whether it was Ready, and not to stop, as of `revision`. */
  wasPublishable(uid: string, revision: number): boolean {
    const versions = this.#history.get(uid) ?? [];
    return versions.findLast((version) => version.revision <= revision)?.publishable ?? false;
  }

  wrote({ writer, key, revision, before, after }: StoreWrite): void {
    if (!key.startsWith(prefixes.tasks)) return;
    const old = before === undefined ? undefined : this.#truth.store.taskOf(before);
    const task = after === undefined ? undefined : this.#truth.store.taskOf(after);
    const uid = (task ?? old)?.metadata.uid ?? '';
    const versions = this.#history.get(uid) ?? [];
    this.#history.set(uid, versions);
    versions.push({ revision, publishable: task !== undefined && mayBePublished(task) });
    if (old !== undefined && task === undefined) this.#deleted(key, old, writer);
    if (old === undefined || task === undefined) return;
    if (phaseOf(task) === 'Unreachable' || isGivenUp(task)) this.#everUnreachable.add(uid);
    this.#deadIsFinal(old, task);
    this.#deathIsTrue(old, task);
    this.#addressesStay(old, task);
    this.#stopStays(old, task, writer);
  }

  #deleted(key: string, task: TaskFacts, writer: string): void {
    const ids = mesosIdsOf(task).filter((id) => this.#truth.runningTasks().has(id));
    this.#buried.add(key);
    if (ids.length === 0 || isGivenUp(task)) return;
    this.#book.broken(
      'no running task is forgotten',
      `${writer} deleted ${task.metadata.name}, and ${ids.join(', ')} runs`,
    );
  }

  #deadIsFinal(old: TaskFacts, task: TaskFacts): void {
    if (!isDead(old) || phaseOf(old) === phaseOf(task)) return;
    this.#book.broken(
      'dead is final',
      `${task.metadata.name} became ${phaseOf(task)} after ${phaseOf(old)}`,
    );
  }

  #deathIsTrue(old: TaskFacts, task: TaskFacts): void {
    if (isDead(old) || !isDead(task) || isGivenUp(task)) return;
    const running = this.#truth.runningTasks();
    const ids = mesosIdsOf(task).filter((id) => running.has(id));
    if (ids.length > 0) {
      this.#book.broken(
        'silence kills nobody',
        `${task.metadata.name} is written down as ${phaseOf(task)}, and ${ids.join(', ')} runs`,
      );
    }
  }

  #addressesStay(old: TaskFacts, task: TaskFacts): void {
    if (isDead(task)) return;
    const known = (old.status?.networks ?? []).filter(({ ips }) => ips.length > 0);
    if (phaseOf(task) === 'Unreachable') {
      if (known.length > 0 && (task.status?.lastKnown?.ips.length ?? 0) === 0) {
        this.#book.broken(
          'known addresses are not wiped',
          `${task.metadata.name} lost them as it became unreachable`,
        );
      }
      return;
    }
    for (const { name } of known) {
      const now = task.status?.networks.find((network) => network.name === name);
      if (now === undefined || now.ips.length === 0) {
        this.#book.broken(
          'known addresses are not wiped',
          `${task.metadata.name} lost its address on ${name} in ${phaseOf(task)}`,
        );
      }
    }
  }

  #stopStays(old: TaskFacts, task: TaskFacts, writer: string): void {
    if (old.spec.stop !== undefined && task.spec.stop === undefined) {
      this.#book.broken('stop is never unset', `${writer} unset it on ${task.metadata.name}`);
    }
    const reason = task.spec.stop?.reason;
    if (old.spec.stop !== undefined || reason !== 'Replaced' || isUnwanted(old)) return;
    if (phaseOf(old) === 'Unreachable') {
      this.#book.broken(
        'silence kills nobody',
        `${task.metadata.name} is replaced while it is unreachable`,
      );
    }
  }
}

/** An operator answers for it that the task is over. */
function isGivenUp({ status }: TaskFacts): boolean {
  return status?.mesos?.state === 'TASK_GONE_BY_OPERATOR';
}
