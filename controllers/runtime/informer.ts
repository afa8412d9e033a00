import type { Logger } from 'pino';
import type { ResourceClient, WatchEvent } from '../../api/client/client.ts';
import type { Clock } from '../../api/machinery/clock.ts';
import { sleep } from '../../api/machinery/clock.ts';
import { ApiError, isApiError } from '../../api/machinery/errors.ts';
import type { KubeObject } from '../../api/machinery/metadata.ts';
import type { Random } from '../../api/machinery/random.ts';
import { Backoff } from './backoff.ts';
import type { Change, Indexer } from './object-store.ts';
import { ObjectStore } from './object-store.ts';
import type { Runnable } from './runnable.ts';

export interface InformerOptions<T extends KubeObject> {
  client: ResourceClient<T>;
  clock: Clock;
  random: Random;
  logger: Logger;
  namespace?: string;
  labelSelector?: string;
  indexers?: Readonly<Record<string, Indexer<T>>>;
  /** Objects a page of the list; 500 if absent. */
  pageSize?: number;
}

/**
 * Where an informer is.
 * Empty: nothing is known; a failure leads back here, with back-off. The store keeps what it had.
 * Listing: pages are collected; the store changes only once the list is complete.
 * Watching: events after `resume` are applied; a cut link leads to a new watch from there, an expired
 * version to Empty.
 */
type State = { name: 'Empty' } | { name: 'Listing' } | { name: 'Watching'; resume: number };

/** Failures of a watch in a row, other than cut links, after which the informer lists again. */
const relistAfterRefusals = 3;

/** A watch that lasted this long and then ended has worked, though it brought nothing. */
const quietWatchMs = 10_000;

/**
 * A local copy of all objects of a kind, kept by list and watch. Reads never wait. It may lag behind
 * the store; `seen` tells whether a certain write has arrived. Versions are etcd revisions, which grow
 * with every write of any object, so they compare as numbers.
 */
export class Informer<T extends KubeObject> implements Runnable {
  readonly name: string;
  readonly resource: ResourceClient<T>['resource'];
  readonly #options: InformerOptions<T>;
  readonly #store: ObjectStore<T>;
  readonly #backoff: Backoff;
  readonly #handlers = new Set<(change: Change<T>) => void>();
  readonly #waiters = new Set<() => void>();
  #state: State = { name: 'Empty' };
  #refusals = 0;
  #synced = false;
  /** Newest version of which an event was seen. */
  #last = 0;
  /** Newest version of which surely every event was seen: one version may have several events. */
  #complete = 0;

  constructor(options: InformerOptions<T>) {
    this.name = `informer ${options.client.resource.plural}`;
    this.resource = options.client.resource;
    this.#options = options;
    this.#store = new ObjectStore(options.indexers ?? {});
    this.#backoff = new Backoff({ base: 200, cap: 30_000, random: options.random });
  }

  get state(): State['name'] {
    return this.#state.name;
  }

  /** Whether the store once held a complete list. */
  get hasSynced(): boolean {
    return this.#synced;
  }

