import { ofBatch } from './batch-jobs.ts';
import { lacksAddresses, ofAddresses, ofClaims, ofNetworks } from './convergence-addresses.ts';
import type { Wish } from './jobs.ts';
import { pathOf } from './jobs.ts';
import { foreignBody, type People } from './people.ts';
import type { StoredObject } from './store.ts';
import { namespace } from './user.ts';
import {
  driftOf,
  isDead,
  isMemberPath,
  isTrue,
  isUnwanted,
  jobFacts,
  memberFacts,
  mesosIdsOf,
  phaseOf,
  prefixes,
  type TaskFacts,
} from './views.ts';
import type { World } from './world.ts';

/** What is not yet as people want it; empty once the four truths agree. */
export function differences(world: World, people: People): string[] {
  const tasks = world.store.tasks();
  const running = world.runningTasks();
  // One that is out of sight and does not run may stay so for long: nobody can tell.
  const live = tasks.filter(
    (task) =>
      !isDead(task) &&
      (phaseOf(task) !== 'Unreachable' || mesosIdsOf(task).some((id) => running.has(id))),
  );
  return [
    ...people.wishes().flatMap((wish) => ofJob(world, wish, live)),
    ...people.batches().flatMap((wish) => ofBatch(world, wish, live)),
    ...ofAddresses(world, live),
    ...ofClaims(world, people.wishes()),
    ...ofNetworks(world),
    ...leftOver(world, people),
    ...ofMesos(world, live),
    ...ofMembers(world, people, live),
    ...ofForeign(world, people),
    ...ofDrift(world, people),
  ];
}

function ofJob(world: World, wish: Wish, live: readonly TaskFacts[]): string[] {
  const stored = world.store.get(`${prefixes.jobs}${namespace}/${wish.name}`);
  if (stored === undefined) return [`job ${wish.name} is not stored`];
  const job = jobFacts(stored);
  const { generation, deletionTimestamp } = job.metadata;
  if (deletionTimestamp !== undefined) return [`job ${wish.name} is still being deleted`];
  const found: string[] = [];
  const ours = live.filter(({ spec }) => spec.job === wish.name);
  // Its rollout may wait for ever for what others have, or for what its plugins never give.
  const held = ours.some((task) => lacksAddresses(world, task));
  for (let instance = 0; instance < wish.replicas; instance += 1) {
    const runs = ours.filter(({ spec }) => spec.instance === instance);
    const [run] = runs;
    if (run === undefined || runs.length > 1) {
      found.push(`${wish.name}/${instance} has ${runs.length} live tasks`);
    } else if (held && !isUnwanted(run)) {
      continue;
    } else if (phaseOf(run) !== 'Running' || !isTrue(run, 'Ready') || isUnwanted(run)) {
      found.push(`${run.metadata.name} is ${phaseOf(run)}, not ready`);
    } else if (versionOf(run) !== String(wish.version)) {
      found.push(`${run.metadata.name} is of version ${versionOf(run)}, not ${wish.version}`);
    }
  }
  const surplus = ours.filter(({ spec }) => spec.instance >= wish.replicas);
  found.push(...surplus.map(({ metadata }) => `${metadata.name} is one too many`));
  if (job.status?.observedGeneration !== generation) found.push(`${wish.name} is not observed`);
  if (!held && !isTrue(job, 'Ready')) found.push(`${wish.name} does not say that it is ready`);
  return found;
}

function versionOf(task: TaskFacts): string {
  const env = task.spec.containers[0]?.['env'];
  if (!Array.isArray(env)) return '';
  const first: unknown = env[0];
  return typeof first === 'object' && first !== null && 'value' in first ? String(first.value) : '';
}

