import { sleep, type Clock } from '../../machinery/clock.ts';
import { ApiError, isApiError } from '../../machinery/errors.ts';
import type { Random } from '../../machinery/random.ts';
import { StorageError } from '../../storage/storage.ts';
import { charged, boundedBy, type ChargeResult, type Settlement } from '../../v1/quota-ledger.ts';
import { countedName, increase, unspoken, usageOf } from '../../v1/quota-usage.ts';
import { resourceQuotaResource, type Charge, type ResourceQuota } from '../../v1/resource-quota.ts';
import { forbidden } from '../errors.ts';
import type { Budget, BudgetRequest, Reservation } from '../registry/context.ts';
import { encodeObject, type Item, type ItemCache } from '../registry/item.ts';
import { listPrefix } from '../registry/keys.ts';
import type { ItemStore } from '../registry/store.ts';

export interface QuotaBudgetOptions {
  cache: ItemCache;
  store: ItemStore;
  clock: Clock;
  random: Random;
  /** Ends the striking out of outcomes; whoever counts does it then. */
  signal: AbortSignal;
}

/** Kinds whose writes are never charged: reports and locks. */
const uncharged = new Set(['/Event', 'coordination.k8s.io/Lease']);

/** How often an entry is tried while other servers enter theirs. */
const maxAttempts = 100;

/** Outcomes that come together are struck out together, this long after the first. */
const strikeMs = 500;

const nothingHeld: Reservation = { settle: () => undefined };

/** A write that waits to be entered into the quotas of its namespace. */
interface Entry {
  charge: Charge;
  /** Keys of the quotas that it stands in. */
  entered: string[];
  done: () => void;
  failed: (why: unknown) => void;
  refuse: (why: string) => void;
}

/**
 * Enters what a write takes into the ResourceQuotas of its namespace before the write is sent, by
 * compare-and-swap, so that any number of servers may do so. Entries of one namespace that come while
 * another is under way are made in one go.
 */
export class QuotaBudget implements Budget {
  readonly #cache: ItemCache;
  readonly #store: ItemStore;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #signal: AbortSignal;
  /** Entries that wait, by namespace; there is a list while somebody works on it. */
  readonly #waiting = new Map<string, Entry[]>();
  /** Outcomes that are still to be struck out, by key of the quota and id of the entry. */
  readonly #settled = new Map<string, Map<string, Settlement>>();
  /** Quotas of which outcomes are about to be struck out. */
  readonly #striking = new Set<string>();

  constructor(options: QuotaBudgetOptions) {
    this.#cache = options.cache;
    this.#store = options.store;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#signal = options.signal;
  }

  async reserve(request: BudgetRequest): Promise<Reservation> {
    const { resource, namespace, object, old, subresource, dryRun } = request;
    const { gvk } = resource;
    if (namespace === undefined || uncharged.has(`${gvk.group}/${gvk.kind}`)) return nothingHeld;
    if (subresource !== undefined && subresource !== 'scale') return nothingHeld;
    const quotas = this.#quotas(namespace);
    if (quotas.length === 0) return nothingHeld;
    this.#checkSpoken(request, quotas);
    const before = old === undefined ? {} : usageOf(resource, old);
    const amounts = increase(usageOf(resource, object), before);
    const charge: Charge = {
      id: this.#random.uuid(),
      resource: countedName(resource),
      name: object.metadata.name,
      base: old?.metadata.resourceVersion ?? '',
      amounts,
    };
    const concerned = quotas.filter((quota) => isConcerned(quota, charge));
    if (concerned.length === 0) return nothingHeld;
    if (dryRun) {
      for (const quota of concerned) await this.#rehearse(quota, charge, request);
      return nothingHeld;
    }
    const entered = await this.#enter(namespace, charge, request);
    return {
      settle: (outcome) => {
        for (const key of entered) this.#settle(key, charge.id, outcome);
      },
    };
  }

  #quotas(namespace: string): Item[] {
    const prefix = listPrefix(resourceQuotaResource, namespace);
    return [...this.#cache.snapshot(prefix).entries()];
  }

