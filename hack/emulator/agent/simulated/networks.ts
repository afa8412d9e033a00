import { isIPv4, isIPv6 } from 'node:net';

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
  /** An IPAM that gives the addresses which are asked for, of those that the network has. */
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
    return pool.take(network.honoursRequests === true ? requested : []);
  }

  describe(name: string): string {
    const { ipv4 = '', capacity = defaultCapacity } = this.#networks?.get(name) ?? {};
    return `${ipv4}-${addIpv4(ipv4, capacity - 1)}`;
  }
}

const defaultCapacity = 65_000;

/** A network's pools of addresses, one of each family. */
class AddressPool {
  readonly #ipv4: FamilyPool;
  readonly #ipv6: FamilyPool | undefined;

  constructor({ ipv4, ipv6, capacity = defaultCapacity }: SimulatedNetwork) {
    this.#ipv4 = new FamilyPool(capacity, (offset) => addIpv4(ipv4, offset));
    if (ipv6 !== undefined) {
      this.#ipv6 = new FamilyPool(capacity, (offset) => addIpv6(ipv6, offset));
    }
  }

  /** With the addresses that are asked for; undefined if one of them is not to be had. */
  take(requested: readonly string[] = []): Lease | undefined {
    const ipv4 = this.#ipv4.take(requested.find(isIPv4));
    if (ipv4 === undefined) return undefined;
    const ipv6 = this.#ipv6?.take(requested.find(isIPv6));
    const release = (): void => {
      this.#ipv4.release(ipv4);
      if (ipv6 !== undefined) this.#ipv6?.release(ipv6);
    };
    if (this.#ipv6 !== undefined && ipv6 === undefined) {
      release();
      return undefined;
    }
    return { ipv4, ...(ipv6 === undefined ? {} : { ipv6: `${ipv6}/64` }), release };
  }
}

/** Round robin, as host-local: an address that was given back is not the next to be given. */
class FamilyPool {
  readonly #capacity: number;
  readonly #addressAt: (offset: number) => string;
  readonly #used = new Set<string>();
  #next = 0;

  constructor(capacity: number, addressAt: (offset: number) => string) {
    this.#capacity = capacity;
    this.#addressAt = addressAt;
  }

  take(requested: string | undefined): string | undefined {
    const address = requested === undefined ? this.#free() : this.#asked(requested);
    if (address !== undefined) this.#used.add(address);
    return address;
  }

  release(address: string): void {
    this.#used.delete(address);
  }

  #free(): string | undefined {
    if (this.#used.size >= this.#capacity) return undefined;
    for (;;) {
      const address = this.#addressAt(this.#next);
      this.#next = (this.#next + 1) % this.#capacity;
      if (!this.#used.has(address)) return address;
    }
  }

  #asked(requested: string): string | undefined {
    const offset = numberOf(requested) - numberOf(this.#addressAt(0));
    if (offset < 0 || offset >= this.#capacity || this.#used.has(requested)) return undefined;
    return this.#addressAt(offset) === requested ? requested : undefined;
  }
}

/** Of an IPv6 address the last group, which is what is counted up. */
function numberOf(address: string): number {
  if (isIPv4(address)) return ipv4Number(address);
  return Number.parseInt(address.slice(address.lastIndexOf(':') + 1) || '0', 16);
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
