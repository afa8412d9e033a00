import type { Logger } from 'pino';
import type { Clock } from '../../api/machinery/clock.ts';
import type { Random } from '../../api/machinery/random.ts';
import type { SessionEvent, ZooKeeperClient } from '../../proto/zookeeper/client.ts';
import { creatorAcl, digestAuthentication } from '../../proto/zookeeper/digest.ts';
import { isZooKeeperError } from '../../proto/zookeeper/errors.ts';
import { openZooKeeper, type ZooKeeperOptions } from '../../proto/zookeeper/network-client.ts';
import { tlsDial } from '../../proto/zookeeper/tls-dial.ts';
import { ConfigError, readBytes, readText, type Config } from './config.ts';

export type ZooKeeperConfig = NonNullable<Config['zookeeper']>;

/** The ZooKeeper that ServerSets are written to. Throws ConfigError for files that cannot be used. */
export function openServerSets(
  config: ZooKeeperConfig,
  context: { clock: Clock; random: Random; logger: Logger },
): ZooKeeperClient {
  const { clock, random, logger } = context;
  const client = openZooKeeper({
    connectString: config.connect,
    sessionTimeoutMs: config.sessionTimeoutSeconds * 1000,
    clock,
    random,
    ...dialOf(config),
    ...identityOf(config),
  });
  client.subscribe(sessionLog(logger));
  return client;
}

function dialOf({ tls }: ZooKeeperConfig): Pick<ZooKeeperOptions, 'dial'> {
  if (tls === undefined) return {};
  const { caFile, certFile, keyFile, serverName } = tls;
  const identity = certFile !== undefined &&
    keyFile !== undefined && {
      cert: readBytes(certFile, 'zookeeper.tls.certFile'),
      key: readBytes(keyFile, 'zookeeper.tls.keyFile'),
    };
  const ca = readBytes(caFile, 'zookeeper.tls.caFile');
  return asConfigured('zookeeper.tls', () => ({
    dial: tlsDial({ ca, serverName, ...(identity === false ? {} : { identity }) }),
  }));
}

function identityOf(config: ZooKeeperConfig): Pick<ZooKeeperOptions, 'authentications' | 'acl'> {
  const { digest, acl } = config;
  if (digest === undefined) return {};
  const password = readText(digest.passwordFile, 'zookeeper.digest.passwordFile').trim();
  const user = { user: digest.user, password };
  return asConfigured('zookeeper.digest', () => ({
    authentications: [digestAuthentication(user)],
    ...(acl === 'Creator' ? { acl: creatorAcl(user) } : {}),
  }));
}

function asConfigured<T>(field: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!isZooKeeperError(error, 'BAD_ARGUMENTS')) throw error;
    throw new ConfigError(`${field}: ${error.message}`, { cause: error });
  }
}

/** Says what becomes of the session; what is tried again and again in vain is said once. */
function sessionLog(logger: Logger): (event: SessionEvent) => void {
  let said: string | undefined;
  return (event) => {
    switch (event.type) {
      case 'connected':
        said = undefined;
        logger.info({ resumed: event.resumed }, 'connected to ZooKeeper');
        return;
      case 'disconnected':
        logger.warn({ err: event.reason }, 'the connection to ZooKeeper is lost');
        return;
      case 'unreachable':
        if (event.reason.message === said) return;
        said = event.reason.message;
        logger.warn({ err: event.reason }, 'ZooKeeper cannot be reached');
        return;
      case 'expired':
        logger.warn('the session has expired; members stay');
        return;
      case 'closed':
    }
  };
}
