import type { Logger } from 'pino';
import type { Clock } from '../../api/machinery/clock.ts';
import type { Metrics } from '../../api/machinery/metrics.ts';
import type { Random } from '../../api/machinery/random.ts';
import type { Reporters } from '../../api/server/endpoint.ts';
import type { HealthCheck } from '../../api/server/health.ts';
import { createApiServer, type ApiServer } from '../../api/server/server.ts';
import type { Storage } from '../../api/storage/storage.ts';
import { resources } from '../../api/v1/resources.ts';
import type { Runnable } from '../runtime/runnable.ts';
import { ConfigError, type Config } from './config.ts';
import { splitAddress, tlsFilesOf, tlsOf } from './listen.ts';
import { accessOf } from './masters.ts';
import { auditOptions, identityOptions, oidcAuthorities, serviceAccountKeys } from './identity.ts';
import { reloading } from './reloading.ts';
import { version } from './version.ts';

export interface ApiContext {
  config: Config;
  storage: Storage;
  metrics: Metrics;
  clock: Clock;
  random: Random;
  logger: Logger;
  readyChecks: readonly HealthCheck[];
  reporters: Reporters;
}

/** The API server that the configuration describes. */
export function apiServerOf({ config, logger, ...context }: ApiContext): ApiServer {
  const { api, serverSetRoot } = config;
  if (api === undefined) throw new ConfigError('api: is needed where the API runs');
  const { host, port } = splitAddress(api.listen);
  const audit = auditOptions(api);
  return createApiServer({
    ...context,
    resources,
    logger: logger.child({ component: 'api' }),
    version,
    authorization: api.authorization,
    identity: identityOptions(api),
    ...(audit === undefined ? {} : { audit }),
    shutdownDelaySeconds: api.shutdownDelaySeconds,
    streams: api.limits,
    ...(config.mesos === undefined ? {} : { mesosRoles: config.mesos.roles }),
    containerNetworking: config.featureGates.ContainerNetworking,
    serverSetRoots: (config.serverSetRoots ?? [{ prefix: `${serverSetRoot}/<namespace>` }]).map(
      ({ prefix, namespaces }) => ({
        prefix,
        ...(namespaces === undefined ? {} : { namespaces }),
      }),
    ),
    agents: config.mesos === undefined ? undefined : accessOf(config.mesos),
    https: {
      host,
      port,
      http2: api.http2,
      connections: { all: api.limits.connections, perAddress: api.limits.connectionsPerAddress },
      tls: tlsOf('api', api),
    },
  });
}

/** Takes on what the files of `api` say when they change. */
export function reloadsOf(
  { config: { api }, clock, logger }: Pick<ApiContext, 'config' | 'clock' | 'logger'>,
  server: Pick<ApiServer, 'setTls' | 'setServiceAccountKeys' | 'setOidcCa'>,
): Runnable[] {
  const files = api && tlsFilesOf(api);
  if (api === undefined || files === undefined) return [];
  const { serviceAccounts, oidc } = api;
  const reloads = [
    reloading({
      what: 'certificate of the API and authorities of its clients',
      files: Object.values(files),
      reload: () => server.setTls(tlsOf('api', files, clock.now())),
      clock,
      logger,
    }),
  ];
  if (serviceAccounts !== undefined) {
    reloads.push(
      reloading({
        what: 'keys of service accounts',
        files: [serviceAccounts.signingKeyFile, ...serviceAccounts.keyFiles],
        reload: () => server.setServiceAccountKeys(serviceAccountKeys(serviceAccounts)),
        clock,
        logger,
      }),
    );
  }
  const caFile = oidc?.caFile;
  if (caFile !== undefined) {
    reloads.push(
      reloading({
        what: 'authorities of the OIDC provider',
        files: [caFile],
        reload: () => server.setOidcCa(oidcAuthorities(caFile)),
        clock,
        logger,
      }),
    );
  }
  return reloads;
}
