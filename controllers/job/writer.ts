import type { Logger } from 'pino';
import type { Client, ResourceClient } from '../../api/client/client.ts';
import type { Clock } from '../../api/machinery/clock.ts';
import { ApiError, isApiError } from '../../api/machinery/errors.ts';
import { jsonEqual } from '../../api/machinery/json.ts';
import type { KubeObject } from '../../api/machinery/metadata.ts';
import { controllerOf, controllerReference, objectKey } from '../../api/machinery/metadata.ts';
import type { Random } from '../../api/machinery/random.ts';
import { trackingFinalizer } from '../../api/v1/batch.ts';
import type { Job, JobStatus } from '../../api/v1/job.ts';
import { jobLabel, jobResource, tasksFinalizer } from '../../api/v1/job.ts';
import type { JobRevision } from '../../api/v1/job-revision.ts';
import { jobRevisionResource } from '../../api/v1/job-revision.ts';
import type { ServerSet } from '../../api/v1/serverset.ts';
import { serverSetResource } from '../../api/v1/serverset.ts';
import type { Task } from '../../api/v1/task.ts';
import { isDead, taskResource } from '../../api/v1/task.ts';
import { concurrently } from '../runtime/concurrently.ts';
import type { EventRecorder } from '../runtime/event-recorder.ts';
import type { VersionedCache } from '../runtime/write-barrier.ts';
import { WriteBarrier } from '../runtime/write-barrier.ts';
import type { JobCaches } from './caches.ts';
import { jobKeyOfTask } from './caches.ts';
import { revisionDraft } from './drafts.ts';
import { awaitingRelease, type Plan, type TaskStop } from './plan-parts.ts';
import { reportStarts, reportStatus, reportStops } from './reports.ts';
import type { ServerSetPlan } from './serverset.ts';
import { stalledStatus } from './status.ts';
import { TaskStarter } from './task-starter.ts';

export interface JobWriterOptions {
  /** Fenced: every write is refused once somebody else leads. */
  client: Client;
  caches: JobCaches;
  recorder: EventRecorder;
  clock: Clock;
  random: Random;
  logger: Logger;
}

/** Writes of one Job at a time, and of one plan at most. */
const createConcurrency = 32;
const stopConcurrency = 16;
const deleteConcurrency = 8;
const startsPerPlan = 512;
const listPage = 500;

/** Two writes of a Job's status lie this far apart. */
const statusIntervalMs = 500;

/** Does what a plan says, in the order that makes every prefix of it harmless. */
export class JobWriter {
  readonly #options: JobWriterOptions;
  readonly #jobs: ResourceClient<Job>;
  readonly #tasks: ResourceClient<Task>;
  readonly #revisions: ResourceClient<JobRevision>;
  readonly #serverSets: ResourceClient<ServerSet>;
  readonly #starter: TaskStarter;
  readonly #barrier = new WriteBarrier();
  /** Monotonic time of the last status write, by Job key. */
  readonly #statusAt = new Map<string, number>();

  constructor(options: JobWriterOptions) {
    const { client, random } = options;
    this.#options = options;
    this.#jobs = client.of(jobResource);
    this.#tasks = client.of(taskResource);
    this.#revisions = client.of(jobRevisionResource);
    this.#serverSets = client.of(serverSetResource);
    this.#starter = new TaskStarter(this.#tasks, random);
  }

  /** Whether the caches show everything that was written for the Job. */
  isSeen(key: string): boolean {
    return this.#barrier.isOpen(key);
  }

  /** The Task was deleted. */
  taskGone(task: Task): void {
    this.#starter.gone(task, jobKeyOfTask(task));
  }

  /** The Job is gone. */
  forget(key: string): void {
    this.#barrier.forget(key);
    this.#starter.forget(key);
    this.#statusAt.delete(key);
  }

  /** Returns the milliseconds after which to plan again because something had to be put off. */
  async apply(planned: Job, plan: Plan): Promise<number | undefined> {
    const key = objectKey(planned.metadata);
    const job = plan.finalizer === 'add' ? await this.#addFinalizer(key, planned) : planned;
    await this.#adopt(key, job, plan.adopt);
    await this.#writeRevision(key, job, plan.revision);
    await this.#writeServerSet(key, plan.serverSet);
    await this.#stop(key, job, plan.stop);
    const refused = await this.#start(key, job, plan);
    await this.#prune(plan.prune);
    await this.#release(key, plan.release);
    if (plan.expire) {
      await this.#expire(key, job);
      return undefined;
    }
    if (plan.finalizer === 'remove') {
      await this.#removeFinalizer(key, job);
      return undefined;
    }
    const status = refused === undefined ? plan.status : this.#refusedStatus(job, plan, refused);
    const statusDueMs = await this.#writeStatus(key, job, status);
    if (refused !== undefined) throw refused;
    return plan.start.length > startsPerPlan ? 0 : statusDueMs;
  }

