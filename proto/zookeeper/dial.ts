import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Endpoint } from './connect-string.ts';

/**
 * Opens a byte stream to a server, ready for use: for TLS, after the handshake. Rejects when it cannot,
 * and when the signal aborts. A ZooKeeperError is passed on as it is, any other as CONNECTION_LOSS.
 */
export type Dial = (endpoint: Endpoint, signal: AbortSignal) => Promise<Duplex>;

export function tcpDial(): Dial {
  return (endpoint, signal) =>
    whenReady(connect({ ...endpoint, noDelay: true }), 'connect', endpoint, signal);
}

/** Resolves with the socket at its `ready` event; destroys it when the signal aborts before. */
export function whenReady<T extends Socket>(
  socket: T,
  ready: 'connect' | 'secureConnect',
  { host, port }: Endpoint,
  signal: AbortSignal,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const abandon = (): void =>
      void socket.destroy(new Error(`connecting to ${host}:${port} took too long`));
    const settle = (): void => {
      signal.removeEventListener('abort', abandon);
      socket.off('error', fail);
    };
    const fail = (error: Error): void => {
      settle();
      reject(error);
    };
    socket.once('error', fail);
    socket.once(ready, () => {
      settle();
      resolve(socket);
    });
    signal.addEventListener('abort', abandon, { once: true });
    if (signal.aborted) abandon();
  });
}
