import type { Transport } from '../../client/transport.ts';
import { refusal } from '../../client/decode.ts';
import { sleep, timestamp, type Clock } from '../../machinery/clock.ts';
import { jsonEqual } from '../../machinery/json.ts';
import type { KubeObject } from '../../machinery/metadata.ts';
import type { Resource } from '../../machinery/resource.ts';
import { StorageError } from '../../storage/storage.ts';
import { customResourceDefinitionResource } from '../../v1/custom-resource-definition.ts';
import { isTrue, type CustomResourceDefinition } from '../../v1/custom-resource-types.ts';
import type { Catalog } from '../catalog.ts';
import type { ItemCache } from '../registry/item.ts';
import { resourcePrefix } from '../registry/keys.ts';
import type { ServerLogger } from '../server.ts';
import type { CustomEndpoint } from './custom-endpoint.ts';
import { customKinds, type CustomKind } from './custom-kind.ts';
import { acceptedStatus, claimsOf } from './names.ts';
import { byVersionPriority } from './version-priority.ts';

export interface CustomKindsOptions {
  catalog: Catalog;
  /** The kinds of the program: their names are taken. */
  own: readonly Resource[];
  cache: ItemCache;
  endpointOf: (kind: CustomKind) => CustomEndpoint;
  /** Told of every definition that is being deleted. */
  onTerminating(definition: CustomResourceDefinition): void;
  /** As the server itself. */
  transport: Transport;
  clock: Clock;
  logger: ServerLogger;
}

const prefix = resourcePrefix(customResourceDefinitionResource);
const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

/** Of looking and writing in one go; what is left then is tried again a little later. */
const maxRounds = 8;
const retryMs = 1_000;

/** A definition and what serves it. */
interface Built {
  definition: CustomResourceDefinition;
  endpoints: readonly CustomEndpoint[];
}

/**
 * Follows the definitions: accepts their names, establishes them, and has the catalog serve them. Each
 * server does so for itself; what they write is the same, and only one of them gets it written.
 */
export class CustomKinds {
  readonly #options: CustomKindsOptions;
  /** By name of the definition. */
  #built: ReadonlyMap<string, Built> = new Map();
  /** The definitions of which nothing is left to be done: most questions find these. */
  #settled: readonly CustomResourceDefinition[] | undefined;
  #turn: Promise<boolean> | undefined;
  #nextTurn: Promise<boolean> | undefined;

  constructor(options: CustomKindsOptions) {
    this.#options = options;
  }

  /** Until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { cache, clock } = this.#options;
    while (!signal.aborted) {
      if (!(await cache.waitFor(1, retryMs, signal))) continue;
      await this.#follow(signal);
      await sleep(clock, retryMs, signal);
    }
  }

  /** Until something is left to be done again, or the signal aborts. */
  async #follow(signal: AbortSignal): Promise<void> {
    const { cache, logger } = this.#options;
    try {
      const start = cache.snapshot(prefix).revision;
      if (!(await this.#reconcile())) return;
      for await (const { events } of cache.subscribe(prefix, start, { signal })) {
        if (events.length > 0 && !(await this.#reconcile())) return;
      }
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      logger.warn({ error: error.message }, 'definitions of kinds cannot be followed');
    }
  }

  /**
   * Brings the catalog up to what the store holds now. Called before anybody is told that there is no
   * such kind: another server may have accepted it a moment ago. Throws StorageError.
   */
  async refresh(): Promise<void> {
    await this.#reconcile();
  }

  /** One at a time; calls that come meanwhile share the next. Whether all that was to be written is. */
  #reconcile(): Promise<boolean> {
    if (this.#turn === undefined) return this.#begin();
    // Whoever waits for the present turn is told if it fails.
    this.#nextTurn ??= this.#turn
      .catch(() => false)
      .then(() => {
        this.#nextTurn = undefined;
        return this.#begin();
      });
    return this.#nextTurn;
  }

  #begin(): Promise<boolean> {
    const turn = this.#settle().finally(() => {
      if (this.#turn === turn) this.#turn = undefined;
    });
    this.#turn = turn;
    return turn;
  }

  /** Until nothing is left to be written, by us or by another server that was faster. */
  async #settle(): Promise<boolean> {
    for (let round = 1; round <= maxRounds; round += 1) {
      const definitions = await this.#definitions();
      if (isSameList(definitions, this.#settled)) return true;
      this.#serve(definitions);
      for (const definition of definitions) {
        if (definition.metadata.deletionTimestamp !== undefined) {
          this.#options.onTerminating(definition);
        }
      }
      const outcome = await this.#accept(definitions);
      if (outcome === 'failed') return false;
      if (outcome === 'settled') {
        this.#settled = definitions;
        return true;
      }
    }
    return false;
  }

  /** All that are stored now. Throws StorageError. */
  async #definitions(): Promise<CustomResourceDefinition[]> {
    const snapshot = await this.#options.cache.list(prefix);
    return [...snapshot.entries()].map(({ object }) => object).filter(isDefinition);
  }

  /** Writes the statuses that are to change; `changed`: what is stored is to be looked at again. */
  async #accept(
    definitions: readonly CustomResourceDefinition[],
  ): Promise<'settled' | 'changed' | 'failed'> {
    const { own, clock } = this.#options;
    const known = [...definitions];
    let outcome: 'settled' | 'changed' | 'failed' = 'settled';
    for (const [index, definition] of definitions.entries()) {
      const status = acceptedStatus(definition, claimsOf(definition, known, own), timestamp(clock));
      if (status === definition.status) continue;
      const next = { ...definition, status };
      known[index] = next;
      const written = await this.#write(next);
      if (!written) outcome = 'failed';
      else if (outcome === 'settled') outcome = 'changed';
    }
    return outcome;
  }

