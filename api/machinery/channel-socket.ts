import type { RawData, WebSocket } from 'ws';
import type { Clock, Timer } from './clock.ts';

/** Kubernetes' channels over one WebSocket: each message begins with the number of its channel. */

export const channels = {
  stdin: 0,
  stdout: 1,
  stderr: 2,
  error: 3,
  resize: 4,
  close: 255,
} as const;

/** In the order in which we prefer them; v5 can close a channel, which is how input ends. */
export const channelProtocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io'] as const;

/** Bytes of one message; longer ones end the connection. */
export const maxMessageBytes = 4 * 1024 * 1024;

/** Bytes that may wait to be taken before no more is read from the network. */
const waitingBytes = 256 * 1024;

/** Peers that hear nothing for a minute hang up; ours must say something also while it does not read. */
const keepAliveMs = 15_000;

export interface ChannelMessage {
  channel: number;
  data: Buffer;
}

/** The end of a connection, as WebSockets name it. */
export interface Closing {
  code: number;
  reason: string;
}

/**
 * One end of the connection, with back-pressure both ways: what is sent is awaited, and what is not
 * taken is not read.
 */
export class ChannelSocket {
  /** Resolves at the end, whichever side brought it about. */
  readonly closed: Promise<Closing>;
  /** Aborts then. */
  readonly signal: AbortSignal;
  readonly #socket: WebSocket;
  readonly #clock: Clock;
  readonly #queue: ChannelMessage[] = [];
  #bytes = 0;
  #ended = false;
  #timer: Timer | undefined;
  #wake: () => void = () => undefined;

  constructor(socket: WebSocket, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    const gone = new AbortController();
    this.signal = gone.signal;
    socket.on('message', (data) => this.#receive(data));
    // The close that follows says what there is to say.
    socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      socket.once('close', (code, reason) => {
        this.#ended = true;
        this.#timer?.cancel();
        gone.abort();
        this.#wake();
        resolve({ code, reason: reason.toString('utf8') });
      });
    });
    if (socket.readyState === socket.OPEN) this.#keepAlive();
    else socket.once('open', () => this.#keepAlive());
  }

  /** Resolves once the network has taken it. Rejects once the connection has ended. */
  send(channel: number, data: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.send(
        Buffer.concat([Buffer.from([channel]), data]),
        { binary: true },
        (error) => {
          if (error) reject(error);
          else resolve();
        },
      );
    });
  }

  /** To be iterated by one reader at a time. Ends with the connection. */
  async *messages(): AsyncGenerator<ChannelMessage, void, undefined> {
    for (;;) {
      const next = this.#queue.shift();
      if (next !== undefined) {
        this.#bytes -= next.data.length;
        if (this.#bytes < waitingBytes && this.#socket.isPaused) this.#socket.resume();
        yield next;
      } else if (this.#ended) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Says goodbye, and hangs up if the other side does not answer in `lingerMs`. */
  async close({ code, reason }: Closing, lingerMs: number): Promise<void> {
    // What still comes is dropped: only the answer to the goodbye counts.
    this.#ended = true;
    this.#wake();
    if (this.#socket.isPaused) this.#socket.resume();
    this.#socket.close(code, reason);
    const timer = this.#clock.after(lingerMs, () => this.#socket.terminate());
    await this.closed;
    timer.cancel();
  }

  #receive(raw: RawData): void {
    const message = bytesOf(raw);
    const [channel] = message;
    if (channel === undefined || this.#ended) return;
    this.#queue.push({ channel, data: message.subarray(1) });
    this.#bytes += message.length - 1;
    if (this.#bytes >= waitingBytes) this.#socket.pause();
    this.#wake();
  }

  #keepAlive(): void {
    this.#timer = this.#clock.after(keepAliveMs, () => {
      // Its pings lie unread while we do not read: it hears from us all the same.
      if (this.#socket.isPaused) this.#socket.pong();
      else this.#socket.ping();
      this.#keepAlive();
    });
  }
}

function bytesOf(raw: RawData): Buffer {
  if (Buffer.isBuffer(raw)) return raw;
  return Array.isArray(raw) ? Buffer.concat(raw) : Buffer.from(raw);
}
