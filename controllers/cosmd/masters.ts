import type { Clock } from '../../api/machinery/clock.ts';
import type { Random } from '../../api/machinery/random.ts';
import {
  listDetector,
  zookeeperDetector,
  type MasterDetector,
} from '../../proto/mesos/detector.ts';
import { httpClient, type HttpOptions } from '../../proto/mesos/http.ts';
import { openZooKeeper } from '../../proto/zookeeper/network-client.ts';
import { ConfigError, readBytes, readText, type Config } from './config.ts';

/** How the leading master is found, and how to stop looking. */
export interface Masters {
  detector: MasterDetector;
  /** Resolves once what knows the leader can be asked; rejects when the signal aborts. */
  whenConnected(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

type MesosConfig = NonNullable<Config['mesos']>;

/** How masters and agents are reached, and whom they are told that we are. */
export function accessOf(mesos: MesosConfig): Pick<HttpOptions, 'credential' | 'tls'> {
  return { ...credentialOf(mesos), ...tlsOf(mesos) };
}

function credentialOf({ principal, secretFile }: MesosConfig): Pick<HttpOptions, 'credential'> {
  if (principal === undefined || secretFile === undefined) return {};
  const secret = readText(secretFile, 'mesos.secretFile').trim();
  return { credential: { principal, secret } };
}

function tlsOf({ tls }: MesosConfig): Pick<HttpOptions, 'tls'> {
  if (tls === undefined) return {};
  const { caFile, certFile, keyFile } = tls;
  return {
    tls: {
      ...(caFile === undefined ? {} : { ca: readBytes(caFile, 'mesos.tls.caFile') }),
      ...(certFile === undefined ? {} : { cert: readBytes(certFile, 'mesos.tls.certFile') }),
      ...(keyFile === undefined ? {} : { key: readBytes(keyFile, 'mesos.tls.keyFile') }),
    },
  };
}

/** `zk://host:port,…/path`, or a list of `host:port` of which one names the leader. */
export function findMasters(
  masters: string | readonly string[],
  http: HttpOptions,
  context: { clock: Clock; random: Random },
): Masters {
  if (typeof masters !== 'string') {
    const addresses = masters.map((address) => {
      const colon = address.lastIndexOf(':');
      return { hostname: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
    });
    return {
      detector: listDetector(addresses, httpClient(http), context.random),
      whenConnected: () => Promise.resolve(),
      close: () => Promise.resolve(),
    };
  }
  const [, connectString, path] = /^zk:\/\/([^/]+)(\/.+)$/.exec(masters) ?? [];
  if (connectString === undefined || path === undefined) {
    throw new ConfigError('mesos.masters: must be zk://host:port[,host:port…]/path');
  }
  const zookeeper = openZooKeeper({ connectString, ...context });
  return {
    detector: zookeeperDetector(zookeeper, path),
    whenConnected: (signal) => zookeeper.whenConnected(signal),
    close: async () => {
      await zookeeper.close();
    },
  };
}
