import type { Client } from '../../../api/client/client.ts';
import { sleep, type Clock } from '../../../api/machinery/clock.ts';
import type { KubeObject } from '../../../api/machinery/metadata.ts';
import type { FrameworkDrift, JobDrift } from '../../../api/v1/drift.ts';
import { frameworkResource, type Framework } from '../../../api/v1/framework.ts';
import { jobLabel, jobResource } from '../../../api/v1/job.ts';
import { serverSetResource, type ServerSet } from '../../../api/v1/serverset.ts';
import { taskResource, type Task } from '../../../api/v1/task.ts';
import { concurrently } from '../../runtime/concurrently.ts';
import { onlyJobOf } from '../../serverset/desired.ts';
import { compareFramework, compareJob } from './compare.ts';
import { placesOf, setsAbout } from './members.ts';
import { masterTasks, tasksOfJob, type Observed, type Reading, type Stored } from './observed.ts';
import { agentToAsk } from './run.ts';
import type { DriftSources } from './sources.ts';

export interface InspectorOptions {
  /** May read everything; who asks was authorised before. */
  client: Client;
  sources: DriftSources;
  clusterName: string;
  clock: Clock;
}

/** Milliseconds that an answer of Mesos may be old, so that asking about many Jobs costs it little. */
const maxAgeMs = 1_000;
/** Before drift is believed, all is read anew after so many milliseconds. */
const secondLookMs = 500;
const agentsAtOnce = 4;
const pathsAtOnce = 4;

/** Reads the four truths and compares them. */
export class DriftInspector {
  readonly #options: InspectorOptions;

  constructor(options: InspectorOptions) {
    this.#options = options;
  }

  /** Rejects with ApiError NotFound if there is no such Job. */
  job(ref: { namespace: string; name: string }, signal: AbortSignal): Promise<JobDrift> {
    return this.#twice(signal, (ageMs) => this.#lookAtJob(ref, ageMs));
  }

  framework(name: string, signal: AbortSignal): Promise<FrameworkDrift> {
    return this.#twice(signal, (ageMs) => this.#lookAtFramework(name, ageMs));
  }

  /** Truths that are read one after the other differ for a moment: drift is what a second look still shows. */
  async #twice<T extends { verdict: string }>(
    signal: AbortSignal,
    look: (ageMs: number) => Promise<T>,
  ): Promise<T> {
    const first = await look(maxAgeMs);
    if (first.verdict !== 'Drift') return first;
    await sleep(this.#options.clock, secondLookMs, signal);
    return look(0);
  }

  async #lookAtJob(ref: { namespace: string; name: string }, ageMs: number): Promise<JobDrift> {
    const { client, clock, clusterName } = this.#options;
    const before = await this.#read(ref);
    const own = tasksOfJob(before.tasks, ref);
    const observed = await this.#observe(
      before,
      own,
      setsAbout(ref, own, before.serverSets),
      ageMs,
    );
    const stored = since(before, await this.#read(ref));
    const job = await client.of(jobResource).get(ref);
    const context = { clusterName, now: clock.now() };
    return {
      apiVersion: 'mesocosm.dev/v1',
      kind: 'JobDrift',
      metadata: identityOf(job),
      ...compareJob(job, stored, observed, context),
    };
  }

  async #lookAtFramework(name: string, ageMs: number): Promise<FrameworkDrift> {
    const { client, clock, clusterName } = this.#options;
    const before = await this.#read();
    const { items: jobs } = await client.of(jobResource).list();
    const existing = new Set(jobs.map(({ metadata }) => keyOf(metadata.namespace, metadata.name)));
    const sets = before.serverSets.filter(({ metadata, spec }) => {
      const only = onlyJobOf(spec.selector);
      return only === undefined || !existing.has(keyOf(metadata.namespace, only));
    });
    const observed = await this.#observe(before, [], sets, ageMs);
    const stored = since(before, await this.#read());
    const framework = await client.of(frameworkResource).get({ name });
    const context = { clusterName, now: clock.now() };
    return {
      apiVersion: 'mesocosm.dev/v1',
      kind: 'FrameworkDrift',
      metadata: identityOf(framework),
      ...compareFramework(jobs, sets, stored, observed, context),
    };
  }

  /** What etcd holds that may be about a Job; about all without one. */
  async #read(job?: { namespace: string; name: string }): Promise<Snapshot> {
    const { client } = this.#options;
    const { items: serverSets } = await client.of(serverSetResource).list();
    const { items: frameworks } = await client.of(frameworkResource).list();
    // A set that selects over several Jobs may publish any task of the namespace.
    const isWide = serverSets.some(
      ({ metadata, spec }) =>
        metadata.namespace === job?.namespace && onlyJobOf(spec.selector) === undefined,
    );
    const { items: tasks } = await client.of(taskResource).list({
      ...(job === undefined ? {} : { namespace: job.namespace }),
      ...(job === undefined || isWide ? {} : { labelSelector: `${jobLabel}=${job.name}` }),
    });
    return { tasks, serverSets, frameworks };
  }

  async #observe(
    stored: Snapshot,
    tasks: readonly Task[],
    sets: readonly ServerSet[],
    ageMs: number,
  ): Promise<Observed> {
    const { sources } = this.#options;
    const answer = await sources.tasks(ageMs);
    const master: Observed['master'] =
      'problem' in answer ? answer : { value: masterTasks(answer.value, frameworkIdsOf(stored)) };
    const asked = new Map(
      tasks.flatMap((task) => {
        const agent = agentToAsk(task);
        return agent === undefined ? [] : [[agent.id, agent] as const];
      }),
    );
    const agents = await readings([...asked], agentsAtOnce, ([, agent]) =>
      sources.containers(agent, ageMs),
    );
    const wanted = new Set(sets.flatMap((set) => placesOf(set, stored.serverSets)).map(pathOf));
    const paths = await readings([...wanted].sort(), pathsAtOnce, (path) => sources.members(path));
    return {
      master,
      agents: new Map([...agents].map(([[id], reading]) => [id, reading])),
      paths,
    };
  }
}