  /** Throws if a Job does not say how much it takes of what a quota bounds. */
  #checkSpoken({ resource, object, old }: BudgetRequest, quotas: readonly Item[]): void {
    for (const quota of quotas) {
      const { metadata, spec } = quotaOf(quota);
      const { names, containers } = unspoken(resource, object, spec?.hard ?? {});
      const silent = old === undefined ? [] : unspoken(resource, old, spec?.hard ?? {}).containers;
      const introduced = containers.filter((name) => !silent.includes(name));
      if (introduced.length === 0) continue;
      throw forbidden(
        resource,
        object.metadata.name,
        `failed quota: ${metadata.name}: must specify ${names.join(',')} for: ${introduced.join(',')}`,
      );
    }
  }

  /** Refuses as the entry itself would be, and enters nothing. */
  async #rehearse(
    cached: Item,
    charge: Charge,
    { resource, object }: BudgetRequest,
  ): Promise<void> {
    let { refused } = this.#plan(cached, [charge]);
    if (refused.size > 0) {
      const live = await this.#store.read(cached.key);
      if (live === undefined) return;
      ({ refused } = this.#plan(live, [charge]));
    }
    const why = refused.get(charge.id);
    if (why !== undefined) throw forbidden(resource, object.metadata.name, why);
  }

  #plan(quota: Item, charges: readonly Charge[]): ChargeResult {
    return charged(quotaOf(quota), charges, this.#settled.get(quota.key) ?? new Map());
  }

  #settle(key: string, id: string, outcome: Settlement): void {
    const settled = this.#settled.get(key) ?? new Map<string, Settlement>();
    this.#settled.set(key, settled.set(id, outcome));
    if (this.#striking.has(key)) return;
    this.#striking.add(key);
    void this.#strikeLater(key);
  }

  /** Until no outcome is left: charges that come meanwhile strike them out, too. */
  async #strikeLater(key: string): Promise<void> {
    for (;;) {
      await sleep(this.#clock, strikeMs, this.#signal);
      if (this.#signal.aborted || !this.#settled.has(key)) break;
      try {
        const quota = await this.#store.read(key);
        if (quota === undefined) this.#settled.delete(key);
        else await this.#charge(quota, []);
      } catch (error) {
        // The store is away, or others write all the time: again after the next pause.
        if (!(error instanceof StorageError) && !isApiError(error)) throw error;
      }
    }
    this.#striking.delete(key);
  }

  /** Resolves to the keys of the quotas that the charge stands in. */
  async #enter(
    namespace: string,
    charge: Charge,
    { resource, object }: BudgetRequest,
  ): Promise<readonly string[]> {
    const entered: string[] = [];
    await new Promise<void>((done, failed) => {
      const refuse = (why: string): void => {
        failed(forbidden(resource, object.metadata.name, why));
      };
      const entry: Entry = { charge, entered, done, failed, refuse };
      const waiting = this.#waiting.get(namespace);
      if (waiting !== undefined) waiting.push(entry);
      else {
        this.#waiting.set(namespace, [entry]);
        void this.#work(namespace);
      }
    });
    return entered;
  }

  async #work(namespace: string): Promise<void> {
    for (;;) {
      const batch = this.#waiting.get(namespace) ?? [];
      if (batch.length === 0) break;
      this.#waiting.set(namespace, []);
      try {
        await this.#enterAll(namespace, batch);
      } catch (error) {
        // None of these writes will be sent, wherever they have been entered.
        const quotas = this.#quotas(namespace);
        for (const { charge, failed } of batch) {
          for (const { key } of quotas) this.#settle(key, charge.id, 'refused');
          failed(error);
        }
      }
    }
    this.#waiting.delete(namespace);
  }

  async #enterAll(namespace: string, batch: readonly Entry[]): Promise<void> {
    let accepted = batch;
    for (const quota of this.#quotas(namespace)) {
      const concerned = accepted.filter(({ charge }) => isConcerned(quota, charge));
      if (concerned.length === 0) continue;
      const refused = await this.#charge(quota, concerned);
      for (const entry of concerned) {
        const why = refused.get(entry.charge.id);
        if (why === undefined) entry.entered.push(quota.key);
        else {
          for (const key of entry.entered) this.#settle(key, entry.charge.id, 'refused');
          entry.refuse(why);
        }
      }
      accepted = accepted.filter(({ charge }) => !refused.has(charge.id));
    }
    for (const { done } of accepted) done();
  }

  /** Enters what fits; answers why the rest does not. The newest state is asked before any refusal. */
  async #charge(cached: Item, entries: readonly Entry[]): Promise<ReadonlyMap<string, string>> {
    const charges = entries.map(({ charge }) => charge);
    let quota: Item | undefined = cached;
    let fresh = charges.length === 0;
    for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
      if (quota === undefined) return new Map();
      const known = [...(this.#settled.get(quota.key)?.keys() ?? [])];
      const { status, refused, struck } = this.#plan(quota, charges);
      if (refused.size > 0 && !fresh) {
        quota = await this.#store.read(quota.key);
        fresh = true;
        continue;
      }
      if (refused.size === charges.length && struck.length === 0) {
        if (fresh) this.#forget(quota.key, known);
        return refused;
      }
      const object = { ...quota.object, status };
      const outgoing = { key: quota.key, object, bytes: encodeObject(object) };
      const terms = { fence: undefined, ttlSeconds: undefined };
      const result = await this.#store.update(outgoing, quota, terms);
      if (result.outcome === 'written') {
        this.#forget(quota.key, known);
        return refused;
      }
      quota = result.outcome === 'conflict' ? result.current : undefined;
      fresh = true;
    }
    throw new ApiError('Conflict', `too many writes at a time: ${cached.object.metadata.name}`);
  }

  /** Struck out, or gone before: either way nobody asks again. */
  #forget(key: string, ids: readonly string[]): void {
    const settled = this.#settled.get(key);
    for (const id of ids) settled?.delete(id);
    if (settled?.size === 0) this.#settled.delete(key);
  }
}

function isConcerned(quota: Item, { amounts }: Charge): boolean {
  return Object.keys(boundedBy(quotaOf(quota).spec?.hard ?? {}, amounts)).length > 0;
}

/** What is stored at a key of quotas has passed their schema. */
function quotaOf({ object }: Pick<Item, 'object'>): ResourceQuota {
  const parsed = resourceQuotaResource.parse(object);
  if (parsed.ok) return parsed.value;
  throw new ApiError('InternalError', `ResourceQuota ${object.metadata.name} cannot be read`);
}
