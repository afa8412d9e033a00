import { setMaxListeners } from 'node:events';
import { createClient } from '../client/resource-client.ts';
import type { Transport } from '../client/transport.ts';
import { sleep, type Clock } from '../machinery/clock.ts';
import type { KubeObject } from '../machinery/metadata.ts';
import type { Metrics } from '../machinery/metrics.ts';
import type { Random } from '../machinery/random.ts';
import type { AnyResource } from '../machinery/resource.ts';
import { WatchCache, type Snapshot } from '../storage/cache.ts';
import type { Storage } from '../storage/storage.ts';
import { leaseResource, namespaceResource } from '../v1/core.ts';
import { jobResource } from '../v1/job.ts';
import { giveDefaultNetwork } from './admission/default-network.ts';
import { giveResources, restrictResources } from './admission/limit-range.ts';
import { adviseOnAnnotations } from './admission/annotation-advice.ts';
import { adviseOnNetworks, type CachedObjects } from './admission/network-advice.ts';
import { admitAddresses } from './admission/addresses.ts';
import { admitNetworks } from './admission/networks.ts';
import { restrictOwners } from './admission/owners.ts';
import { QuotaBudget } from './admission/quota.ts';
import { admitServerSetPath, type ServerSetRoot } from './admission/server-set-roots.ts';
import { admitTenancy, giveTenancy, restrictTenancy } from './admission/tenancy.ts';
import { auditing, type AuditOptions } from './audit/auditing.ts';
import {
  identityOf,
  type IdentityOptions,
  type ServiceAccountKeys,
} from './authentication/identity.ts';
import { identityReviews } from './authentication/reviews.ts';
import { tokenRequests } from './authentication/token-requests.ts';
import { createAuthorization, type AuthorizationMode } from './authorization/authorization.ts';
import type { Authorizer } from './authorizer.ts';
import { autoscalersOf } from './autoscaler-view.ts';
import { Catalog } from './catalog.ts';
import { createCustomKinds } from './crd/serve.ts';
import { admitStoredVersions } from './crd/status-rules.ts';
import { Discovery } from './discovery.ts';
import { Dispatcher } from './dispatcher.ts';
import { Endpoint, type EndpointOptions, type Reporters } from './endpoint.ts';
import { cacheCheck, shutdownCheck, storageCheck, type HealthCheck } from './health.ts';
import { eventsOf } from './event-view.ts';
import { HttpsListener, type ListenOptions } from './http/listener.ts';
import type { TlsOptions } from './http/tls.ts';
import { InProcessTransport } from './in-process.ts';
import { OpenApi } from './openapi/openapi.ts';
import type { AgentAccess } from './pods/agents.ts';
import { podsOf } from './pods/endpoint.ts';
import { podMetricsOf } from './resource-metrics/endpoint.ts';
import type { Directory, User } from './registry/context.ts';
import { UnreadableObjectError, withRevision, type ItemCache } from './registry/item.ts';
import { listPrefix, objectStorageKey, resourcePrefix } from './registry/keys.ts';
import { Outbox } from './registry/outbox.ts';
import { ItemStore } from './registry/store.ts';
import { ensureNamespaces } from './start.ts';
import { measuredStorage, tellStoredObjects } from './storage-metrics.ts';
import type { StreamBounds } from './traffic/open-streams.ts';
import { Traffic } from './traffic/traffic.ts';
import { versionInfo } from './version.ts';

