import type { KubeObject } from '../../machinery/metadata.ts';
import type { Revision } from '../../storage/storage.ts';
import { decodeObject, withRevision } from './item.ts';

/** An object on its way to the store, with the bytes that will be there. */
export interface Outgoing {
  key: string;
  object: KubeObject;
  bytes: Uint8Array;
}

/** A write that is under way, or whose event has not come back yet. */
export class Sent {
  readonly outgoing: Outgoing;
  /** The store has answered: only the watch may still ask for it. */
  answered = false;
  /** The watch has brought it: only the store's answer is still to come. */
  seen = false;
  #stored: { revision: Revision; object: KubeObject } | undefined;

  constructor(outgoing: Outgoing) {
    this.outgoing = outgoing;
  }

  /** The object as of the revision that it was stored at: the same one for whoever asks. */
  at(revision: Revision): KubeObject {
    if (this.#stored?.revision !== revision) {
      this.#stored = { revision, object: withRevision(this.outgoing.object, revision) };
    }
    return this.#stored.object;
  }
}

/** Far above the writes that are under way at a time; one that falls out is decoded as any other. */
const capacity = 4_096;

/**
 * What this server writes comes back to it by its watch. If the bytes are those that it has just sent, the
 * object that they were made of need not be made of them again, and what an update left as it was stays
 * one object in memory for all versions, for the cache and for whoever wrote it.
 */
export class Outbox {
  /** By key, in the order in which they were sent. */
  readonly #sent = new Map<string, Sent>();

  add(outgoing: Outgoing): Sent {
    const { key } = outgoing;
    const sent = new Sent(outgoing);
    this.#sent.delete(key);
    this.#sent.set(key, sent);
    if (this.#sent.size > capacity) {
      const [oldest = key] = this.#sent.keys();
      this.#sent.delete(oldest);
    }
    return sent;
  }

  /** The store has answered, or has not: the outcome of a write that failed is never relied on. */
  answered(sent: Sent, written: boolean): void {
    sent.answered = true;
    if (!written || sent.seen) this.#remove(sent);
  }

  /** The object in a stored value. */
  decode(key: string, value: Uint8Array, revision: Revision): KubeObject {
    const sent = this.#sent.get(key);
    if (sent === undefined || !isSame(sent.outgoing.bytes, value)) {
      return decodeObject(key, value, revision);
    }
    sent.seen = true;
    if (sent.answered) this.#remove(sent);
    return sent.at(revision);
  }

  #remove(sent: Sent): void {
    const { key } = sent.outgoing;
    if (this.#sent.get(key) === sent) this.#sent.delete(key);
  }
}

function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return left === right || Buffer.from(left.buffer, left.byteOffset, left.length).equals(right);
}
