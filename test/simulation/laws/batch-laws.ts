import { parseIndexes } from '../../../api/v1/indexes.ts';
import type { StoredObject, StoreWrite } from '../store.ts';
import {
  isDead,
  isTrue,
  jobFacts,
  phaseOf,
  prefixes,
  type JobFacts,
  type TaskFacts,
} from '../views.ts';
import type { LawBook, Truth } from './law-book.ts';
import type { TaskLaws } from './task-laws.ts';

/** Laws about Jobs that run to completion. */
export class BatchLaws {
  readonly #book: LawBook;
  readonly #truth: Truth;
  readonly #tasks: TaskLaws;
  /** Instances of which a task was stored to have ended well, by `<uid of the Job>/<instance>`. */
  readonly #succeeded = new Set<string>();
  /** Of those, the ones whose task had been in sight until then: nobody can have missed that. */
  readonly #plainly = new Set<string>();

  constructor(book: LawBook, truth: Truth, tasks: TaskLaws) {
    this.#book = book;
    this.#truth = truth;
    this.#tasks = tasks;
  }

  wrote({ writer, key, before, after }: StoreWrite): void {
    if (key.startsWith(prefixes.jobs)) this.#job(writer, before, after);
    if (!key.startsWith(prefixes.tasks) || after === undefined) return;
    const task = this.#truth.store.taskOf(after);
    const job = this.#jobOf(task);
    const owner = after.metadata.ownerReferences?.[0]?.uid;
    if (job?.spec.type !== 'Batch' || owner !== job.metadata.uid) return;
    if (before === undefined) this.#started(job, task);
    if (phaseOf(task) !== 'Finished') return;
    const instance = `${job.metadata.uid}/${task.spec.instance}`;
    this.#succeeded.add(instance);
    if (!this.#tasks.wasUnreachable(task.metadata.uid)) this.#plainly.add(instance);
  }

  #jobOf({ metadata, spec }: TaskFacts): JobFacts | undefined {
    const stored = this.#truth.store.get(`${prefixes.jobs}${metadata.namespace}/${spec.job}`);
    return stored === undefined ? undefined : jobFacts(stored);
  }

  #started(job: JobFacts, task: TaskFacts): void {
    const { uid } = job.metadata;
    const { name } = task.metadata;
    const { instance } = task.spec;
    if (completedOf(job).has(instance) || this.#plainly.has(`${uid}/${instance}`)) {
      this.#book.broken('nothing that has succeeded runs again', `${name} is started`);
    }
    if (hasEnded(job)) {
      this.#book.broken('nothing is started once a Job has ended', `${name} is started`);
    }
    const { parallelism = Infinity } = job.spec;
    const busy = this.#truth.store
      .tasks()
      .filter(
        (other) =>
          other.spec.job === task.spec.job &&
          !isDead(other) &&
          phaseOf(other) !== 'Unreachable' &&
          !this.#succeeded.has(`${uid}/${other.spec.instance}`),
      );
    const count = new Set(busy.map(({ spec }) => spec.instance)).size;
    if (count > parallelism) {
      this.#book.broken(
        'no more instances live than parallelism says',
        `${name} is one of ${count}`,
      );
    }
  }

  #job(writer: string, before: StoredObject | undefined, after: StoredObject | undefined): void {
    if (before === undefined || after === undefined) return;
    const [old, job] = [jobFacts(before), jobFacts(after)];
    if (job.spec.type !== 'Batch') return;
    const { name, uid } = job.metadata;
    for (const index of completedOf(old)) {
      if (completedOf(job).has(index)) continue;
      this.#book.broken('no success is forgotten', `${name} knows of instance ${index} no more`);
    }
    for (const index of completedOf(job)) {
      if (this.#succeeded.has(`${uid}/${index}`)) continue;
      this.#book.broken('no success is made up', `${name} says so of instance ${index}`);
    }
    for (const type of ['Complete', 'Failed']) {
      if (!isTrue(old, type) || isTrue(job, type)) continue;
      this.#book.broken('the end of a Job is final', `${name} is ${type} no more`);
    }
    const wasDeleted =
      job.metadata.deletionTimestamp !== undefined && old.metadata.deletionTimestamp === undefined;
    if (wasDeleted && writer !== 'user' && !hasEnded(old)) {
      this.#book.broken('only a Job that has ended is deleted for its age', `${name} is deleted`);
    }
  }
}

function hasEnded(job: JobFacts): boolean {
  return isTrue(job, 'Complete') || isTrue(job, 'Failed');
}

function completedOf({ spec, status }: JobFacts): ReadonlySet<number> {
  return parseIndexes(status?.completedIndexes, spec.replicas);
}