/** Where the server tells what no client is told. */
export interface ServerLogger {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

export interface ApiServerOptions {
  storage: Storage;
  resources: readonly AnyResource[];
  clock: Clock;
  random: Random;
  logger: ServerLogger;
  /** Version of this program, e.g. `0.1.0`. */
  version: string;
  /** Where namespaces may publish in ZooKeeper. */
  serverSetRoots: readonly ServerSetRoot[];
  /** Roles that offers are taken for; not known if absent. */
  mesosRoles?: readonly string[];
  /** Feature gate: false refuses Jobs with networks and leaves those that have them alone. */
  containerNetworking?: boolean;
  /** Conditions of /readyz besides the server's own. */
  readyChecks?: readonly HealthCheck[];
  /** Who may do what. RBAC needs its kinds among the resources. */
  authorization: AuthorizationMode | Authorizer;
  /** Whom we know besides those with a client certificate. */
  identity?: IdentityOptions;
  /** Where and how much of what is written down; nothing if absent. */
  audit?: AuditOptions;
  /** Of this process, served at /metrics. */
  metrics?: Metrics;
  /** What computes read-only subresources, such as `jobs/drift`; without it they answer 503. */
  reporters?: Reporters;
  /** How agents are asked for logs and sessions of tasks; without it they answer 503. */
  agents?: AgentAccess | undefined;
  /** HTTPS; without it the server is reached in process only. */
  https?: ListenOptions & { tls: TlsOptions };
  /** How many watches and sessions may be open; the default bounds if absent. */
  streams?: StreamBounds;
  /**
   * How long /readyz says that the server is about to stop while it serves as before, so that load
   * balancers take notice; 0 if absent.
   */
  shutdownDelaySeconds?: number;
}

export interface ApiServer {
  /**
   * Listens, then resolves once the cache holds the store's state and the standing namespaces exist:
   * /readyz tells what it is waiting for.
   */
  start(): Promise<void>;
  /** Is not ready any more, serves on for the delay, ends watches, lets requests finish, closes the port. */
  stop(): Promise<void>;
  /** The API in process, as `user`. */
  transport(user: User): Transport;
  /**
   * Key, certificate and authorities that count for connections from now on; those of an authority that has
   * gone end with their last answer. Answers whether they are others than before. Throws TlsError.
   */
  setTls(tls: TlsOptions): boolean;
  /** Keys of service accounts' tokens from now on. Answers whether they are others than before. */
  setServiceAccountKeys(keys: ServiceAccountKeys): boolean;
  /** Who must have signed the OIDC provider from now on, in PEM. Answers whether they are others than before. */
  setOidcCa(ca: string | Buffer): boolean;
  /** Where HTTPS listens, once started. */
  readonly address: { host: string; port: number } | undefined;
}

/**
 * What the cache keeps for watchers that lag: bytes are the bound, so that a burst of small changes
 * does not cost watchers their place.
 */
const cacheLimits = { events: 100_000, bytes: 64 * 1024 * 1024 };

/** The identity of the server's own writes. */
export const systemUser: User = { name: 'system:apiserver', groups: ['system:masters'] };

export function createApiServer(options: ApiServerOptions): ApiServer {
  const { resources, clock, logger, metrics } = options;
  const storage =
    metrics === undefined ? options.storage : measuredStorage(options.storage, metrics, clock);
  /** Aborted one after another: the server is about to stop; watches are to end; nothing runs any more. */
  const leaving = new AbortController();
  const stopping = new AbortController();
  // Every watch listens to it.
  setMaxListeners(0, stopping.signal);
  const running = new AbortController();
  const outbox = new Outbox();
  const cache = new WatchCache({
    storage,
    clock,
    random: options.random,
    decode: (key, value, revision) => {
      try {
        return outbox.decode(key, value, revision);
      } catch (error) {
        if (error instanceof UnreadableObjectError) {
          logger.warn({ key, error: error.message }, 'a stored object cannot be decrypted');
        }
        throw error;
      }
    },
    atRevision: withRevision,
    limits: cacheLimits,
    onError: (error) => {
      logger.warn({ error: error.message, code: error.code }, 'the store cannot be followed');
    },
  });
  if (metrics !== undefined) tellStoredObjects(metrics, cache);
  const leasePrefix = resourcePrefix(leaseResource);
  const store = new ItemStore({
    storage,
    cache,
    outbox,
    leasePrefix,
    onWritten: (key, revision) => authorization.wrote(key, revision),
  });
  const lookups = lookupsOf(resources, store, cache);
  const authorization = createAuthorization({
    ...options,
    mode: options.authorization,
    cache,
    roles: lookups.live,
  });
  const rules = {
    admissions: [
      admitNetworks({ containerNetworking: options.containerNetworking ?? true }),
      admitAddresses(),
      admitServerSetPath(options.serverSetRoots),
      admitTenancy,
      admitStoredVersions(),
      ...authorization.admissions,
    ],
    restrictions: [
      restrictOwners({ authorizer: authorization.authorizer, kinds: () => catalog.resources }),
      restrictTenancy(options.mesosRoles),
      restrictResources,
    ],
    defaulters: [giveDefaultNetwork, giveTenancy, giveResources],
    advisors: [adviseOnNetworks(cachedObjects(cache)), adviseOnAnnotations],
    budget: new QuotaBudget({ ...options, cache, store, signal: running.signal }),
  };
  const identity = identityOf(options.identity ?? {}, { ...options, lookups });
  const connectors = {
    'serviceaccounts/token': tokenRequests({ ...identity, live: lookups.live, clock }),
  };
  const shared = { ...options, ...rules, connectors, storage, lookups, stopping: stopping.signal };
  const endpoint = (of: Pick<EndpointOptions, 'resource' | 'store' | 'cache'>): Endpoint =>
    new Endpoint({ ...shared, ...of });
  const endpoints = resources.map((resource) => endpoint({ resource, store, cache }));
  const tasksBehind = { ...options, storage, store, cache, stopping: stopping.signal };
  const catalog: Catalog = new Catalog([
    ...endpoints,
    ...eventsOf(resources, { store, cache }).map(endpoint),
    ...autoscalersOf(resources, { store, cache }).map(endpoint),
    ...podsOf(endpoints, tasksBehind),
    ...podMetricsOf(endpoints, tasksBehind),
    ...authorization.served,
    ...identityReviews(identity.authentication),
  ]);
  const own = catalog.resources;
  const audit = auditing(options.audit, options);
  let following: Promise<unknown> | undefined;
  const dispatcher = new Dispatcher({
    catalog,
    authorizer: authorization.authorizer,
    discovery: new Discovery(catalog),
    openApi: new OpenApi(catalog, options.version),
    version: versionInfo({ version: options.version }),
    livez: [],
    healthz: [storageCheck(storage), cacheCheck(cache)],
    readyz: [
      storageCheck(storage),
      cacheCheck(cache),
      ...audit.checks,
      ...(options.readyChecks ?? []),
      shutdownCheck(leaving.signal),
    ],
    metrics: options.metrics,
    issuer: identity.issuer,
    auditor: audit.auditor,
    random: options.random,
    onFault: (error, request) => {
      const cause = error instanceof Error ? error.stack : String(error);
      logger.error({ ...request, error: cause }, 'a request failed in the server');
    },
  });
  const transport = new InProcessTransport(dispatcher, systemUser);
  const customKinds = createCustomKinds({
    catalog,
    own,
    cache,
    store,
    endpoint,
    transport,
    user: systemUser,
    clock,
    logger,
    signal: running.signal,
  });
  const listener =
    options.https === undefined
      ? undefined
      : new HttpsListener({
          ...options.https,
          dispatcher,
          traffic: new Traffic({ ...options, dispatcher, catalog }),
          metrics,
          authentication: identity.authentication,
          clock,
          logger,
        });

  return {
    start: async () => {
      await listener?.start();
      const { signal } = running;
      const caching = cache.run(signal);
      following = caching;
      await ensureNamespaces({ transport, cache, clock, logger, signal });
      const client = createClient(transport);
      await authorization.prepare(client, signal);
      following = Promise.all([caching, authorization.run(client, signal), customKinds.run()]);
    },
    stop: async () => {
      leaving.abort();
      const { shutdownDelaySeconds = 0 } = options;
      if (shutdownDelaySeconds > 0) await sleep(clock, shutdownDelaySeconds * 1000);
      stopping.abort();
      await listener?.stop();
      running.abort();
      await following;
      await identity.close();
      await audit.stop();
    },
    transport: (user) => new InProcessTransport(dispatcher, user),
    setTls: (tls) => listener?.setTls(tls) ?? false,
    setServiceAccountKeys: (keys) => identity.setKeys(keys),
    setOidcCa: (ca) => identity.setOidcCa(ca),
    get address() {
      return listener?.address;
    },
  };
}

function lookupsOf(
  resources: readonly AnyResource[],
  store: ItemStore,
  cache: ItemCache,
): { cached: Directory; live: Directory } {
  const byPlural = new Map(resources.map((resource) => [resource.plural, resource]));
  const keyOf = (plural: string, ref: { namespace?: string; name: string }): string | undefined => {
    const resource = byPlural.get(plural);
    return resource === undefined ? undefined : objectStorageKey(resource, ref);
  };
  const prefixOf = (plural: string, namespace: string): string | undefined => {
    const resource = byPlural.get(plural);
    return resource === undefined ? undefined : listPrefix(resource, namespace);
  };
  return {
    cached: {
      get: (plural, ref) => {
        const key = keyOf(plural, ref);
        return Promise.resolve(key === undefined ? undefined : store.peek(key)?.object);
      },
      list: (plural, namespace) => {
        const prefix = prefixOf(plural, namespace);
        return Promise.resolve(prefix === undefined ? [] : objectsOf(cache.snapshot(prefix)));
      },
    },
    live: {
      get: async (plural, ref) => {
        const key = keyOf(plural, ref);
        return key === undefined ? undefined : (await store.newest(key))?.object;
      },
      list: async (plural, namespace) => {
        const prefix = prefixOf(plural, namespace);
        return prefix === undefined ? [] : objectsOf(await cache.list(prefix));
      },
    },
  };
}

function objectsOf(snapshot: Snapshot<KubeObject>): KubeObject[] {
  return [...snapshot.entries()].map(({ object }) => object);
}

function cachedObjects(cache: ItemCache): CachedObjects {
  return {
    jobs: function* () {
      const snapshot = cache.snapshot(resourcePrefix(jobResource));
      for (const { object } of snapshot.entries()) yield object;
    },
    namespace: (name) => cache.get(objectStorageKey(namespaceResource, { name }))?.object,
  };
}
