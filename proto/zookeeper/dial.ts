import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Endpoint } from './connect-string.ts';

/**
 * Opens a byte stream to a server, ready for use: for TLS, after the handshake. Rejects when it cannot,
 * and when the signal aborts.
 */
export type Dial = (endpoint: Endpoint, signal: AbortSignal) => Promise<Duplex>;

export function tcpDial(): Dial {
  return ({ host, port }, signal) =>
    new Promise((resolve, reject) => {
      const socket = connect({ host, port, noDelay: true });
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
      socket.once('connect', () => {
        settle();
        resolve(socket);
      });
      signal.addEventListener('abort', abandon, { once: true });
      if (signal.aborted) abandon();
    });
}
