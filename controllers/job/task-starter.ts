import type { ResourceClient } from '../../api/client/client.ts';
import { isApiError } from '../../api/machinery/errors.ts';
import { controllerOf, objectKey } from '../../api/machinery/metadata.ts';
import type { Random } from '../../api/machinery/random.ts';
import { nameSuffix } from '../../api/machinery/random.ts';
import type { Job } from '../../api/v1/job.ts';
import { runOf } from '../../api/v1/runs.ts';
import type { Task } from '../../api/v1/task.ts';
import type { TaskStart } from './decide.ts';
import { taskDraft } from './drafts.ts';

/** 27^10 suffixes: two of one instance are never the same. */
const suffixLength = 10;

/** A name chosen for a run of an instance. */
interface Intent {
  run: number;
  name: string;
}

/**
 * Creates Tasks, each run of an instance once. A create whose answer was lost may have happened; it is
 * tried again under the same name until there is an answer, so that it cannot happen twice. Names of a
 * process that ended meanwhile need no care: its late writes fail at the fence.
 */
export class TaskStarter {
  readonly #tasks: ResourceClient<Task>;
  readonly #random: Random;
  /** By Job key, then by uid and instance: at most one entry for each instance. */
  readonly #intents = new Map<string, Map<string, Intent>>();

  constructor(tasks: ResourceClient<Task>, random: Random) {
    this.#tasks = tasks;
    this.#random = random;
  }

  /** The stored Task of the run. */
  async start(job: Job, start: TaskStart, revision: string): Promise<Task> {
    const key = objectKey(job.metadata);
    const intents = this.#intents.get(key) ?? new Map<string, Intent>();
    this.#intents.set(key, intents);
    const instance = `${job.metadata.uid}/${start.instance}`;
    const before = intents.get(instance);
    const name = before?.run === start.run ? before.name : this.#newName(job, start);
    intents.set(instance, { run: start.run, name });
    const task = await this.#create(job, start, { name, revision });
    intents.delete(instance);
    return task;
  }

  /** The Task was deleted: whoever takes its place has another name. */
  gone({ metadata: { name }, spec: { instance } }: Task, jobKey: string): void {
    for (const [key, intent] of this.#intents.get(jobKey) ?? []) {
      if (intent.name === name && key.endsWith(`/${instance}`)) {
        this.#intents.get(jobKey)?.delete(key);
      }
    }
  }

  /** The Job is gone. */
  forget(jobKey: string): void {
    this.#intents.delete(jobKey);
  }

  #newName(job: Job, { instance }: TaskStart): string {
    return `${job.metadata.name}-${instance}-${nameSuffix(this.#random, suffixLength)}`;
  }

  async #create(job: Job, start: TaskStart, as: { name: string; revision: string }): Promise<Task> {
    try {
      return await this.#tasks.create(taskDraft(job, start, as));
    } catch (error) {
      if (!isApiError(error, 'AlreadyExists')) throw error;
      const { namespace } = job.metadata;
      const existing = await this.#tasks.get({ namespace, name: as.name });
      const isThisRun =
        controllerOf(existing)?.uid === job.metadata.uid &&
        existing.spec.instance === start.instance &&
        runOf(existing) === start.run;
      if (!isThisRun) throw error;
      return existing;
    }
  }
}
