import { connect, createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { codec } from '../../proto/mesos/codec.ts';
import type { TaskStatus } from '../../proto/mesos/generated/messages.ts';
import { RecordDecoder } from '../../proto/mesos/recordio.ts';

/** Told of a status update when its bytes pass, with the wall time in milliseconds. */
export type UpdateListener = (update: TaskStatus, at: number) => void;

/**
 * A relay of bytes between cosmd and the master that notes when status updates pass. It reads only the
 * answer to SUBSCRIBE; what else goes through costs it a copy.
 */
export class WireTap {
  readonly #server = createServer({ noDelay: true }, (socket) => {
    this.#relay(socket);
  });
  readonly #target: { host: string; port: number };
  readonly #sockets = new Set<Socket>();
  readonly #listeners = new Set<UpdateListener>();

  private constructor(target: { host: string; port: number }) {
    this.#target = target;
  }

  /** `target`: `host:port` of the master. */
  static async start(target: string): Promise<WireTap> {
    const { hostname, port } = new URL(`http://${target}`);
    const tap = new WireTap({ host: hostname, port: Number(port) });
    tap.#server.listen(0, '127.0.0.1');
    await once(tap.#server, 'listening');
    return tap;
  }

  /** `host:port`, for a framework's list of masters. */
  get address(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the tap has stopped');
    return `127.0.0.1:${address.port}`;
  }

  onUpdate(listener: UpdateListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  stop(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #relay(near: Socket): void {
    this.#keep(near);
    near.once('data', (head: Buffer) => {
      if (isRedirect(head)) near.end(redirectTo(this.address));
      else this.#connect(near, head);
    });
  }

  #connect(near: Socket, head: Buffer): void {
    const far = connect({ ...this.#target, noDelay: true });
    this.#keep(far);
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
    const reader = isSubscribe(head)
      ? new StreamReader((update) => this.#passed(update))
      : undefined;
    far.write(head);
    near.on('data', (chunk: Buffer) => far.write(chunk));
    far.on('data', (chunk: Buffer) => {
      near.write(chunk);
      reader?.push(chunk);
    });
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
  }

  #passed(update: TaskStatus): void {
    const at = performance.timeOrigin + performance.now();
    for (const listener of this.#listeners) listener(update, at);
  }
}

/** Who asks for the leader is told that it is behind us. */
function isRedirect(head: Buffer): boolean {
  return /^GET \S*\/redirect /.test(head.toString('latin1'));
}

function redirectTo(address: string): string {
  return [
    'HTTP/1.1 307 Temporary Redirect',
    `Location: //${address}`,
    'Content-Length: 0',
    'Connection: close',
    '\r\n',
  ].join('\r\n');
}

/** Only SUBSCRIBE names no stream; all other calls say which one they belong to. */
function isSubscribe(head: Buffer): boolean {
  const text = head.toString('latin1').toLowerCase();
  return text.startsWith('post /api/v1/scheduler ') && !text.includes('\r\nmesos-stream-id:');
}

/** Reads an answer's body, in chunks as HTTP/1.1 frames them, as RecordIO of events. */
class StreamReader {
  readonly #records = new RecordDecoder();
  readonly #event = codec('mesos.v1.scheduler.Event');
  readonly #onUpdate: (update: TaskStatus) => void;
  #pending: Buffer = Buffer.alloc(0);
  #inBody = false;

  constructor(onUpdate: (update: TaskStatus) => void) {
    this.#onUpdate = onUpdate;
  }

  push(bytes: Buffer): void {
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    if (!this.#inBody) this.#skipHead();
    if (!this.#inBody) return;
    for (let chunk = this.#chunk(); chunk !== undefined; chunk = this.#chunk()) {
      for (const record of this.#records.push(chunk)) {
        const { update } = this.#event.decode(record);
        if (update !== undefined) this.#onUpdate(update.status);
      }
    }
  }

  #skipHead(): void {
    const end = this.#pending.indexOf('\r\n\r\n');
    if (end < 0) return;
    this.#pending = this.#pending.subarray(end + 4);
    this.#inBody = true;
  }

  /** The next whole chunk. */
  #chunk(): Buffer | undefined {
    const line = this.#pending.indexOf('\r\n');
    if (line < 0) return undefined;
    const size = Number.parseInt(this.#pending.toString('latin1', 0, line), 16);
    const end = line + 2 + size;
    if (this.#pending.length < end + 2) return undefined;
    const chunk = this.#pending.subarray(line + 2, end);
    this.#pending = this.#pending.subarray(end + 2);
    return chunk;
  }
}
