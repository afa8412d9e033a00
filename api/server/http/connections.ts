import { isIPv6, type Server, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

/** How many connections there may be. */
export interface ConnectionBounds {
  all: number;
  /** From one address of IPv4, or one network of IPv6 (/64). */
  perAddress: number;
}

/** Which bound a connection was cut for. */
export type CutReason = 'all' | 'address';

interface Connection {
  /** Without TLS: it is there first. */
  socket: Socket;
  host: Host;
}

interface Host {
  open: number;
  /** Those by whom nobody that we know has asked for anything, the oldest first. */
  strangers: Set<Connection>;
}

/**
 * All connections that a server over TLS has, whatever they speak, from the moment they are made. Where there
 * is room for one less, the oldest by which nobody that we know has asked for anything makes room: it may
 * never do more than wait. If all are known, it is the one that has just come.
 */
export class Connections {
  readonly #bounds: ConnectionBounds;
  readonly #onCut: (why: CutReason) => void;
  readonly #open = new Map<Socket, Connection>();
  readonly #strangers = new Set<Connection>();
  readonly #hosts = new Map<string, Host>();
  /** Those that have not agreed on TLS yet, by their other end. */
  readonly #unsecured = new Map<string, Connection>();
  readonly #secured = new WeakMap<Socket, Connection>();

  constructor(
    server: Server,
    bounds: ConnectionBounds,
    onCut: (why: CutReason) => void = () => undefined,
  ) {
    this.#bounds = bounds;
    this.#onCut = onCut;
    server.on('connection', (socket: Socket) => this.#enter(socket));
    server.on('secureConnection', (socket: TLSSocket) => {
      const end = otherEnd(socket);
      const connection = this.#unsecured.get(end);
      this.#unsecured.delete(end);
      if (connection !== undefined) this.#secured.set(socket, connection);
    });
  }

  /** Somebody whom we know has asked for something over a connection, given as what speaks TLS. */
  known(socket: Socket): void {
    const connection = this.#secured.get(socket);
    if (connection === undefined) return;
    this.#strangers.delete(connection);
    connection.host.strangers.delete(connection);
  }

  destroyUnsecured(): void {
    for (const { socket } of this.#unsecured.values()) socket.destroy();
  }

  destroy(): void {
    for (const socket of this.#open.keys()) socket.destroy();
  }

  #enter(socket: Socket): void {
    const end = otherEnd(socket);
    const network = networkOf(socket.remoteAddress ?? '');
    const host = this.#hosts.get(network) ?? { open: 0, strangers: new Set() };
    this.#hosts.set(network, host);
    const connection = { socket, host };
    this.#open.set(socket, connection);
    this.#unsecured.set(end, connection);
    this.#strangers.add(connection);
    host.strangers.add(connection);
    host.open += 1;
    socket.once('close', () => {
      this.#leave(connection);
      if (this.#unsecured.get(end) === connection) this.#unsecured.delete(end);
      if (host.open === 0 && this.#hosts.get(network) === host) this.#hosts.delete(network);
    });
    if (host.open > this.#bounds.perAddress) this.#cutOldest(host.strangers, 'address');
    else if (this.#open.size > this.#bounds.all) this.#cutOldest(this.#strangers, 'all');
  }

  #cutOldest(strangers: ReadonlySet<Connection>, why: CutReason): void {
    const [oldest] = strangers;
    if (oldest === undefined) return;
    this.#onCut(why);
    this.#leave(oldest);
    oldest.socket.destroy();
  }

  /** It counts no more, though it may take a moment to close. */
  #leave(connection: Connection): void {
    if (!this.#open.delete(connection.socket)) return;
    connection.host.open -= 1;
    connection.host.strangers.delete(connection);
    this.#strangers.delete(connection);
  }
}

function otherEnd({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** What one host has: an address of IPv4, in whichever form, or the first half of one of IPv6. */
export function networkOf(address: string): string {
  const embedded = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (embedded !== undefined || !isIPv6(address)) return embedded ?? address;
  const [head = '', tail = ''] = address.split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const given = groups(head).length + groups(tail).length;
  const zeros = new Array<string>(Math.max(0, 8 - given)).fill('0');
  return [...groups(head), ...zeros, ...groups(tail)].slice(0, 4).join(':');
}
