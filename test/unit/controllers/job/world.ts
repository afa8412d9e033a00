import type { Condition } from '../../../../api/machinery/conditions.ts';
import { isConditionTrue } from '../../../../api/machinery/conditions.ts';
import { controllerReference, hasFinalizer } from '../../../../api/machinery/metadata.ts';
import type { Draft, KubeObject } from '../../../../api/machinery/metadata.ts';
import { trackingFinalizer } from '../../../../api/v1/batch.ts';
import type { Job, JobSpec } from '../../../../api/v1/job.ts';
import { tasksFinalizer } from '../../../../api/v1/job.ts';
import type { JobRevision } from '../../../../api/v1/job-revision.ts';
import type { Network } from '../../../../api/v1/network.ts';
import type { ServerSet } from '../../../../api/v1/serverset.ts';
import type { Task, TaskPhase, TaskStatus } from '../../../../api/v1/task.ts';
import { isDead, isReady } from '../../../../api/v1/task.ts';
import { revisionDraft, taskDraft } from '../../../../controllers/job/drafts.ts';
import type { JobState, Plan } from '../../../../controllers/job/plan-parts.ts';
import { planJob } from '../../../../controllers/job/plan.ts';

export const start = Date.UTC(2026, 0, 1);

export function template(version: string): JobSpec['template'] {
  return {
    spec: {
      containers: [
        {
          name: 'web',
          script: `exec web ${version}`,
          resources: { requests: { cpu: '100m', memory: '64Mi' } },
        },
      ],
    },
  };
}

export function jobOf(spec: Partial<JobSpec> = {}): Job {
  return {
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Job',
    metadata: {
      name: 'web',
      namespace: 'prod',
      uid: 'uid-of-web',
      resourceVersion: '1',
      generation: 1,
      creationTimestamp: iso(start),
      finalizers: [tasksFinalizer],
    },
    spec: { replicas: 3, template: template('1'), ...spec },
  };
}

export function iso(time: number): string {
  return new Date(time).toISOString();
}

/**
 * A Job and all that there is about it, without a store: a plan is carried out at once and in full, or
 * up to some write. Its other methods are what the scheduler and Mesos would do.
 */
export class World {
  job: Job;
  tasks: Task[] = [];
  revisions: JobRevision[] = [];
  serverSets: ServerSet[] = [];
  replacingHeld = false;
  /** Agents that go into maintenance. */
  readonly leaving = new Set<string>();
  /** For how long each Task has been known to be unreachable, by its uid. */
  readonly outOfSight = new Map<string, number>();
  networks = new Map<string, Network>();
  labels: Record<string, string> = {};
  now = start;
  readonly created: string[] = [];
  #count = 0;

  constructor(spec: Partial<JobSpec> = {}) {
    this.job = jobOf(spec);
  }

  state(): JobState {
    const { job, tasks, revisions, serverSets, replacingHeld, now } = this;
    const offers = { networks: this.networks, namespace: { name: 'prod', labels: this.labels } };
    const outOfSightMs = ({ metadata: { uid } }: Task): number => this.outOfSight.get(uid) ?? 0;
    const isLeaving = ({ status }: Task): boolean => this.leaving.has(status?.mesos?.agentId ?? '');
    const seen = { isLeaving, replacingHeld, outOfSightMs };
    return { job, tasks, revisions, serverSets, offers, ...seen, now };
  }

  plan(): Plan {
    return planJob(this.state());
  }

