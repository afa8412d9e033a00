import { wireKey, type AddressClaim } from '../../api/v1/address-claim.ts';
import type { Informer } from '../runtime/informer.ts';
import { BoundedMap } from '../runtime/bounded-map.ts';
import { instanceKeyOf, type ClaimLookup } from './claims.ts';

/** Deleted claims that are remembered, so that an answer that comes late does not bring one back. */
const maxTombstones = 10_000;

/**
 * The newest state known of every claim: what the informer brought or what the claims loop wrote,
 * whichever is newer. Versions are etcd revisions and compare as numbers.
 */
export class ClaimView implements ClaimLookup {
  readonly #claims = new Map<string, AddressClaim>();
  readonly #indexes = {
    instance: new Map<string, Map<string, AddressClaim>>(),
    job: new Map<string, Map<string, AddressClaim>>(),
    task: new Map<string, Map<string, AddressClaim>>(),
    wire: new Map<string, Map<string, AddressClaim>>(),
  };
  readonly #gone = new BoundedMap<string, true>(maxTombstones);
  readonly #listeners: ((claim: AddressClaim) => void)[] = [];

  /** Follows an informer; returns the way to stop that. */
  follow(informer: Pick<Informer<AddressClaim>, 'onChange'>): () => void {
    return informer.onChange(({ type, object }) => {
      if (type === 'deleted') this.removed(object);
      else this.put(object);
    });
  }

  /** Called once the view has the change, of a claim that was removed too. */
  onChange(listener: (claim: AddressClaim) => void): void {
    this.#listeners.push(listener);
  }

  get(name: string): AddressClaim | undefined {
    return this.#claims.get(name);
  }

  ofInstance(key: string): readonly AddressClaim[] {
    return [...(this.#indexes.instance.get(key)?.values() ?? [])];
  }

  ofJob(uid: string): readonly AddressClaim[] {
    return [...(this.#indexes.job.get(uid)?.values() ?? [])];
  }

  ofWire(key: string): readonly AddressClaim[] {
    return [...(this.#indexes.wire.get(key)?.values() ?? [])];
  }

  heldBy(taskUid: string): readonly AddressClaim[] {
    return [...(this.#indexes.task.get(taskUid)?.values() ?? [])];
  }

  /** A state that somebody read or wrote; an older one than is known changes nothing. */
  put(claim: AddressClaim): void {
    const { name, uid } = claim.metadata;
    const known = this.#claims.get(name);
    if (this.#gone.get(uid) === true) return;
    if (known !== undefined && versionOf(claim) <= versionOf(known)) return;
    if (known !== undefined) this.#unindex(known);
    this.#claims.set(name, claim);
    for (const [index, key] of this.#keysOf(claim)) {
      let claims = index.get(key);
      if (claims === undefined) index.set(key, (claims = new Map<string, AddressClaim>()));
      claims.set(name, claim);
    }
    for (const listener of this.#listeners) listener(claim);
  }

  removed(claim: AddressClaim): void {
    const { name, uid } = claim.metadata;
    this.#gone.set(uid, true);
    const known = this.#claims.get(name);
    if (known?.metadata.uid !== uid) return;
    this.#claims.delete(name);
    this.#unindex(known);
    for (const listener of this.#listeners) listener(known);
  }

  #unindex(claim: AddressClaim): void {
    for (const [index, key] of this.#keysOf(claim)) {
      const claims = index.get(key);
      claims?.delete(claim.metadata.name);
      if (claims?.size === 0) index.delete(key);
    }
  }

  #keysOf({ spec }: AddressClaim) {
    const { holder } = spec;
    const { instance, job, task, wire } = this.#indexes;
    return [
      [instance, instanceKeyOf(holder)],
      [job, holder.jobUid],
      [task, holder.taskUid],
      [wire, wireKey(spec)],
    ] as const;
  }
}

function versionOf({ metadata }: AddressClaim): number {
  return Number(metadata.resourceVersion);
}
