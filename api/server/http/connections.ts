import type { Server, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

/** All connections that a server over TLS has, whatever they speak, from the moment they are made. */
export class Connections {
  readonly #open = new Set<Socket>();
  /** Those that have not agreed on TLS yet, by their other end. */
  readonly #unsecured = new Map<string, Socket>();

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => {
      const end = otherEnd(socket);
      this.#open.add(socket);
      this.#unsecured.set(end, socket);
      socket.once('close', () => {
        this.#open.delete(socket);
        if (this.#unsecured.get(end) === socket) this.#unsecured.delete(end);
      });
    });
    server.on('secureConnection', (socket: TLSSocket) => {
      this.#unsecured.delete(otherEnd(socket));
    });
  }

  destroyUnsecured(): void {
    for (const socket of this.#unsecured.values()) socket.destroy();
  }

  destroy(): void {
    for (const socket of this.#open) socket.destroy();
  }
}

function otherEnd({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