/** Objects of Jobs that nobody wants any more. */
function leftOver(world: World, people: People): string[] {
  const wanted = new Set([...people.wishes(), ...people.batches()].map(({ name }) => name));
  const published = people.wishes().filter((wish) => wish.path !== undefined);
  const sets = new Set(published.map(({ name }) => name));
  const jobs = [...world.store.list(prefixes.jobs)].map(([, { metadata }]) => metadata.name);
  const uids = new Set(
    [...world.store.list(prefixes.jobs)].map(([, { metadata }]) => metadata.uid),
  );
  const orphans = [prefixes.tasks, prefixes.revisions, prefixes.serverSets].flatMap((prefix) =>
    [...world.store.list(prefix)].filter(
      ([, object]) => !ownersOf(object).some((uid) => uids.has(uid)),
    ),
  );
  const unwantedSets = [...world.store.list(prefixes.serverSets)].filter(
    ([, { metadata }]) => !sets.has(metadata.name),
  );
  return [
    ...jobs.filter((name) => !wanted.has(name)).map((name) => `job ${name} is left over`),
    ...[...orphans, ...unwantedSets].map(([key]) => `${key} is left over`),
  ];
}

function ownersOf({ metadata }: StoredObject): string[] {
  return (metadata.ownerReferences ?? []).map(({ uid }) => uid);
}

function ofMesos(world: World, live: readonly TaskFacts[]): string[] {
  const running = world.runningTasks();
  const known = new Set(
    live
      .filter((task) => task.status?.mesos !== undefined || !lacksAddresses(world, task))
      .flatMap(mesosIdsOf),
  );
  return [
    ...[...running].filter((id) => !known.has(id)).map((id) => `${id} runs, and nobody wants it`),
    ...[...known].filter((id) => !running.has(id)).map((id) => `${id} does not run`),
  ];
}

function ofMembers(world: World, people: People, live: readonly TaskFacts[]): string[] {
  const { tree } = world.ensemble;
  const expected = new Map<string, string>();
  const former = new Map<string, readonly string[]>();
  for (const wish of people.wishes()) {
    const path = pathOf(wish);
    if (path === undefined) continue;
    for (const task of live) {
      if (task.spec.job !== wish.name || !isTrue(task, 'Ready') || isUnwanted(task)) continue;
      const host = hostOf(task, wish);
      const key = `${path} ${task.metadata.uid}`;
      const said = (each: string): string => `ALIVE ${each} shard ${task.spec.instance}`;
      // Its rollout is held up, and it has no address where the set now wants one: what was published stays.
      if (host === undefined) former.set(task.metadata.uid, hostsOf(task).map(said));
      else expected.set(key, said(host));
    }
  }
  const found: string[] = [];
  for (const node of tree.paths()) {
    const member = isMemberPath(node) ? memberFacts(tree.get(node)!.data) : undefined;
    if (member === undefined) continue;
    const key = `${node.slice(0, node.lastIndexOf('/'))} ${member.task}`;
    const actual = `${member.status} ${member.host} shard ${member.shard ?? '-'}`;
    if (former.get(member.task)?.includes(actual) === true) continue;
    if (expected.get(key) !== actual)
      found.push(`${node} is ${actual}, not ${expected.get(key) ?? 'wanted'}`);
    expected.delete(key);
  }
  return [...found, ...[...expected.keys()].map((key) => `no member: ${key}`)];
}

/** Undefined for a task of another template, which has not joined the network of the set. */
function hostOf({ spec, status }: TaskFacts, wish: Wish): string | undefined {
  const [chosen] = wish.networks;
  if (chosen !== undefined) {
    return status?.networks.find(({ name }) => name === chosen.name)?.ips[0];
  }
  const host = status?.mesos?.['agentHostname'];
  return spec.networks.length === 0 && typeof host === 'string' ? host : undefined;
}

/** Where a task that is to be replaced can be reached. */
function hostsOf({ spec, status }: TaskFacts): string[] {
  const host = status?.mesos?.['agentHostname'];
  if (spec.networks.length === 0) return typeof host === 'string' ? [host] : [];
  return status?.networks.flatMap(({ ips }) => ips) ?? [];
}

function ofForeign(world: World, people: People): string[] {
  return [...people.foreign].flatMap((path) => {
    const data = world.ensemble.tree.get(path)?.data.toString('utf8');
    return data === foreignBody ? [] : [`foreign node ${path} was touched`];
  });
}

/** What we did ourselves is no change by others, whatever answers were lost. */
function ofDrift(world: World, people: People): string[] {
  const sets = [...world.store.list(prefixes.serverSets)].map(([, object]) => driftOf(object));
  const mended = sets.reduce((sum, count) => sum + count, 0);
  return mended > people.edits
    ? [`ServerSets tell of ${mended} changes by others, and there were ${people.edits}`]
    : [];
}
