import { ZooKeeperError } from './errors.ts';
import { validatePath } from './paths.ts';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface ConnectString {
  readonly endpoints: readonly Endpoint[];
  /** Empty, or a path without a trailing slash that every path is below. It must exist. */
  readonly chroot: string;
}

const defaultPort = 2181;

/** Reads `host:port,[v6]:port,host/chroot`. Throws BAD_ARGUMENTS saying which part is wrong. */
export function parseConnectString(text: string): ConnectString {
  const slash = text.indexOf('/');
  const hosts = slash === -1 ? text : text.slice(0, slash);
  const chroot = slash === -1 ? '/' : text.slice(slash);
  validatePath(chroot);
  return {
    endpoints: hosts.split(',').map((host) => parseEndpoint(host.trim(), text)),
    chroot: chroot === '/' ? '' : chroot,
  };
}

function parseEndpoint(text: string, whole: string): Endpoint {
  const match = /^(?:\[(?<v6>[^\]]+)\]|(?<name>[^:[\]\s]+))(?::(?<port>\d{1,5}))?$/.exec(text);
  const host = match?.groups?.['v6'] ?? match?.groups?.['name'];
  const port = Number(match?.groups?.['port'] ?? defaultPort);
  if (host === undefined || port < 1 || port > 65_535) {
    throw new ZooKeeperError(
      'BAD_ARGUMENTS',
      'not-sent',
      `${JSON.stringify(text)} in connect string ${JSON.stringify(whole)} is not host:port`,
    );
  }
  return { host, port };
}
