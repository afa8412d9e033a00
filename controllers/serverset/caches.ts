import { objectKey } from '../../api/machinery/metadata.ts';
import { requirementsOf, matches } from '../../api/machinery/selectors.ts';
import { jobLabel } from '../../api/v1/job.ts';
import type { ServerSet } from '../../api/v1/serverset.ts';
import type { NetworkStatus, Task } from '../../api/v1/task.ts';
import { isDead, phaseOf } from '../../api/v1/task.ts';
import type { Informer } from '../runtime/informer.ts';
import { isMarked, onlyJobOf } from './desired.ts';
import { claimedPaths } from './paths.ts';
import { markedPaths } from './task-marks.ts';

/** What the loop reads. Its informers must have the indexers below. */
export interface ServerSetCaches {
  tasks: Informer<Task>;
  serverSets: Informer<ServerSet>;
}

const byNamespace = 'serverset/namespace';
const byJob = 'serverset/job';
const byUid = 'serverset/uid';
const byAddress = 'serverset/address';
const byMark = 'serverset/marked';
const byPath = 'serverset/path';
const byScope = 'serverset/scope';

const marked = 'marked';

export const taskIndexers = {
  [byNamespace]: (task: Task) => [task.metadata.namespace ?? ''],
  [byJob]: (task: Task) => {
    const job = task.metadata.labels?.[jobLabel];
    return job === undefined ? [] : [scopeOf(task.metadata.namespace, job)];
  },
  [byUid]: (task: Task) => [task.metadata.uid],
  [byAddress]: (task: Task) => (isDead(task) ? [] : addressesOf(task)),
  /** Live tasks that may have members. */
  [byMark]: (task: Task) => (isMarked(task) && !isDead(task) ? [marked] : []),
};

export const serverSetIndexers = {
  /** The paths that it publishes on, or wants to. */
  [byPath]: claimedPaths,
  /** The Job that it is about; the whole namespace if its selector names none. */
  [byScope]: ({ metadata, spec }: ServerSet) => [
    scopeOf(metadata.namespace, onlyJobOf(spec.selector)),
  ],
};

function scopeOf(namespace: string | undefined, job: string | undefined): string {
  return `${namespace ?? ''}/${job ?? '*'}`;
}

/** Addresses that a task in sight has: `<network>|<ip>`, `<agent>|<port>` on the network of its agent. */
function addressesOf(task: Task): string[] {
  if (phaseOf(task) === 'Unreachable') return [];
  return [...ipsOf(task.status?.networks), ...agentPortsOf(task)];
}

function ipsOf(networks: readonly NetworkStatus[] = []): string[] {
  return networks.flatMap(({ name, ips }) => ips.map((ip) => `${name}|${ip}`));
}

function agentPortsOf({ status }: Task): string[] {
  const host = status?.mesos?.agentHostname;
  if (host === undefined) return [];
  return (status?.ports ?? []).map(({ hostPort }) => `${host}|${hostPort}`);
}

/** Answers the loop's questions from the caches, each from an index. */
export class ServerSetLookup {
  readonly #caches: ServerSetCaches;

  constructor(caches: ServerSetCaches) {
    this.#caches = caches;
  }

  taskOf(uid: string): Task | undefined {
    return this.#caches.tasks.byIndex(byUid, uid)[0];
  }

  /** Tasks among which those of the set are. */
  candidates({ metadata: { namespace }, spec }: ServerSet): readonly Task[] {
    const { tasks } = this.#caches;
    const job = onlyJobOf(spec.selector);
    return job === undefined
      ? tasks.byIndex(byNamespace, namespace ?? '')
      : tasks.byIndex(byJob, scopeOf(namespace, job));
  }

  /** Live tasks that may have members, over the cluster. */
  publishedTasks(): readonly Task[] {
    return this.#caches.tasks.byIndex(byMark, marked);
  }

  /** Whether another live task that is in sight has an address that `task` had. */
  isAddressReused(task: Task): boolean {
    const known = task.status?.lastKnown?.networks ?? task.status?.networks;
    const addresses = [...ipsOf(known), ...agentPortsOf(task)];
    return addresses.some((address) =>
      this.#caches.tasks
        .byIndex(byAddress, address)
        .some(({ metadata }) => metadata.uid !== task.metadata.uid),
    );
  }

  setsOn(path: string): readonly ServerSet[] {
    return this.#caches.serverSets.byIndex(byPath, path);
  }

  setsSelecting({ metadata: { namespace, labels } }: Task): readonly ServerSet[] {
    const { serverSets } = this.#caches;
    const job = labels?.[jobLabel];
    const scoped = job === undefined ? [] : serverSets.byIndex(byScope, scopeOf(namespace, job));
    const wide = serverSets.byIndex(byScope, scopeOf(namespace, undefined));
    return [...scoped, ...wide].filter(({ spec }) =>
      matches(requirementsOf(spec.selector), labels),
    );
  }

  /** Keys of the sets that have to do with a Task: they select it, or it may be on a path of theirs. */
  keysAbout(task: Task): Set<string> {
    const sets = [
      ...this.setsSelecting(task),
      ...markedPaths(task).flatMap((path) => this.setsOn(path)),
    ];
    return new Set(sets.map(({ metadata }) => objectKey(metadata)));
  }
}
