import { isIPv4 } from 'node:net';

/** A network that exists only as numbers. */
export interface SimulatedNetwork {
  /** The first address; the following ones are handed out in turn. */
  readonly ipv4: string;
  /** For example `fd00:1::10`; with it the network is dual-stack. */
  readonly ipv6?: string;
  /** How many containers fit; default 65,000. */
  readonly capacity?: number;
  /** A plugin that answers in CNI 0.3 form, where Mesos sees no address. */
  readonly unreadable?: boolean;
  /** An IPAM that gives the IPv4 address which is asked for, of those that the network has. */
  readonly honoursRequests?: boolean;
}

export interface Lease {
  readonly ipv4: string;
  readonly ipv6?: string;
  readonly release: () => void;
}

/** The simulated networks of a cluster, shared by its agents: no address twice at a time. */
export class SimulatedNetworks {
  readonly #networks: ReadonlyMap<string, SimulatedNetwork> | undefined;
  readonly #pools = new Map<string, AddressPool>();

  /** Without `networks` every name that a task asks for exists. */
  constructor(networks?: Readonly<Record<string, SimulatedNetwork>>) {
    this.#networks = networks === undefined ? undefined : new Map(Object.entries(networks));
  }

  has(name: string): boolean {
    return this.#networks === undefined || this.#networks.has(name);
  }

  isReadable(name: string): boolean {
    return this.#networks?.get(name)?.unreadable !== true;
  }

  /** Undefined: the network is full, or has not got the address that is asked for. */
  lease(name: string, requested: readonly string[] = []): Lease | undefined {
    const network = this.#networks?.get(name) ?? { ipv4: `10.${64 + this.#pools.size}.0.10` };
    const pool = this.#pools.get(name) ?? new AddressPool(network);
    this.#pools.set(name, pool);
    const asked = network.honoursRequests === true ? requested.find(isIPv4) : undefined;
    return asked === undefined ? pool.take() : pool.takeThis(asked);
  }

  describe(name: string): string {
    const { ipv4 = '', capacity = defaultCapacity } = this.#networks?.get(name) ?? {};
    return `${ipv4}-${addIpv4(ipv4, capacity - 1)}`;
  }
}

const defaultCapacity = 65_000;

/** Round robin, as host-local: an address that was given back is not the next to be given. */
class AddressPool {
  readonly #network: SimulatedNetwork;
  readonly #capacity: number;
  readonly #used = new Set<number>();
  #next = 0;

  constructor(network: SimulatedNetwork) {
    this.#network = network;
    this.#capacity = network.capacity ?? defaultCapacity;
  }

  take(): Lease | undefined {
    if (this.#used.size >= this.#capacity) return undefined;
    while (this.#used.has(this.#next)) this.#next = (this.#next + 1) % this.#capacity;
    const offset = this.#next;
    this.#next = (offset + 1) % this.#capacity;
    return this.#lease(offset);
  }

  takeThis(address: string): Lease | undefined {
    const offset = ipv4Number(address) - ipv4Number(this.#network.ipv4);
    if (offset < 0 || offset >= this.#capacity || this.#used.has(offset)) return undefined;
    return this.#lease(offset);
  }

  #lease(offset: number): Lease {
    this.#used.add(offset);
    const { ipv4, ipv6 } = this.#network;
    return {
      ipv4: addIpv4(ipv4, offset),
      ...(ipv6 === undefined ? {} : { ipv6: `${addIpv6(ipv6, offset)}/64` }),
      release: () => {
        this.#used.delete(offset);
      },
    };
  }
}

function ipv4Number(address: string): number {
  return address.split('.').reduce((value, part) => value * 256 + Number(part), 0);
}

function addIpv4(address: string, offset: number): string {
  const sum = ipv4Number(address) + offset;
  return [24, 16, 8, 0].map((shift) => Math.floor(sum / 2 ** shift) % 256).join('.');
}

/** Counts up the last group of an address in `::` form. */
function addIpv6(address: string, offset: number): string {
  const cut = address.lastIndexOf(':') + 1;
  return (
    address.slice(0, cut) + (Number.parseInt(address.slice(cut) || '0', 16) + offset).toString(16)
  );
}
