import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { limits } from './limits.ts';

/**
 * Requests of HTTP/1.1 that come before those ahead of them on their connection are answered. They are not
 * looked at until it is their turn: behind a watch they would have all that a request has, for good.
 */
export class Pipelines {
  readonly #waiting = new WeakMap<Socket, Set<(hasCome: boolean) => void>>();

  /**
   * Resolves when it is the turn of a response, to true; to false if its connection ends before, as it does
   * where too many wait.
   */
  async turn(socket: Socket, response: ServerResponse): Promise<boolean> {
    if (response.socket !== null) return true;
    if (socket.destroyed) return false;
    const waiting = this.#of(socket);
    if (waiting.size >= limits.pipelined) {
      socket.destroy();
      return false;
    }
    return new Promise((resolve) => {
      waiting.add(resolve);
      response.once('socket', () => {
        waiting.delete(resolve);
        resolve(true);
      });
    });
  }

  #of(socket: Socket): Set<(hasCome: boolean) => void> {
    const known = this.#waiting.get(socket);
    if (known !== undefined) return known;
    const waiting = new Set<(hasCome: boolean) => void>();
    this.#waiting.set(socket, waiting);
    // Node tells the first response alone.
    socket.once('close', () => {
      for (const settle of waiting) settle(false);
    });
    return waiting;
  }
}
