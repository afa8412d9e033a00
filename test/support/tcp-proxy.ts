import { connect, createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';

/**
 * A TCP proxy before a real server that fails the way networks do. It never reads what it carries.
 * A black hole keeps connections open and moves no byte; bytes held back flow again on `resume()`,
 * as retransmissions would.
 */
export interface TcpProxy {
  readonly host: string;
  readonly port: number;
  /** Connections that are open on the client's side. */
  readonly connections: number;
  /** Bytes of clients that have come and that a black hole holds back, as far as it has read them. */
  readonly held: number;
  /** Resets every open connection; new ones are accepted. */
  cut(): void;
  /** Cuts once `bytes` more bytes have gone from the server to the client. */
  cutAfter(bytes: number): void;
  /** Resets every open connection and every new one on arrival, until `resume()`. */
  refuse(): void;
  /** Moves nothing, on open and on new connections; `toClient` loses only the answers. */
  blackHole(direction?: Direction): void;
  /** Delays every chunk, in both directions, by `ms` milliseconds; order is kept. */
  delay(ms: number): void;
  /** Ends `blackHole`, `refuse`, `delay` and a pending `cutAfter`. */
  resume(): void;
  stop(): Promise<void>;
}

export type Direction = 'both' | 'toServer' | 'toClient';

export async function startTcpProxy(target: { host: string; port: number }): Promise<TcpProxy> {
  const proxy = new Proxy(target);
  await proxy.listen();
  return proxy;
}

interface Pair {
  readonly client: Socket;
  readonly upstream: Socket;
}

class Proxy implements TcpProxy {
  readonly host = '127.0.0.1';
  readonly #target: { host: string; port: number };
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #held: Direction | undefined;
  #refusing = false;
  #delayMs = 0;
  #bytesUntilCut: number | undefined;

  constructor(target: { host: string; port: number }) {
    this.#target = target;
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#accept(client));
  }

  async listen(): Promise<void> {
    this.#server.listen(0, this.host);
    await once(this.#server, 'listening');
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy has stopped');
    return address.port;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  get held(): number {
    return [...this.#pairs].reduce((sum, { client }) => sum + client.readableLength, 0);
  }

  cut(): void {
    this.#bytesUntilCut = undefined;
    for (const { client, upstream } of this.#pairs) {
      client.resetAndDestroy();
      upstream.resetAndDestroy();
    }
  }

  cutAfter(bytes: number): void {
    this.#bytesUntilCut = bytes;
  }

  refuse(): void {
    this.#refusing = true;
    this.cut();
  }

  blackHole(direction: Direction = 'both'): void {
    this.#held = direction;
    for (const pair of this.#pairs) this.#applyHold(pair);
  }

  delay(ms: number): void {
    this.#delayMs = ms;
  }

  resume(): void {
    this.#held = undefined;
    this.#refusing = false;
    this.#delayMs = 0;
    this.#bytesUntilCut = undefined;
    for (const pair of this.#pairs) this.#applyHold(pair);
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.cut();
    await closed;
  }

  #accept(client: Socket): void {
    if (this.#refusing) {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect({ ...this.#target, allowHalfOpen: true, noDelay: true });
    client.setNoDelay(true);
    const pair = { client, upstream };
    this.#pairs.add(pair);
    this.#forward(client, upstream, false);
    this.#forward(upstream, client, true);
    this.#applyHold(pair);
  }

  #forward(from: Socket, to: Socket, toClient: boolean): void {
    from.on('data', (chunk) => {
      this.#later(() => {
        if (toClient) this.#countDown(to, chunk);
        else if (!to.destroyed) to.write(chunk);
      });
    });
    from.on('end', () => {
      this.#later(() => to.end());
    });
    from.on('error', () => to.destroy());
    from.on('close', () => {
      for (const pair of this.#pairs) {
        if (pair.client === from || pair.upstream === from) this.#release(pair);
      }
    });
  }

  #release(pair: Pair): void {
    if (!pair.client.destroyed || !pair.upstream.destroyed) {
      // A held direction may still owe bytes; a finished one need not wait.
      this.#later(() => {
        pair.client.destroySoon();
        pair.upstream.destroySoon();
      });
    }
    this.#pairs.delete(pair);
  }

  #countDown(client: Socket, chunk: Buffer): void {
    if (client.destroyed) return;
    if (this.#bytesUntilCut === undefined) {
      client.write(chunk);
      return;
    }
    const passed = chunk.subarray(0, this.#bytesUntilCut);
    this.#bytesUntilCut -= passed.length;
    const cutNow = this.#bytesUntilCut === 0;
    client.write(passed, () => {
      if (cutNow) this.cut();
    });
  }

  #later(action: () => void): void {
    if (this.#delayMs === 0) action();
    else setTimeout(action, this.#delayMs);
  }

  #applyHold({ client, upstream }: Pair): void {
    const held = this.#held;
    if (held === 'both' || held === 'toServer') client.pause();
    else client.resume();
    if (held === 'both' || held === 'toClient') upstream.pause();
    else upstream.resume();
  }
}
