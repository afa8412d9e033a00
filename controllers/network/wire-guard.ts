import { wireKey } from '../../api/v1/address-claim.ts';
import type { ClaimView } from './claim-view.ts';

/**
 * A CNI network may be offered by several Networks, also because one was renamed, and a claim is named
 * after its Network. This lets only one claim of an address come into being, of all its names: whoever is
 * about to create one reserves the address before, and nobody else may until it is known what came of it.
 * Only the leader creates claims, so what it knows here is all there is.
 */
export class WireGuard {
  readonly #view: Pick<ClaimView, 'ofWire' | 'onChange'>;
  readonly #wake: (name: string) => void;
  /** Names of claims that are being created, by address. */
  readonly #reserved = new Map<string, string>();
  /** Names of claims that wait for another one to go, by address. */
  readonly #blocked = new Map<string, Set<string>>();

  /** `wake` is told the names of claims that may be tried again. */
  constructor(view: Pick<ClaimView, 'ofWire' | 'onChange'>, wake: (name: string) => void) {
    this.#view = view;
    this.#wake = wake;
    view.onChange(({ spec }) => this.#retry(wireKey(spec)));
  }

  /** Whether the claim may be created; if not, its name is told to `wake` once that may have changed. */
  reserve(wire: string, name: string): boolean {
    const reserver = this.#reserved.get(wire) ?? name;
    const isTaken = this.#view.ofWire(wire).some(({ metadata }) => metadata.name !== name);
    if (reserver === name && !isTaken) {
      this.#reserved.set(wire, name);
      return true;
    }
    const blocked = this.#blocked.get(wire) ?? new Set();
    this.#blocked.set(wire, blocked.add(name));
    return false;
  }

  /** Whether a claim was to be created and nobody knows what came of it. */
  isUnsettled(name: string): boolean {
    return [...this.#reserved.values()].includes(name);
  }

  /** It is known whether the claim was created, and the view has it if it was. */
  settle(name: string): void {
    for (const [wire, reserver] of this.#reserved) {
      if (reserver !== name) continue;
      this.#reserved.delete(wire);
      this.#retry(wire);
    }
  }

  #retry(wire: string): void {
    const blocked = this.#blocked.get(wire);
    this.#blocked.delete(wire);
    for (const name of blocked ?? []) this.#wake(name);
  }
}
