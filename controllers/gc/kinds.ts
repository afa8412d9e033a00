import type { Logger } from 'pino';
import { z } from 'zod';
import type { Client } from '../../api/client/client.ts';
import type { Clock } from '../../api/machinery/clock.ts';
import { isObject } from '../../api/machinery/json.ts';
import type { KubeObject } from '../../api/machinery/metadata.ts';
import type { Random } from '../../api/machinery/random.ts';
import type { AnyResource, Resource } from '../../api/machinery/resource.ts';
import { customResourceDefinitionResource } from '../../api/v1/custom-resource-definition.ts';
import { isTrue, type CustomResourceDefinition } from '../../api/v1/custom-resource-types.ts';
import { countedName } from '../../api/v1/quota-usage.ts';
import { Informer } from '../runtime/informer.ts';
import type { Runnable } from '../runtime/runnable.ts';
import { ownerIndexers, type Caches } from './caches.ts';
import { allOf } from './pages.ts';

/** Every kind of which objects are kept: those of this program, and those that users define. */
export class Kinds {
  readonly own: readonly AnyResource[];
  readonly #client: Client;

  constructor(options: { client: Client; own: readonly AnyResource[] }) {
    this.#client = options.client;
    this.own = options.own;
  }

  /** By the newest state of the store. */
  async all(): Promise<readonly AnyResource[]> {
    const definitions = this.#client.of(customResourceDefinitionResource);
    return [...this.own, ...(await allOf(definitions, undefined)).flatMap(customKinds)];
  }

  /** The kind that a quota calls so: `jobs.mesocosm.dev`. */
  async find(name: string): Promise<AnyResource | undefined> {
    const own = this.own.find((kind) => countedName(kind) === name);
    return own ?? (await this.all()).find((kind) => countedName(kind) === name);
  }
}

const anyObject = z.custom<KubeObject>((value) => isObject(value) && isObject(value['metadata']));

/** As much of a kind as is needed to list, watch and delete its objects whatever is in them. */
export function bare({
  gvk,
  plural,
  namespaced,
}: Pick<Resource, 'gvk' | 'plural' | 'namespaced'>): Resource {
  return {
    gvk,
    plural,
    singular: gvk.kind.toLowerCase(),
    shortNames: [],
    categories: [],
    namespaced,
    strategicMerge: false,
    unknownFields: 'prune',
    subresources: { status: false },
    columns: [],
    selectableFields: {},
    schema: { type: 'object' },
    parse: (document, checked = {}) => {
      const parsed = anyObject.safeParse(document);
      if (parsed.success) return { ok: true, value: { ...parsed.data, ...checked } };
      return { ok: false, errors: [{ field: '', message: 'is no API object' }], unknown: [] };
    },
    defaults: (object) => object,
    validate: () => [],
  };
}

/** The kind of a definition, in one version that is served; none as long as it is not established. */
function customKinds(definition: CustomResourceDefinition): Resource[] {
  const { group, names, scope, versions } = definition.spec;
  const version =
    versions.find(({ storage, served }) => storage && served) ??
    versions.find(({ served }) => served);
  if (version === undefined || !isTrue(definition, 'Established')) return [];
  const gvk = { group, version: version.name, kind: names.kind };
  return [bare({ gvk, plural: names.plural, namespaced: scope === 'Namespaced' })];
}

export interface KindFollowerOptions {
  client: Client;
  /** Caches that are kept for other purposes; those of all other kinds are added. */
  caches: Caches;
  own: readonly AnyResource[];
  definitions: Informer<CustomResourceDefinition>;
  clock: Clock;
  random: Random;
  logger: Logger;
}

/** Reports own nothing, and nobody owns them for long: they expire. */
const unfollowed = ['Event'];

interface Followed {
  informer: Informer<KubeObject>;
  stop: AbortController;
}

/** Adds caches of every kind that nobody else follows, and takes away those of kinds that are gone. */
export class KindFollower implements Runnable {
  readonly name = 'kinds';
  readonly #options: KindFollowerOptions;
  readonly #own: readonly Informer<KubeObject>[];
  /** By the name of the definition. */
  readonly #custom = new Map<string, Followed>();
  readonly #running = new Set<Promise<void>>();

  constructor(options: KindFollowerOptions) {
    this.#options = options;
    const { caches, own } = options;
    const followed = new Set(caches.all.map(({ resource }) => countedName(resource)));
    this.#own = own
      .filter((kind) => !followed.has(countedName(kind)) && !unfollowed.includes(kind.gvk.kind))
      .filter(({ verbs }) => verbs === undefined || verbs.includes('watch'))
      .map((kind) => this.#informer(bare(kind)));
    for (const informer of this.#own) caches.add(informer);
  }

  async run(signal: AbortSignal): Promise<void> {
    const unsubscribe = this.#options.definitions.onChange(({ type, object }) => {
      const [kind] = type === 'deleted' ? [] : customKinds(object);
      this.#follow(object.metadata.name, kind, signal);
    });
    await Promise.all(this.#own.map((informer) => informer.run(signal)));
    unsubscribe();
    await Promise.all(this.#running);
  }

  #informer(kind: Resource): Informer<KubeObject> {
    const { client, clock, random, logger } = this.#options;
    return new Informer({
      client: client.of(kind),
      indexers: ownerIndexers,
      clock,
      random,
      logger,
    });
  }

  /** Follows the kind of a definition as it is now, or no longer. */
  #follow(name: string, kind: Resource | undefined, signal: AbortSignal): void {
    const before = this.#custom.get(name);
    if (before !== undefined && before.informer.resource.gvk.version === kind?.gvk.version) return;
    if (before !== undefined) {
      before.stop.abort();
      this.#custom.delete(name);
      this.#options.caches.remove(before.informer);
    }
    if (kind === undefined) return;
    const followed = { informer: this.#informer(kind), stop: new AbortController() };
    this.#custom.set(name, followed);
    this.#options.caches.add(followed.informer);
    const running = followed.informer.run(AbortSignal.any([signal, followed.stop.signal]));
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }
}
