import {
  assertCurrentTls,
  assertUsableTls,
  TlsError,
  type TlsOptions,
} from '../../api/server/http/tls.ts';
import { ConfigError, readBytes } from './config.ts';

/** `host:port`, the host in brackets if it is an IPv6 address. */
export function splitAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':');
  return {
    host: address.slice(0, colon).replace(/^\[(.*)\]$/, '$1'),
    port: Number(address.slice(colon + 1)),
  };
}

/** Files that a section of the configuration names. */
export interface TlsFiles {
  certFile: string;
  keyFile: string;
  clientCaFile: string;
}

/** undefined if the section names none; the configuration has been held to all or none. */
export function tlsFilesOf({
  certFile,
  keyFile,
  clientCaFile,
}: { [file in keyof TlsFiles]?: string | undefined }): TlsFiles | undefined {
  if (certFile === undefined || keyFile === undefined || clientCaFile === undefined) {
    return undefined;
  }
  return { certFile, keyFile, clientCaFile };
}

/**
 * What the files have that `section` of the configuration names. Throws ConfigError for what nobody can
 * serve with, and, where `now` is given, for a certificate that does not count then.
 */
export function tlsOf(section: string, files: TlsFiles, now?: number): TlsOptions {
  const tls = {
    cert: readBytes(files.certFile, `${section}.certFile`),
    key: readBytes(files.keyFile, `${section}.keyFile`),
    clientCa: readBytes(files.clientCaFile, `${section}.clientCaFile`),
  };
  try {
    if (now === undefined) assertUsableTls(tls);
    else assertCurrentTls(tls, now);
  } catch (error) {
    if (!(error instanceof TlsError)) throw error;
    const fields = `${section}.certFile, ${section}.keyFile, ${section}.clientCaFile`;
    throw new ConfigError(`${fields}: ${error.message}`, { cause: error });
  }
  return tls;
}
