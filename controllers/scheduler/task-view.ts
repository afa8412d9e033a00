import { objectKey } from '../../api/machinery/metadata.ts';
import { phaseOf, type Task } from '../../api/v1/task.ts';
import { BoundedMap } from '../runtime/bounded-map.ts';
import type { Informer } from '../runtime/informer.ts';
import { isLive, isWaiting } from './lifecycle.ts';

/** Called once the view has the change; `previous` is what was known before. */
type Listener = (task: Task, previous: Task | undefined) => void;

/** Deleted Tasks that are remembered, so that an answer that comes late does not bring one back. */
const maxTombstones = 10_000;

/**
 * The newest state known of every Task: what the informer brought or what our own writes and reads
 * answered, whichever is newer. Decisions that must not repeat themselves look here, not at the informer.
 * Versions are etcd revisions and compare as numbers.
 */
export class TaskView {
  readonly #tasks = new Map<string, Task>();
  /** In the order in which they came. */
  readonly #waiting = new Map<string, Task>();
  readonly #live = new Map<string, Task>();
  /** Live Tasks in sight, by `namespace/job`. */
  readonly #byJob = new Map<string, Map<string, Task>>();
  readonly #gone = new BoundedMap<string, true>(maxTombstones);
  readonly #listeners: Listener[] = [];

  /** Follows an informer; returns the way to stop that. */
  follow(informer: Pick<Informer<Task>, 'onChange'>): () => void {
    return informer.onChange((change) => {
      if (change.type === 'deleted') this.removed(change.object);
      else this.put(change.object);
    });
  }

  onChange(listener: Listener): void {
    this.#listeners.push(listener);
  }

  get(key: string): Task | undefined {
    return this.#tasks.get(key);
  }

  waiting(): Iterable<Task> {
    return this.#waiting.values();
  }

  get waitingCount(): number {
    return this.#waiting.size;
  }

  live(): Iterable<Task> {
    return this.#live.values();
  }

  get liveCount(): number {
    return this.#live.size;
  }

  /** Tasks of a job that are bound, neither dead nor unreachable. */
  placed(job: string): Iterable<Task> {
    return this.#byJob.get(job)?.values() ?? [];
  }

  /** A state that somebody read or wrote; an older one than is known changes nothing. */
  put(task: Task): void {
    const key = objectKey(task.metadata);
    const known = this.#tasks.get(key);
    if (this.#gone.get(task.metadata.uid) === true) return;
    if (known !== undefined && !isNewer(task, known)) return;
    if (known !== undefined) this.#unindex(key, known);
    this.#tasks.set(key, task);
    this.#index(key, task);
    for (const listener of this.#listeners) listener(task, known);
  }

  removed(task: Task): void {
    const { metadata } = task;
    this.#gone.set(metadata.uid, true);
    const key = objectKey(metadata);
    const known = this.#tasks.get(key);
    if (known?.metadata.uid !== metadata.uid) return;
    this.#tasks.delete(key);
    this.#waiting.delete(key);
    this.#unindex(key, known);
  }

  #index(key: string, task: Task): void {
    if (isWaiting(task)) this.#waiting.set(key, task);
    else this.#waiting.delete(key);
    if (!isLive(task)) return;
    this.#live.set(key, task);
    if (phaseOf(task) === 'Unreachable') return;
    const job = jobKey(task);
    let siblings = this.#byJob.get(job);
    if (siblings === undefined) this.#byJob.set(job, (siblings = new Map<string, Task>()));
    siblings.set(key, task);
  }

  /** Leaves the waiting list alone: a Task that goes on waiting keeps its place. */
  #unindex(key: string, task: Task): void {
    this.#live.delete(key);
    const job = jobKey(task);
    const siblings = this.#byJob.get(job);
    siblings?.delete(key);
    if (siblings?.size === 0) this.#byJob.delete(job);
  }
}

export function jobKey(task: Task): string {
  return objectKey({ namespace: task.metadata.namespace, name: task.spec.job });
}

function isNewer(task: Task, known: Task): boolean {
  return Number(task.metadata.resourceVersion) > Number(known.metadata.resourceVersion);
}
