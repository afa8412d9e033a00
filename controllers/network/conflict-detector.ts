import type { Logger } from 'pino';
import type { Client } from '../../api/client/client.ts';
import { timestamp, type Clock } from '../../api/machinery/clock.ts';
import { isConditionTrue, setCondition } from '../../api/machinery/conditions.ts';
import { jsonEqual } from '../../api/machinery/json.ts';
import { objectKey } from '../../api/machinery/metadata.ts';
import type { Network } from '../../api/v1/network.ts';
import { addressConflictCondition, taskResource, type Task } from '../../api/v1/task.ts';
import { Controller } from '../runtime/controller.ts';
import type { EventRecorder } from '../runtime/event-recorder.ts';
import type { Informer } from '../runtime/informer.ts';
import { AddressBook } from './address-book.ts';
import { conflictSaid, conflictsOf, heldAddresses, type ScopeOf } from './conflicts.ts';

export interface ConflictDetectorOptions {
  /** Fenced: every write is refused once somebody else leads. */
  client: Client;
  caches: { tasks: Informer<Task>; networks: Informer<Network> };
  events: Pick<EventRecorder, 'record'>;
  clock: Clock;
  logger: Logger;
}

export interface ConflictDetector {
  controller: Controller;
  /** Addresses that several live tasks have at the moment, by CNI network. */
  duplicates: () => ReadonlyMap<string, number>;
}

/**
 * Two tasks may be seen with one address while the end of the first is on its way to us: what is over
 * after this time is not told.
 */
const settlesMs = 2_000;

/**
 * Tells of every address that two live tasks have on one network: an Event and a condition on each. A
 * Task that changes costs a look at its own addresses only. It decides nothing: nobody can tell which of
 * the two is right, and taking both out of service would turn a faulty IPAM into an outage.
 */
export function createConflictDetector(options: ConflictDetectorOptions): ConflictDetector {
  const { caches, clock, logger } = options;
  const { tasks, networks } = caches;
  const book = new AddressBook();
  const scopes = new Map<string, ReturnType<ScopeOf>>();
  const scopeOf: ScopeOf = (network) => scopes.get(network) ?? 'Cluster';
  const controller = new Controller({
    name: 'address-conflicts',
    waitFor: Object.values(caches),
    clock,
    logger,
    concurrency: 4,
    reconcile: async (key) => {
      const task = tasks.get(key);
      const holdersOf = (address: string): Task[] =>
        book.holdersOf(address).flatMap((holder) => tasks.get(holder) ?? []);
      if (task !== undefined) await tell(options, task, scopeOf, holdersOf);
      return {};
    },
  });
  const look = (task: Task, isThere: boolean): void => {
    const key = objectKey(task.metadata);
    const addresses = isThere ? heldAddresses(task, scopeOf).map((held) => held.key) : [];
    const before = new Map(book.addressesOf(key).map((held) => [held, book.holdersOf(held)]));
    for (const address of book.set(key, addresses)) {
      const holders = new Set([...(before.get(address) ?? []), ...book.holdersOf(address)]);
      if (holders.size < 2) continue;
      for (const holder of holders) controller.enqueueAfter(holder, settlesMs);
    }
  };
  tasks.onChange((change) => {
    look(change.object, change.type === 'applied');
    // A leader before may have left it so.
    const isNew = change.type === 'applied' && change.previous === undefined;
    if (isNew && isSaid(change.object)) {
      controller.enqueueAfter(objectKey(change.object.metadata), settlesMs);
    }
  });
  networks.onChange(({ type, object: { metadata, spec } }) => {
    // Tasks stay on a Network that was deleted, so what it said goes on to hold.
    const scope = spec.addressScope ?? 'Cluster';
    if (type === 'deleted' || scopeOf(metadata.name) === scope) return;
    scopes.set(metadata.name, scope);
    for (const task of tasks.list()) look(task, true);
  });
  return { controller, duplicates: () => countByNetwork(book.shared) };
}

function isSaid({ status }: Task): boolean {
  return isConditionTrue(status?.conditions, addressConflictCondition);
}

/** A key begins with the CNI network: the addresses after it have no blanks. */
function countByNetwork(keys: Iterable<string>): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const key of keys) {
    const network = key.slice(0, key.lastIndexOf(' '));
    counts.set(network, (counts.get(network) ?? 0) + 1);
  }
  return counts;
}

async function tell(
  { client, events, clock, logger }: ConflictDetectorOptions,
  task: Task,
  scopeOf: ScopeOf,
  holdersOf: (address: string) => readonly Task[],
): Promise<void> {
  const said = conflictSaid(task, conflictsOf(task, scopeOf, holdersOf));
  if (task.status === undefined || said === undefined) return;
  const conditions = setCondition(task.status.conditions, said, timestamp(clock));
  if (jsonEqual(conditions, task.status.conditions)) return;
  const status = { ...task.status, conditions };
  const written = await client.of(taskResource).updateStatus({ ...task, status });
  if (said.status !== 'True') return;
  const { namespace = '', name } = task.metadata;
  logger.warn({ task: `${namespace}/${name}` }, said.message);
  events.record(written, 'Warning', said.type, said.message);
}