interface Snapshot {
  tasks: readonly Task[];
  serverSets: readonly ServerSet[];
  frameworks: readonly Framework[];
}

/** What is stored after the others were read; it includes Tasks that vanished meanwhile. */
function since(before: Snapshot, after: Snapshot): Stored {
  const versions = new Map(
    [...before.tasks, ...before.serverSets].map(({ metadata }) => [
      metadata.uid,
      metadata.resourceVersion,
    ]),
  );
  const present = new Set(after.tasks.map(({ metadata }) => metadata.uid));
  const vanished = before.tasks.filter(({ metadata }) => !present.has(metadata.uid));
  const changed = [...after.tasks, ...after.serverSets].filter(
    ({ metadata }) => versions.get(metadata.uid) !== metadata.resourceVersion,
  );
  return {
    tasks: [...after.tasks, ...vanished],
    serverSets: after.serverSets,
    frameworkIds: frameworkIdsOf(after),
    changed: new Set([...changed, ...vanished].map(({ metadata }) => metadata.uid)),
  };
}

/** The one that we registered with, and those that live Tasks were launched under. */
function frameworkIdsOf({ frameworks, tasks }: Snapshot): Set<string> {
  const ids = [
    ...frameworks.map(({ status }) => status?.id),
    ...tasks.map(({ status }) => status?.mesos?.frameworkId),
  ];
  return new Set(ids.filter((id) => id !== undefined));
}

async function readings<K, T>(
  keys: readonly K[],
  limit: number,
  read: (key: K) => Promise<Reading<T>>,
): Promise<Map<K, Reading<T>>> {
  const found = new Map<K, Reading<T>>();
  await concurrently(keys, limit, async (key) => {
    found.set(key, await read(key));
  });
  // In the order of the keys, whoever answered first.
  return new Map(
    keys.flatMap((key) => {
      const reading = found.get(key);
      return reading === undefined ? [] : [[key, reading] as const];
    }),
  );
}

function pathOf({ path }: { path: string }): string {
  return path;
}

function keyOf(namespace: string | undefined, name: string): string {
  return `${namespace ?? ''}/${name}`;
}

function identityOf({ metadata }: KubeObject): JobDrift['metadata'] {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = metadata;
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    uid,
    resourceVersion,
    creationTimestamp,
  };
}