  /** Whether somebody has written: this server, or another that was faster. */
  async #write(definition: CustomResourceDefinition): Promise<boolean> {
    const { transport, logger } = this.#options;
    const { name } = definition.metadata;
    const { code, body } = await transport.request({
      method: 'PUT',
      path: `${path}/${name}/status`,
      query: { fieldManager: 'mesocosm-apiserver' },
      body: definition,
    });
    if (code === 200) return true;
    const error = refusal(body, code);
    if (error.reason === 'Conflict' || error.reason === 'NotFound') return true;
    logger.warn(
      { definition: name, error: error.message },
      'a definition of a kind is not accepted yet',
    );
    return false;
  }

  #serve(definitions: readonly CustomResourceDefinition[]): void {
    const built = new Map<string, Built>();
    for (const definition of definitions) {
      if (!isTrue(definition, 'Established')) continue;
      built.set(definition.metadata.name, this.#endpointsOf(definition));
    }
    const before = this.#built;
    this.#built = built;
    const gone = [...before].filter(
      ([name, { endpoints }]) => built.get(name)?.endpoints !== endpoints,
    );
    const same = gone.length === 0 && built.size === before.size;
    if (same) return;
    const all = [...built.values()].flatMap(({ endpoints }) => [...endpoints]);
    this.#options.catalog.replaceCustom(all.sort(inDiscoveryOrder));
    for (const [, { endpoints }] of gone) for (const endpoint of endpoints) endpoint.close();
  }

  /** The endpoints that there are, if nothing has changed that they are made of. */
  #endpointsOf(definition: CustomResourceDefinition): Built {
    const known = this.#built.get(definition.metadata.name);
    if (known !== undefined && isSameKind(known.definition, definition)) return known;
    const { endpointOf, logger } = this.#options;
    try {
      return { definition, endpoints: customKinds(definition).map(endpointOf) };
    } catch (error) {
      // Another version of this program may have taken what this one cannot read: the others are served.
      const { name } = definition.metadata;
      logger.error({ definition: name, error: String(error) }, 'a kind cannot be served');
      return { definition, endpoints: [] };
    }
  }
}

function isSameList(
  definitions: readonly CustomResourceDefinition[],
  others: readonly CustomResourceDefinition[] | undefined,
): boolean {
  return (
    definitions.length === others?.length &&
    definitions.every((definition, index) => definition === others[index])
  );
}

function isSameKind(left: CustomResourceDefinition, right: CustomResourceDefinition): boolean {
  if (left === right) return true;
  const { uid, deletionTimestamp } = right.metadata;
  return (
    left.metadata.uid === uid &&
    left.metadata.deletionTimestamp === deletionTimestamp &&
    jsonEqual(left.spec, right.spec) &&
    jsonEqual(left.status?.acceptedNames, right.status?.acceptedNames)
  );
}

function inDiscoveryOrder(
  { resource: left }: CustomEndpoint,
  { resource: right }: CustomEndpoint,
): number {
  if (left.gvk.group !== right.gvk.group) return left.gvk.group < right.gvk.group ? -1 : 1;
  if (left.gvk.version !== right.gvk.version) {
    return byVersionPriority(left.gvk.version, right.gvk.version);
  }
  return left.plural < right.plural ? -1 : 1;
}

/** What is under the prefix of definitions has passed their rules when it was written. */
function isDefinition(object: unknown): object is CustomResourceDefinition {
  const { kind } = customResourceDefinitionResource.gvk;
  return typeof object === 'object' && object !== null && (object as KubeObject).kind === kind;
}
