import type { Transport } from '../../client/transport.ts';
import { refusal } from '../../client/decode.ts';
import { sleep, type Clock } from '../../machinery/clock.ts';
import { ApiError, isApiError } from '../../machinery/errors.ts';
import type { Resource } from '../../machinery/resource.ts';
import {
  cleanupFinalizer,
  isTrue,
  type CustomResourceDefinition,
} from '../../v1/custom-resource-types.ts';
import type { Endpoint } from '../endpoint.ts';
import { toApiError } from '../errors.ts';
import type { User, WriteContext } from '../registry/context.ts';
import type { ServerLogger } from '../server.ts';
import { customKind, type CustomKind } from './custom-kind.ts';

export interface CleanupOptions {
  /** Never emptied, whatever a definition says that it is called. */
  own: readonly Resource[];
  endpointOf(kind: CustomKind): Pick<Endpoint, 'lister' | 'registry'>;
  /** As the server itself. */
  transport: Transport;
  user: User;
  clock: Clock;
  logger: ServerLogger;
  signal: AbortSignal;
}

/** Time in which other servers hear that nothing can be created any more. */
const graceMs = 1_000;
const checkMs = 1_000;
const page = 500;

/** Deletes the objects of definitions that are to go, then lets these go. */
export class Cleanup {
  readonly #options: CleanupOptions;
  /** uids of the definitions that are under way. */
  readonly #busy = new Map<string, Promise<void>>();

  constructor(options: CleanupOptions) {
    this.#options = options;
  }

  /** Begins, unless it has already. */
  begin(definition: CustomResourceDefinition): void {
    const { uid, finalizers } = definition.metadata;
    if (finalizers?.includes(cleanupFinalizer) !== true || this.#busy.has(uid)) return;
    const work = this.#clean(definition).finally(() => this.#busy.delete(uid));
    this.#busy.set(uid, work);
  }

  /** Once nothing is under way. */
  async ended(): Promise<void> {
    await Promise.all(this.#busy.values());
  }

  /** Never rejects: whatever goes wrong is told and tried again. */
  async #clean(definition: CustomResourceDefinition): Promise<void> {
    const { clock, signal, logger } = this.#options;
    await sleep(clock, graceMs, signal);
    while (!signal.aborted) {
      try {
        const left = await this.#deleteAll(definition);
        if (left === 0 && (await this.#release(definition))) return;
      } catch (error) {
        const known = toApiError(error);
        const { name } = definition.metadata;
        const text = known?.message ?? String(error);
        logger.warn({ definition: name, error: text }, 'the objects of a kind are not deleted yet');
      }
      await sleep(clock, checkMs, signal);
    }
  }

  /** Deletes what there is; returns how many objects have finalizers to wait for. */
  async #deleteAll(definition: CustomResourceDefinition): Promise<number> {
    const kind = this.#kindOf(definition);
    if (kind === undefined) return 0;
    const { lister, registry } = this.#options.endpointOf(kind);
    let count = 0;
    let continueToken: string | undefined;
    do {
      const everything = { labels: [], fields: [], resourceVersion: undefined, match: undefined };
      const list = await lister.list(undefined, { ...everything, limit: page, continueToken });
      for (const { object } of list.items) {
        const { name, namespace, uid, deletionTimestamp } = object.metadata;
        let deleted = false;
        try {
          if (deletionTimestamp === undefined) {
            const ref = { name, namespace };
            const options = { preconditions: { uid } };
            ({ deleted } = await registry.delete(ref, options, this.#context()));
          }
        } catch (error) {
          if (!isApiError(error, 'NotFound', 'Conflict')) throw error;
        }
        if (!deleted) count += 1;
      }
      ({ continueToken } = list);
    } while (continueToken !== undefined && !this.#options.signal.aborted);
    return count;
  }

  /** One that was never served has no objects, even if its name is that of a kind that has. */
  #kindOf(definition: CustomResourceDefinition): CustomKind | undefined {
    const { group, names, versions } = definition.spec;
    const taken = this.#options.own.some(
      ({ gvk, plural }) => gvk.group === group && plural === names.plural,
    );
    const version = versions.find(({ storage }) => storage);
    if (taken || version === undefined || !isTrue(definition, 'Established')) return undefined;
    return customKind(definition, version);
  }

  #context(): WriteContext {
    return {
      user: this.#options.user,
      manager: 'mesocosm-apiserver',
      dryRun: false,
      fieldValidation: 'Ignore',
      fence: undefined,
      warn: () => undefined,
    };
  }

  /** Whether the definition waits for nobody on our account any more. */
  async #release({ metadata: { name, uid } }: CustomResourceDefinition): Promise<boolean> {
    const { transport } = this.#options;
    const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}`;
    const found = await transport.request({ method: 'GET', path });
    if (found.code === 404) return true;
    if (found.code !== 200) throw refusal(found.body, found.code);
    const { metadata } = found.body as CustomResourceDefinition;
    if (metadata.uid !== uid) return true;
    const finalizers = (metadata.finalizers ?? []).filter((one) => one !== cleanupFinalizer);
    const { resourceVersion } = metadata;
    const answer = await transport.request({
      method: 'PATCH',
      path,
      contentType: 'application/merge-patch+json',
      body: { metadata: { resourceVersion, finalizers } },
    });
    if (answer.code < 400 || answer.code === 404) return true;
    const error = refusal(answer.body, answer.code);
    if (error.reason === 'Conflict') return false;
    throw new ApiError(error.reason, error.message, { cause: error });
  }
}