  /** Resolves once the store holds a complete list, or the signal aborts. */
  synced(signal: AbortSignal): Promise<void> {
    if (this.#synced || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = (): void => {
        this.#waiters.delete(finish);
        signal.removeEventListener('abort', finish);
        resolve();
      };
      this.#waiters.add(finish);
      signal.addEventListener('abort', finish, { once: true });
    });
  }

  /** Whether the write that gave an object this version has reached the store. */
  seen(resourceVersion: string): boolean {
    return this.#last >= versionNumber(resourceVersion);
  }

  get(key: string): T | undefined {
    return this.#store.get(key);
  }

  list(): readonly T[] {
    return this.#store.list();
  }

  /** The objects that indexer `index` puts under `value`. */
  byIndex(index: string, value: string): readonly T[] {
    return this.#store.byIndex(index, value);
  }

  /** Calls `handler` for every object there is, then for every change; returns the way to stop that. */
  onChange(handler: (change: Change<T>) => void): () => void {
    this.#handlers.add(handler);
    for (const object of this.#store.list()) this.#tell(handler, { type: 'applied', object });
    return () => this.#handlers.delete(handler);
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        this.#state = await this.#step(signal);
        continue;
      } catch (error) {
        this.#state = this.#afterFailure(error);
        const retryInMs = this.#backoff.next();
        this.#options.logger.warn(
          { informer: this.resource.plural, err: error, retryInMs: Math.round(retryInMs) },
          'list or watch failed',
        );
        await sleep(this.#options.clock, retryInMs, signal);
      }
    }
    this.#state = { name: 'Empty' };
  }

  #step(signal: AbortSignal): Promise<State> | State {
    switch (this.#state.name) {
      case 'Empty':
        return { name: 'Listing' };
      case 'Listing':
        return this.#list(signal);
      case 'Watching':
        return this.#watch(this.#state.resume, signal);
    }
  }

  /** Always asks for the newest state, so that a controller which starts sees all writes before. */
  async #list(signal: AbortSignal): Promise<State> {
    const { items, resourceVersion } = await this.#allPages();
    // Those who would be told have ended.
    if (signal.aborted) return { name: 'Empty' };
    const version = versionNumber(resourceVersion);
    const changes = this.#store.replace(items);
    this.#last = version;
    this.#complete = version;
    for (const change of changes) this.#publish(change);
    this.#synced = true;
    for (const waiter of [...this.#waiters]) waiter();
    return { name: 'Watching', resume: version };
  }

  async #allPages(): Promise<{ items: T[]; resourceVersion: string }> {
    const { client, namespace, labelSelector, pageSize = 500 } = this.#options;
    const scope = {
      ...(namespace === undefined ? {} : { namespace }),
      ...(labelSelector === undefined ? {} : { labelSelector }),
    };
    const items: T[] = [];
    let token: string | undefined;
    for (;;) {
      try {
        const page = await client.list({
          ...scope,
          limit: pageSize,
          ...(token === undefined ? {} : { continue: token }),
        });
        items.push(...page.items);
        if (page.continue === undefined) return { items, resourceVersion: page.resourceVersion };
        token = page.continue;
      } catch (error) {
        // The list outlived its version between two pages; one answer cannot.
        if (token !== undefined && isExpired(error)) return client.list(scope);
        throw error;
      }
    }
  }

  async #watch(resume: number, signal: AbortSignal): Promise<State> {
    const { client, namespace, labelSelector, random } = this.#options;
    const events = client.watch(
      {
        ...(namespace === undefined ? {} : { namespace }),
        ...(labelSelector === undefined ? {} : { labelSelector }),
        resourceVersion: String(resume),
        allowBookmarks: true,
        // Watches of many informers that began together should not all end together.
        timeoutSeconds: 300 + Math.floor(random.next() * 300),
      },
      signal,
    );
    const { clock } = this.#options;
    const opened = clock.monotonic();
    for await (const event of events) {
      this.#backoff.reset();
      this.#refusals = 0;
      this.#apply(event);
    }
    // Servers end watches after a while. One that ends it at once must not be asked without pause.
    if (clock.monotonic() - opened >= quietWatchMs) this.#backoff.reset();
    else await sleep(clock, this.#backoff.next(), signal);
    return { name: 'Watching', resume: this.#complete };
  }

  #apply(event: WatchEvent<T>): void {
    if (event.type === 'BOOKMARK') {
      const version = versionNumber(event.resourceVersion);
      this.#last = Math.max(this.#last, version);
      this.#complete = Math.max(this.#complete, version);
      return;
    }
    const version = versionNumber(event.object.metadata.resourceVersion);
    if (version > this.#last) {
      this.#complete = this.#last;
      this.#last = version;
    }
    const change =
      event.type === 'DELETED' ? this.#store.remove(event.object) : this.#store.put(event.object);
    if (change !== undefined) this.#publish(change);
  }

  #afterFailure(error: unknown): State {
    if (this.#state.name !== 'Watching' || isExpired(error)) return { name: 'Empty' };
    // A refusal that stays is no cut link. A store restored from a backup, for one, is behind us.
    if (error instanceof ApiError) this.#refusals += 1;
    if (this.#refusals < relistAfterRefusals) return { name: 'Watching', resume: this.#complete };
    this.#refusals = 0;
    return { name: 'Empty' };
  }

  #publish(change: Change<T>): void {
    for (const handler of this.#handlers) this.#tell(handler, change);
  }

  /** One handler's fault must not cost another its change. */
  #tell(handler: (change: Change<T>) => void, change: Change<T>): void {
    try {
      handler(change);
    } catch (error) {
      this.#options.logger.error(
        { informer: this.resource.plural, err: error },
        'a change handler failed',
      );
    }
  }
}

function isExpired(error: unknown): boolean {
  return isApiError(error, 'Expired', 'Gone');
}

function versionNumber(resourceVersion: string): number {
  const version = Number(resourceVersion);
  if (Number.isSafeInteger(version) && version >= 0) return version;
  throw new TypeError(`"${resourceVersion}" is no revision`);
}
