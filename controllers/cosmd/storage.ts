import { randomBytes } from 'node:crypto';
import type { Clock } from '../../api/machinery/clock.ts';
import type { Random } from '../../api/machinery/random.ts';
import { EtcdStorage } from '../../api/storage/etcd/driver.ts';
import { MemoryStorage } from '../../api/storage/memory.ts';
import type { Storage } from '../../api/storage/storage.ts';
import { encryptedStorage } from './encryption.ts';
import { ConfigError, readBytes, readText, type Config } from './config.ts';

/** The store that the configuration names, as the API sees it. */
export function openStorage(config: Config, clock: Clock, random: Random): Storage {
  const storage = plainStorage(config, clock, random);
  const encryption = config.api?.encryption;
  return encryption === undefined ? storage : encryptedStorage(storage, encryption, randomBytes);
}

function plainStorage(config: Config, clock: Clock, random: Random): Storage {
  if (config.storage === 'memory') return new MemoryStorage({ clock });
  const { etcd } = config;
  if (etcd === undefined) throw new ConfigError('etcd: is needed with storage: etcd');
  const { caFile, certFile, keyFile, username, passwordFile } = etcd;
  return new EtcdStorage({
    endpoints: etcd.endpoints,
    prefix: etcd.prefix,
    quotaBytes: etcd.quotaBytes,
    clock,
    random,
    ...(caFile === undefined
      ? {}
      : {
          tls: {
            ca: readBytes(caFile, 'etcd.caFile'),
            ...(certFile === undefined ? {} : { cert: readBytes(certFile, 'etcd.certFile') }),
            ...(keyFile === undefined ? {} : { key: readBytes(keyFile, 'etcd.keyFile') }),
          },
        }),
    ...(username === undefined || passwordFile === undefined
      ? {}
      : { auth: { username, password: readText(passwordFile, 'etcd.passwordFile').trim() } }),
  });
}
