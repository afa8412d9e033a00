import type { Client } from '../../client/client.ts';
import { sleep, type Clock } from '../../machinery/clock.ts';
import { isApiError } from '../../machinery/errors.ts';
import type { Revision } from '../../storage/storage.ts';
import { clusterRoleResource } from '../../v1/rbac.ts';
import type { Authorizer } from '../authorizer.ts';
import type { Served } from '../catalog.ts';
import type { Admission, Lookup } from '../registry/context.ts';
import type { ItemCache } from '../registry/item.ts';
import { resourcePrefix } from '../registry/keys.ts';
import type { ServerLogger } from '../server.ts';
import { ensureDefaultPolicy, updateAggregates } from './bootstrap.ts';
import { CachedPolicy } from './cached-policy.ts';
import { refuseEscalation } from './escalation.ts';
import { alwaysAllow, RbacAuthorizer, type RuleAuthorizer } from './rbac-authorizer.ts';
import { accessReviews } from './reviews.ts';

/** RBAC: by roles and bindings. AlwaysAllow: whoever has proven who they are may do everything. */
export type AuthorizationMode = 'RBAC' | 'AlwaysAllow';

export interface AuthorizationOptions {
  /** How it is decided; an authorizer of one's own cannot list rules. */
  mode: AuthorizationMode | Authorizer;
  cache: ItemCache;
  /** Reads the newest state of the store. */
  roles: Lookup;
  clock: Clock;
  logger: ServerLogger;
}

/** Who may do what, and what goes with it. */
export interface Authorization {
  readonly authorizer: Authorizer;
  /** The rules that the kinds of RBAC bring to writes. */
  readonly admissions: readonly Admission[];
  /** The kinds by which access is asked about. */
  readonly served: readonly Served[];
  /** Of a write that the store has confirmed to this server: later decisions know it. */
  wrote(key: string, revision: Revision): void;
  /** Resolves once the default roles are there, however long the store keeps us waiting. */
  prepare(client: Client, signal: AbortSignal): Promise<void>;
  /** Keeps the rules of aggregated roles in line until the signal aborts. */
  run(client: Client, signal: AbortSignal): Promise<void>;
}

const pauseMs = 1_000;

export function createAuthorization(options: AuthorizationOptions): Authorization {
  return options.mode === 'RBAC' ? byRules(options) : fixed(options.mode);
}

function fixed(mode: 'AlwaysAllow' | Authorizer): Authorization {
  const authorizer = mode === 'AlwaysAllow' ? alwaysAllow() : withoutRules(mode);
  return {
    authorizer,
    admissions: [],
    served: accessReviews(authorizer),
    wrote: () => undefined,
    prepare: () => Promise.resolve(),
    run: () => Promise.resolve(),
  };
}

function withoutRules(authorizer: Authorizer): RuleAuthorizer {
  return {
    authorize: (attributes) => authorizer.authorize(attributes),
    rulesFor: () => Promise.resolve({ rules: [], missing: ['rules cannot be listed'] }),
  };
}

function byRules({ cache, roles, clock, logger }: AuthorizationOptions): Authorization {
  const policy = new CachedPolicy({
    cache,
    onUnreadable: (key, why) =>
      logger.error({ key, error: why }, 'a role or binding cannot be read and allows nothing'),
  });
  const authorizer = new RbacAuthorizer(policy);
  return {
    authorizer,
    admissions: [refuseEscalation({ authorizer, roles })],
    served: accessReviews(authorizer),
    wrote: (key, revision) => policy.wrote(key, revision),
    prepare: async (client, signal) => {
      while (!signal.aborted) {
        try {
          await ensureDefaultPolicy(client);
          return;
        } catch (error) {
          if (!isApiError(error) || error.code < 500) throw error;
          logger.warn({ error: error.message }, 'the default roles are not there yet');
          await sleep(clock, pauseMs, signal);
        }
      }
    },
    run: async (client, signal) => {
      const stopped = (): boolean => signal.aborted;
      while (!stopped()) {
        try {
          await followRoles(cache, client, signal);
        } catch (error) {
          if (stopped()) return;
          const message = error instanceof Error ? error.message : String(error);
          logger.warn({ error: message }, 'aggregated roles cannot be kept in line');
          await sleep(clock, pauseMs, signal);
        }
      }
    },
  };
}

/** Brings aggregated roles in line now and after each change of a ClusterRole. */
async function followRoles(cache: ItemCache, client: Client, signal: AbortSignal): Promise<void> {
  const prefix = resourcePrefix(clusterRoleResource);
  const { revision } = cache.snapshot(prefix);
  const update = async (): Promise<void> => {
    const { items } = await client.of(clusterRoleResource).list({ resourceVersion: '0' });
    await updateAggregates(client, items);
  };
  await update();
  for await (const { events } of cache.subscribe(prefix, revision, { signal })) {
    if (events.length > 0) await update();
  }
}
