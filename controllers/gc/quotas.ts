import type { Logger } from 'pino';
import type { Client } from '../../api/client/client.ts';
import type { Clock } from '../../api/machinery/clock.ts';
import { jsonEqual } from '../../api/machinery/json.ts';
import { objectKey, splitKey, type KubeObject } from '../../api/machinery/metadata.ts';
import type { AnyResource } from '../../api/machinery/resource.ts';
import { recounted } from '../../api/v1/quota-ledger.ts';
import { countedBy, countNamesOf } from '../../api/v1/quota-names.ts';
import { add, countedName, mustBeRead, usageOf, type Usage } from '../../api/v1/quota-usage.ts';
import {
  resourceQuotaResource,
  type Charge,
  type ResourceQuota,
} from '../../api/v1/resource-quota.ts';
import { isDead, taskResource } from '../../api/v1/task.ts';
import { jobResource } from '../../api/v1/job.ts';
import type { Result } from '../runtime/controller.ts';
import { Controller } from '../runtime/controller.ts';
import type { Informer } from '../runtime/informer.ts';
import type { Change } from '../runtime/object-store.ts';
import { untyped, type Caches, type ObjectCache } from './caches.ts';
import type { Kinds } from './kinds.ts';
import { allOf } from './pages.ts';

export interface QuotaControllerOptions {
  /** Fenced: every write is refused once somebody else leads. */
  client: Client;
  quotas: Informer<ResourceQuota>;
  /** Kinds whose changes are heard of at once; others are looked at every so often. */
  caches: Pick<Caches, 'all' | 'onAdd'>;
  kinds: Pick<Kinds, 'find'>;
  clock: Clock;
  logger: Logger;
}

/** Changes that come together are counted together. */
const gatherMs = 250;
/** A write that is under way has this long until somebody looks what became of it. */
const pendingMs = 2_000;
/** Time between two counts of kinds that nobody announces. */
const unannouncedMs = 10_000;
/** Time between two counts of everything: what nobody announced is found then. */
const everythingMs = 5 * 60_000;
/** Far above every deadline of a write: an entry without an outcome has none after it. */
const graceMs = 60_000;

/** Keeps status.used of every ResourceQuota right: what is stored, and what is being written. */
export function createQuotaController(options: QuotaControllerOptions): Controller {
  const { quotas, caches, clock, logger } = options;
  const counter = new Counter(options);
  const controller = new Controller({
    name: 'resource-quota',
    reconcile: (key) => counter.reconcile(key),
    waitFor: [quotas],
    clock,
    logger,
    concurrency: 2,
  });
  quotas.onChange(({ type, object }) => {
    const { spec, status, metadata } = object;
    if (type === 'deleted' || !jsonEqual(spec?.hard ?? {}, status?.hard)) {
      controller.enqueue(objectKey(metadata));
    } else if (status?.pending !== undefined) {
      controller.enqueueAfter(objectKey(metadata), pendingMs);
    }
  });
  caches.onAdd((cache) => {
    cache.onChange((change) => {
      if (!mayFree(cache, change)) return;
      const { namespace } = change.object.metadata;
      for (const quota of quotas.list()) {
        if (quota.metadata.namespace !== namespace) continue;
        controller.enqueueAfter(objectKey(quota.metadata), gatherMs);
      }
    });
  });
  return controller;
}

/** What is taken has been charged; what is given back has not. */
function mayFree({ resource }: ObjectCache, { type, object }: Change<KubeObject>): boolean {
  if (type === 'deleted') return true;
  if (resource.plural === jobResource.plural) return true;
  if (resource.plural !== taskResource.plural) return false;
  const task = taskResource.parse(object);
  return task.ok && isDead(task.value);
}

class Counter {
  readonly #options: QuotaControllerOptions;
  /** When an entry was first seen without an outcome, by its id: on the clock of who counts. */
  readonly #openSince = new Map<string, Map<string, number>>();

  constructor(options: QuotaControllerOptions) {
    this.#options = options;
  }

  async reconcile(key: string): Promise<Result> {
    const { client } = this.#options;
    const quotas = client.of(resourceQuotaResource);
    const quota = await quotas.find(splitKey(key));
    if (quota === undefined) {
      this.#openSince.delete(key);
      return {};
    }
    // In this order: what is found to be stored is in the count, whatever happens in between.
    const open = await this.#stillOpen(key, quota);
    const counted = await this.#count(quota);
    const status = recounted(quota, counted, open);
    if (!jsonEqual(status, quota.status)) {
      await quotas.updateStatus({ ...quota, status });
    }
    if (open.length > 0) return { requeueAfterMs: pendingMs };
    return { requeueAfterMs: this.#isAnnounced(quota) ? everythingMs : unannouncedMs };
  }

  /** Entries of writes that may yet be stored. */
  async #stillOpen(key: string, { metadata, status }: ResourceQuota): Promise<Charge[]> {
    const now = this.#options.clock.monotonic();
    const before = this.#openSince.get(key);
    const since = new Map<string, number>();
    const open: Charge[] = [];
    for (const charge of status?.pending ?? []) {
      const first = before?.get(charge.id) ?? now;
      if (now - first >= graceMs || (await this.#isResolved(metadata.namespace, charge))) continue;
      since.set(charge.id, first);
      open.push(charge);
    }
    if (since.size === 0) this.#openSince.delete(key);
    else this.#openSince.set(key, since);
    return open;
  }

  /** A write compares versions: once the object has another than the one it replaces, it is over. */
  async #isResolved(namespace: string | undefined, charge: Charge): Promise<boolean> {
    const resource = await this.#find(charge.resource);
    if (resource === undefined) return false;
    const object = await this.#options.client
      .of(untyped(resource))
      .find({ namespace, name: charge.name });
    return (object?.metadata.resourceVersion ?? '') !== charge.base;
  }

  async #find(name: string): Promise<AnyResource | undefined> {
    const kind = await this.#options.kinds.find(name);
    return kind?.namespaced === true ? kind : undefined;
  }

  #isAnnounced(quota: ResourceQuota): boolean {
    const { caches } = this.#options;
    const known = caches.all.map(({ resource }) => countedName(resource));
    return kindsIn(quota).every((name) => known.includes(name));
  }

  async #count(quota: ResourceQuota): Promise<Usage> {
    let total: Usage = {};
    for (const name of kindsIn(quota)) {
      const resource = await this.#find(name);
      if (resource === undefined) continue;
      total = add(total, await this.#usage(resource, quota.metadata.namespace));
    }
    return total;
  }

  async #usage(resource: AnyResource, namespace: string | undefined): Promise<Usage> {
    const client = this.#options.client.of(untyped(resource));
    if (mustBeRead(resource)) {
      const objects = await allOf(client, namespace);
      return objects.map((object) => usageOf(resource, object)).reduce(add, {});
    }
    const page = await client.list({ ...(namespace === undefined ? {} : { namespace }), limit: 1 });
    const count = page.items.length + (page.remainingItemCount ?? 0);
    return Object.fromEntries(countNamesOf(countedName(resource)).map((name) => [name, count]));
  }
}

/** Kinds that the quota speaks about. What Jobs demand is in the Jobs. */
function kindsIn({ spec }: ResourceQuota): string[] {
  const names = Object.keys(spec?.hard ?? {});
  return [...new Set(names.map((name) => countedBy(name) ?? countedName(jobResource)))];
}
