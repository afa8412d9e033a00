/**
 * Who has which address: what is asked about an address, or told about a holder, costs what that one has,
 * not what there is. Addresses and holders are any texts.
 */
export class AddressBook {
  readonly #addresses = new Map<string, readonly string[]>();
  readonly #holders = new Map<string, readonly string[]>();
  readonly #shared = new Set<string>();

  /** The holder has exactly these addresses from now on; answers those that it gained or lost. */
  set(holder: string, addresses: readonly string[]): readonly string[] {
    const after = new Set(addresses);
    const before = new Set(this.addressesOf(holder));
    const gained = [...after].filter((address) => !before.has(address));
    const lost = [...before].filter((address) => !after.has(address));
    for (const address of gained) this.#put(address, [...this.holdersOf(address), holder]);
    for (const address of lost) {
      this.#put(
        address,
        this.holdersOf(address).filter((other) => other !== holder),
      );
    }
    if (after.size === 0) this.#addresses.delete(holder);
    else if (gained.length + lost.length > 0) this.#addresses.set(holder, [...after]);
    return [...gained, ...lost];
  }

  addressesOf(holder: string): readonly string[] {
    return this.#addresses.get(holder) ?? [];
  }

  holdersOf(address: string): readonly string[] {
    return this.#holders.get(address) ?? [];
  }

  /** Addresses that several have. */
  get shared(): ReadonlySet<string> {
    return this.#shared;
  }

  #put(address: string, holders: readonly string[]): void {
    if (holders.length === 0) this.#holders.delete(address);
    else this.#holders.set(address, holders);
    if (holders.length > 1) this.#shared.add(address);
    else this.#shared.delete(address);
  }
}
