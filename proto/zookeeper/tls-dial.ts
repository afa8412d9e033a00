import { isIP } from 'node:net';
import {
  checkServerIdentity,
  connect,
  createSecureContext,
  type ConnectionOptions,
} from 'node:tls';
import type { Endpoint } from './connect-string.ts';
import { whenReady, type Dial } from './dial.ts';
import { ZooKeeperError } from './errors.ts';

/** PEM throughout. */
export interface TlsOptions {
  /** The authorities that a server must be signed by; no others are believed. */
  readonly ca: Uint8Array;
  /** The certificate that we show, with its chain, and its key. */
  readonly identity?: { readonly cert: Uint8Array; readonly key: Uint8Array } | undefined;
  /** The name that a server's certificate must carry. Default: the host that is connected to. */
  readonly serverName?: string | undefined;
}

/**
 * TLS to a server's `secureClientPort`. A handshake that fails rejects with TLS_FAILED, which says what
 * was wrong with which certificate. Throws BAD_ARGUMENTS unless the certificates and the key can be read.
 */
export function tlsDial(options: TlsOptions): Dial {
  const prepared = prepare(options);
  return async (endpoint, signal) => {
    const socket = connect({
      ...prepared,
      ...endpoint,
      ...nameOf(endpoint, options.serverName),
    });
    socket.setNoDelay(true);
    const tcp = { isConnected: false };
    socket.once('connect', () => (tcp.isConnected = true));
    try {
      return await whenReady(socket, 'secureConnect', endpoint, signal);
    } catch (error) {
      // Silence, and a server that is not there, are no fault of TLS.
      if (!tcp.isConnected || signal.aborted || !(error instanceof Error)) throw error;
      throw handshakeFailed(endpoint, error);
    }
  };
}

function prepare({ ca, identity }: TlsOptions): ConnectionOptions {
  const pem = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
  const own = identity && { cert: pem(identity.cert), key: pem(identity.key) };
  try {
    return { secureContext: createSecureContext({ ca: pem(ca), ...own }) };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `the certificates or the key for TLS cannot be used: ${why}`;
    throw new ZooKeeperError('BAD_ARGUMENTS', 'not-sent', message, { cause });
  }
}

/** An address is compared with the certificate as well, but must not be sent as a name (RFC 6066, 3). */
function nameOf({ host }: Endpoint, serverName = host): ConnectionOptions {
  return {
    checkServerIdentity: (_host, certificate) => checkServerIdentity(serverName, certificate),
    ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
  };
}

function handshakeFailed({ host, port }: Endpoint, cause: Error): ZooKeeperError {
  const code = 'code' in cause && typeof cause.code === 'string' ? ` (${cause.code})` : '';
  return new ZooKeeperError(
    'TLS_FAILED',
    'not-sent',
    `no TLS connection to ${host}:${port}: ${cause.message}${code}`,
    { cause },
  );
}
