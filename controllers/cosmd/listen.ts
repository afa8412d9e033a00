import type { TlsOptions } from '../../api/server/http/listener.ts';
import { readBytes } from './config.ts';

/** `host:port`, the host in brackets if it is an IPv6 address. */
export function splitAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':');
  return {
    host: address.slice(0, colon).replace(/^\[(.*)\]$/, '$1'),
    port: Number(address.slice(colon + 1)),
  };
}

interface TlsFiles {
  certFile: string;
  keyFile: string;
  clientCaFile: string;
}

/** As tlsOf; undefined if no files are named. */
export function optionalTlsOf(
  section: string,
  { certFile, keyFile, clientCaFile }: { [file in keyof TlsFiles]?: string | undefined },
): TlsOptions | undefined {
  if (certFile === undefined || keyFile === undefined || clientCaFile === undefined) {
    return undefined;
  }
  return tlsOf(section, { certFile, keyFile, clientCaFile });
}

/** The content of the files that `section` of the configuration names. Throws ConfigError. */
export function tlsOf(section: string, files: TlsFiles): TlsOptions {
  return {
    cert: readBytes(files.certFile, `${section}.certFile`),
    key: readBytes(files.keyFile, `${section}.keyFile`),
    clientCa: readBytes(files.clientCaFile, `${section}.clientCaFile`),
  };
}
