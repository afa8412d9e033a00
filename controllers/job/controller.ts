import { jsonEqual } from '../../api/machinery/json.ts';
import { objectKey } from '../../api/machinery/metadata.ts';
import { leavingFrom } from '../../api/v1/agent.ts';
import { frameworkResource, isReplacingHeld } from '../../api/v1/framework.ts';
import type { Job } from '../../api/v1/job.ts';
import type { Task } from '../../api/v1/task.ts';
import type { ControllerObserver, Result } from '../runtime/controller.ts';
import { Controller } from '../runtime/controller.ts';
import type { Change } from '../runtime/object-store.ts';
import { jobKeyOfLabel, jobKeyOfTask, stateOf } from './caches.ts';
import { isMissed } from './instances.ts';
import { cachedOffers, concernsJob, currentOffers } from './networks.ts';
import type { Plan } from './plan-parts.ts';
import { OutOfSight } from './out-of-sight.ts';
import { planJob } from './plan.ts';
import type { JobWriterOptions } from './writer.ts';
import { JobWriter } from './writer.ts';

export interface JobControllerOptions extends JobWriterOptions {
  /** Jobs worked on at the same time; 4 if absent. */
  concurrency?: number;
  observer?: ControllerObserver;
}

/** Changes of Tasks within this time are planned for together. */
const taskWindowMs = 50;
/** A plan may take at most one part in this many of the time, however many Tasks change. */
const planShare = 10;
/** When a cache should long have shown our own write, look whether it has. */
const barrierCheckMs = 1000;
/** When the cache should long have shown that replacing is held, look whether it has. */
const heldCheckMs = 1000;

/** The loop that turns Jobs into Tasks: reconcile = write(plan(what the caches show)). */
export function createJobController(options: JobControllerOptions): Controller {
  const { caches, clock, logger, observer } = options;
  const writer = new JobWriter(options);
  const outOfSight = new OutOfSight(clock);
  let planMs = 0;

  const reconcile = async (key: string): Promise<Result> => {
    const job = caches.jobs.get(key);
    if (job === undefined) {
      await writer.releaseLeftOver(key, caches.tasks.byIndex('job', key));
      writer.forget(key);
      return {};
    }
    if (!writer.isSeen(key)) return { requeueAfterMs: barrierCheckMs };
    const offers = await currentOffers(options.client, caches, job);
    const began = clock.monotonic();
    const plan = planJob(stateOf(caches, job, { offers, outOfSight }, clock.now()));
    planMs = clock.monotonic() - began;
    if (replacesMissed(plan) && (await isHeldInStore(options))) {
      return { requeueAfterMs: heldCheckMs };
    }
    const putOffMs = await writer.apply(job, plan);
    return { requeueAfterMs: soonest(putOffMs, plan.wakeAt, clock.now()) };
  };

  const controller = new Controller({
    name: 'job',
    reconcile,
    waitFor: Object.values(caches),
    clock,
    logger,
    concurrency: options.concurrency ?? 4,
    ...(observer === undefined ? {} : { observer }),
  });
  const later = (key: string): void =>
    controller.enqueueAfter(key, Math.max(taskWindowMs, planMs * planShare));
  caches.jobs.onChange(({ object }) => controller.enqueue(objectKey(object.metadata)));
  caches.tasks.onChange((change: Change<Task>) => {
    const { type, object } = change;
    outOfSight.observe(change);
    if (type === 'deleted') writer.taskGone(object);
    later(jobKeyOfTask(object));
  });
  caches.revisions.onChange(({ object }) => {
    const key = jobKeyOfLabel(object);
    if (key !== undefined) later(key);
  });
  // The ServerSet of a Job has its name, whether it is owned or stands in the way.
  caches.serverSets.onChange(({ object }) => later(objectKey(object.metadata)));
  const everyJob = (afterMs = 0): void => {
    for (const { metadata } of caches.jobs.list()) {
      controller.enqueueAfter(objectKey(metadata), afterMs);
    }
  };
  caches.agents.onChange((change) => {
    const before = change.type === 'applied' ? change.previous : undefined;
    const maintenance = change.object.status?.unavailability;
    if (jsonEqual(before?.status?.unavailability, maintenance)) return;
    everyJob(maintenance === undefined ? 0 : Math.max(0, leavingFrom(maintenance) - clock.now()));
  });
  caches.frameworks.onChange((change) => {
    const before = change.type === 'applied' ? change.previous : change.object;
    const after = change.type === 'applied' ? change.object : undefined;
    if (isReplacingHeld(before) === isReplacingHeld(after)) return;
    everyJob();
  });
  const reviewOffers = (jobs: readonly Job[]): void => {
    for (const job of jobs) {
      if (concernsJob(job, cachedOffers(caches, job))) later(objectKey(job.metadata));
    }
  };
  caches.networks.onChange(({ object: { metadata } }) =>
    reviewOffers(caches.jobs.byIndex('network', metadata.name)),
  );
  caches.namespaces.onChange((change) => {
    const { name, labels } = change.object.metadata;
    const before = change.type === 'applied' ? change.previous?.metadata.labels : undefined;
    if (!jsonEqual(before, labels)) reviewOffers(caches.jobs.byIndex('networked', name));
  });
  return controller;
}

function replacesMissed({ start }: Plan): boolean {
  return start.some(({ previous }) => previous !== undefined && isMissed(previous));
}

/** The Framework says so before the first loss is stored; its cache may lag behind that of Tasks. */
async function isHeldInStore({ client }: JobControllerOptions): Promise<boolean> {
  const { items } = await client.of(frameworkResource).list({});
  return items.some(isReplacingHeld);
}

/** Timers take no more than 24 days; looking again once a day costs nothing. */
const longestWaitMs = 24 * 3600 * 1000;

/** At least 10 ms: clocks round, and planning a moment too early would spin. */
function soonest(
  putOffMs: number | undefined,
  wakeAt: number | undefined,
  now: number,
): number | undefined {
  const waits = [putOffMs, wakeAt === undefined ? undefined : wakeAt - now];
  const known = waits.filter((wait) => wait !== undefined);
  return known.length === 0 ? undefined : Math.max(10, Math.min(longestWaitMs, ...known));
}