  #wrote<T extends KubeObject>(key: string, cache: VersionedCache, object: T): T {
    this.#barrier.wrote(key, cache, object.metadata.resourceVersion);
    return object;
  }

  async #addFinalizer(key: string, job: Job): Promise<Job> {
    const finalizers = [...(job.metadata.finalizers ?? []), tasksFinalizer];
    const object = { ...job, metadata: { ...job.metadata, finalizers } };
    return this.#wrote(key, this.#options.caches.jobs, await this.#jobs.update(object));
  }

  /** The last look is at the store itself: a Task that a cache does not show yet must not be left. */
  async #removeFinalizer(key: string, job: Job): Promise<void> {
    const { uid, name } = job.metadata;
    const live = (await this.#storedTasks(job)).filter(
      (task) => controllerOf(task)?.uid === uid && !isDead(task),
    );
    if (live.length > 0)
      throw new ApiError('Conflict', `${live.length} tasks of ${name} still live`);
    const finalizers = job.metadata.finalizers?.filter((finalizer) => finalizer !== tasksFinalizer);
    await this.#jobs.update({
      ...job,
      metadata: { ...job.metadata, finalizers: finalizers ?? [] },
    });
    this.#options.logger.info({ job: key }, 'no task is left');
  }

  async #storedTasks({ metadata: { namespace, name } }: Job): Promise<Task[]> {
    const tasks: Task[] = [];
    let token: string | undefined;
    do {
      const page = await this.#tasks.list({
        ...(namespace === undefined ? {} : { namespace }),
        labelSelector: `${jobLabel}=${name}`,
        limit: listPage,
        ...(token === undefined ? {} : { continue: token }),
      });
      tasks.push(...page.items);
      token = page.continue;
    } while (token !== undefined);
    return tasks;
  }

  /** Only for the Job that is stored: adopting for one that was deleted would hand over to the collector. */
  async #adopt(key: string, job: Job, { tasks, revisions }: Plan['adopt']): Promise<void> {
    if (tasks.length + revisions.length === 0) return;
    const stored = await this.#jobs.get(job.metadata);
    if (
      stored.metadata.uid !== job.metadata.uid ||
      stored.metadata.deletionTimestamp !== undefined
    ) {
      throw new ApiError('Conflict', `Job ${key} is not the one that was planned for`);
    }
    const { caches } = this.#options;
    for (const revision of revisions) {
      this.#wrote(key, caches.revisions, await this.#revisions.update(owned(revision, job)));
    }
    await concurrently(tasks, stopConcurrency, async (task) => {
      this.#wrote(key, caches.tasks, await this.#tasks.update(owned(task, job)));
    });
  }

  async #writeRevision(key: string, job: Job, revision: Plan['revision']): Promise<void> {
    if (revision === undefined) return;
    const { caches } = this.#options;
    const { current, create, renumber } = revision;
    if (create) {
      this.#wrote(key, caches.revisions, await this.#createRevision(job, current));
    } else if (renumber !== undefined) {
      const object = { ...renumber, spec: { ...renumber.spec, revision: current.number } };
      this.#wrote(key, caches.revisions, await this.#revisions.update(object));
    }
  }

  /** The name says the content, so one that exists already is the one that was to be made. */
  async #createRevision(job: Job, current: { name: string; number: number }): Promise<JobRevision> {
    try {
      return await this.#revisions.create(revisionDraft(job, current));
    } catch (error) {
      if (!isApiError(error, 'AlreadyExists')) throw error;
      return this.#revisions.get({ namespace: job.metadata.namespace, name: current.name });
    }
  }

  async #writeServerSet(key: string, plan: ServerSetPlan): Promise<void> {
    const { serverSets } = this.#options.caches;
    switch (plan.action) {
      case 'none':
      case 'blocked':
        return;
      case 'create':
        this.#wrote(key, serverSets, await this.#serverSets.create(plan.draft));
        return;
      case 'update':
        this.#wrote(key, serverSets, await this.#serverSets.update(plan.object));
        return;
      case 'delete':
        await this.#delete(this.#serverSets, plan.object);
    }
  }

  /** Each with the version that was looked at: a run that changed meanwhile is judged anew. */
  async #stop(key: string, job: Job, stops: readonly TaskStop[]): Promise<void> {
    const { tasks } = this.#options.caches;
    const done: TaskStop[] = [];
    try {
      await concurrently(stops, stopConcurrency, async (wanted) => {
        const { task, stop } = wanted;
        const spec = { ...task.spec, stop };
        this.#wrote(key, tasks, await this.#tasks.update({ ...task, spec }));
        done.push(wanted);
      });
    } finally {
      reportStops(this.#options.recorder, job, done);
    }
  }

  /** Returns the refusal of the API, if it was one: that is for the Job's owner to know. */
  async #start(key: string, job: Job, plan: Plan): Promise<ApiError | undefined> {
    const { revision } = plan;
    if (revision === undefined) return undefined;
    const { tasks } = this.#options.caches;
    const started: { start: Plan['start'][number]; task: Task }[] = [];
    try {
      await concurrently(plan.start.slice(0, startsPerPlan), createConcurrency, async (start) => {
        const task = await this.#starter.start(job, start, revision.current.name);
        started.push({ start, task: this.#wrote(key, tasks, task) });
      });
      return undefined;
    } catch (error) {
      if (isApiError(error, 'Invalid', 'Forbidden', 'BadRequest')) return error;
      throw error;
    } finally {
      reportStarts(this.#options.recorder, job, started);
    }
  }

  #refusedStatus(job: Job, plan: Plan, { message }: ApiError): JobStatus {
    const why = { reason: 'TaskRefused', message };
    return stalledStatus(job, plan.status, why, this.#options.clock.now());
  }

  async #prune({ tasks, revisions }: Plan['prune']): Promise<void> {
    await concurrently(tasks, deleteConcurrency, (task) => this.#delete(this.#tasks, task));
    for (const revision of revisions) await this.#delete(this.#revisions, revision);
  }

  /** Nobody else holds them for the Job: what they have to tell is told. */
  async #release(key: string, tasks: readonly Task[]): Promise<void> {
    const { caches } = this.#options;
    await concurrently(tasks, deleteConcurrency, async (task) => {
      const finalizers = task.metadata.finalizers?.filter((one) => one !== trackingFinalizer);
      const metadata = { ...task.metadata, finalizers: finalizers ?? [] };
      try {
        this.#wrote(key, caches.tasks, await this.#tasks.update({ ...task, metadata }));
      } catch (error) {
        if (!isApiError(error, 'NotFound')) throw error;
      }
    });
  }

  /** Of a Job that is gone, by the store itself, nobody takes down any more what became of its Tasks. */
  async releaseLeftOver(key: string, tasks: readonly Task[]): Promise<void> {
    for (const task of awaitingRelease(tasks)) {
      const { namespace } = task.metadata;
      const job = await this.#jobs.find({ namespace, name: task.spec.job });
      if (job === undefined) await this.#release(key, [task]);
    }
  }

  /** As Kubernetes does it: its Tasks go first. One that has changed since is looked at again. */
  async #expire(key: string, job: Job): Promise<void> {
    const { uid, resourceVersion } = job.metadata;
    try {
      await this.#jobs.delete(job.metadata, {
        propagationPolicy: 'Foreground',
        preconditions: { uid, resourceVersion },
      });
    } catch (error) {
      if (!isApiError(error, 'NotFound')) throw error;
    }
    const after = job.spec.ttlSecondsAfterFinished ?? 0;
    this.#options.logger.info({ job: key, ttlSeconds: after }, 'deleted, as it has ended');
  }

  async #delete<T extends KubeObject>(client: ResourceClient<T>, object: T): Promise<void> {
    const { uid } = object.metadata;
    try {
      await client.delete(object.metadata, { preconditions: { uid } });
    } catch (error) {
      // Gone, or another of its name: either way the one that was meant is no more.
      if (!isApiError(error, 'NotFound', 'Conflict')) throw error;
    }
  }

  /** Returns the milliseconds until a status that differs may be written. */
  async #writeStatus(key: string, job: Job, status: JobStatus): Promise<number | undefined> {
    if (jsonEqual(job.status, status)) return undefined;
    const { clock, caches, recorder } = this.#options;
    const now = clock.monotonic();
    const due = (this.#statusAt.get(key) ?? -Infinity) + statusIntervalMs;
    if (due > now) return due - now;
    this.#statusAt.set(key, now);
    const stored = await this.#jobs.updateStatus({ ...job, status });
    this.#wrote(key, caches.jobs, stored);
    reportStatus(recorder, job, status);
    return undefined;
  }
}

function owned<T extends KubeObject>(object: T, job: Job): T {
  const ownerReferences = [...(object.metadata.ownerReferences ?? []), controllerReference(job)];
  return { ...object, metadata: { ...object.metadata, ownerReferences } };
}