  /** Plans, and carries out the first `writes` of what was planned. */
  reconcile(writes = Infinity): Plan {
    const plan = this.plan();
    let left = writes;
    const each = <T>(items: readonly T[], write: (item: T) => void): void => {
      for (const item of items) if (left-- > 0) write(item);
    };
    const { revision } = plan;
    each(revision?.create === true ? [revision.current] : [], (current) => {
      this.revisions.push(this.#stored(revisionDraft(this.job, current)));
    });
    each(revision?.renumber === undefined ? [] : [revision.renumber], (old) => {
      const spec = { ...old.spec, revision: revision?.current.number ?? 0 };
      this.revisions = this.revisions.map((other) => (other === old ? { ...old, spec } : other));
    });
    each(plan.stop, ({ task, stop }) => this.#change(task, { spec: { ...task.spec, stop } }));
    each(plan.start, (wanted) => {
      const name = `web-${wanted.instance}-${++this.#count}`;
      this.created.push(name);
      const draft = taskDraft(this.job, wanted, { name, revision: revision?.current.name ?? '' });
      this.tasks.push(this.#stored(draft));
    });
    each(plan.prune.tasks, (task) => this.deleteTask(task));
    each(plan.release, (task) => this.#remove(task));
    each(plan.prune.revisions, (old) => {
      this.revisions = this.revisions.filter((other) => other !== old);
    });
    if (plan.expire) {
      each([this.job], () => this.delete());
      return plan;
    }
    each([plan.status], (status) => {
      this.job = { ...this.job, status };
    });
    return plan;
  }

  /** As the store does it: what the Job holds stays until it is released. */
  deleteTask(task: Task): void {
    if (isDead(task) && !hasFinalizer(task, trackingFinalizer)) this.#remove(task);
    else {
      const metadata = { ...task.metadata, deletionTimestamp: iso(this.now) };
      this.#change(task, { metadata });
    }
  }

  edit(spec: Partial<JobSpec>): void {
    const generation = (this.job.metadata.generation ?? 0) + 1;
    this.job = {
      ...this.job,
      metadata: { ...this.job.metadata, generation },
      spec: { ...this.job.spec, ...spec },
    };
  }

  delete(finalizers = this.job.metadata.finalizers ?? []): void {
    const metadata = { ...this.job.metadata, deletionTimestamp: iso(this.now), finalizers };
    this.job = { ...this.job, metadata };
  }

  live(): Task[] {
    return this.tasks.filter((task) => !isDead(task));
  }

  of(instance: number): Task[] {
    return this.tasks.filter(({ spec }) => spec.instance === instance);
  }

  liveOf(instance: number): Task[] {
    return this.live().filter(({ spec }) => spec.instance === instance);
  }

  set(task: Task, phase: TaskPhase, isReady: boolean, rest: Partial<TaskStatus> = {}): void {
    const ready = this.#condition(task, 'Ready', isReady ? 'True' : 'False');
    this.#change(task, { status: { ...task.status, phase, conditions: [ready], ...rest } });
  }

  run(task: Task, isReady = true): void {
    this.set(task, 'Running', isReady, {
      startTime: task.status?.startTime ?? iso(this.now),
      unreachableTime: undefined,
    });
  }

  lose(task: Task): void {
    this.set(task, 'Unreachable', false, { unreachableTime: iso(this.now) });
  }

  die(task: Task, phase: 'Failed' | 'Killed' | 'Finished' = 'Failed', message = ''): void {
    this.end(task, phase, { message });
  }

  /** As Mesos says it. */
  end(task: Task, phase: TaskPhase, said: Omit<NonNullable<TaskStatus['mesos']>, 'taskId'>): void {
    const taskId = `prod.${task.metadata.name}`;
    this.set(task, phase, false, { finishTime: iso(this.now), mesos: { taskId, ...said } });
  }

  /** Everything that is asked for happens: what is to stop stops, what is to run runs and is Ready. */
  obey(): void {
    for (const task of this.live()) {
      if (task.spec.stop !== undefined) this.die(task, 'Killed');
      else if (!serves(task)) this.run(task);
    }
  }

  /** Reconciles and obeys until a plan wants nothing; returns the rounds that took. */
  settle(limit = 200): number {
    for (let round = 1; round <= limit; round += 1) {
      const plan = this.reconcile();
      const isCalm = (task: Task): boolean => task.spec.stop === undefined && serves(task);
      const isReadyNow = isConditionTrue(plan.status.conditions, 'Ready');
      if (isQuiet(plan) && isReadyNow && this.live().every(isCalm)) return round;
      this.obey();
      this.now = Math.max(this.now + 1000, Math.min(plan.wakeAt ?? 0, this.now + 600_000));
    }
    throw new Error(`not quiet after ${limit} rounds`);
  }

  #remove({ metadata: { name } }: Task): void {
    this.tasks = this.tasks.filter((other) => other.metadata.name !== name);
  }

  #condition(task: Task, type: string, status: Condition['status']): Condition {
    const before = task.status?.conditions?.find((condition) => condition.type === type);
    const lastTransitionTime =
      before?.status === status ? before.lastTransitionTime : iso(this.now);
    return { type, status, reason: 'Test', message: '', lastTransitionTime };
  }

  #stored<T extends KubeObject>(draft: Draft<T>): T {
    const { name } = draft.metadata;
    const metadata = {
      ...draft.metadata,
      uid: `uid-of-${name ?? ''}`,
      resourceVersion: '1',
      creationTimestamp: iso(Math.floor(this.now / 1000) * 1000),
    };
    return { ...draft, metadata } as unknown as T;
  }

  #change(task: Task, change: Partial<Task>): void {
    const { name } = task.metadata;
    this.tasks = this.tasks.map((other) =>
      other.metadata.name === name ? { ...other, ...change } : other,
    );
  }
}

function serves(task: Task): boolean {
  return task.status?.phase === 'Running' && isReady(task);
}

/** Whether a plan wants nothing written but, perhaps, status. */
export function isQuiet(plan: Plan): boolean {
  return (
    plan.finalizer === 'keep' &&
    plan.adopt.tasks.length + plan.adopt.revisions.length === 0 &&
    plan.revision?.create !== true &&
    plan.revision?.renumber === undefined &&
    plan.serverSet.action === 'none' &&
    plan.stop.length + plan.start.length === 0 &&
    plan.prune.tasks.length + plan.prune.revisions.length === 0 &&
    plan.release.length === 0 &&
    !plan.expire
  );
}

/** A ServerSet as it is stored after a plan has asked for it. */
export function serverSetOf(job: Job, change: Partial<ServerSet['spec']> = {}): ServerSet {
  return {
    apiVersion: 'mesocosm.dev/v1',
    kind: 'ServerSet',
    metadata: {
      name: job.metadata.name,
      namespace: 'prod',
      uid: 'uid-of-set',
      resourceVersion: '1',
      creationTimestamp: iso(start),
      ownerReferences: [controllerReference(job)],
    },
    spec: {
      zkPath: '/aurora/prod/live/web',
      primaryPort: 'http',
      selector: { matchLabels: { 'mesocosm.dev/job': job.metadata.name } },
      family: 'IPv4',
      drainSeconds: 5,
      ...change,
    },
  };
}
