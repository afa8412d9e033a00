/** Entries a chunk holds before it is split in two; a write copies one chunk. */
const chunkSize = 512;

/**
 * An immutable map sorted by key, whose values know their key. A write returns a new map and shares all
 * but one chunk with the old one, so that keeping a map is keeping a snapshot, at no cost.
 */
export class SortedMap<V extends { readonly key: string }> {
  readonly size: number;
  readonly #chunks: readonly (readonly V[])[];

  private constructor(chunks: readonly (readonly V[])[], size: number) {
    this.#chunks = chunks;
    this.size = size;
  }

  static empty<V extends { readonly key: string }>(): SortedMap<V> {
    return new SortedMap<V>([], 0);
  }

  /** Of values in ascending order of key, each key once. */
  static fromSorted<V extends { readonly key: string }>(values: readonly V[]): SortedMap<V> {
    const chunks: V[][] = [];
    // Half-full, so that the next insertions split nothing.
    for (let at = 0; at < values.length; at += chunkSize / 2) {
      chunks.push(values.slice(at, at + chunkSize / 2));
    }
    return new SortedMap(chunks, values.length);
  }

  get(key: string): V | undefined {
    const chunk = this.#chunks[this.#chunkOf(key)];
    const found = chunk?.[lowerBound(chunk, key)];
    return found?.key === key ? found : undefined;
  }

  set(value: V): SortedMap<V> {
    const chunkIndex = this.#chunkOf(value.key);
    const chunk = this.#chunks[chunkIndex] ?? [];
    const at = lowerBound(chunk, value.key);
    const replaces = chunk[at]?.key === value.key;
    const next = chunk.slice();
    next.splice(at, replaces ? 1 : 0, value);
    const half = next.length >> 1;
    const pieces = next.length <= chunkSize ? [next] : [next.slice(0, half), next.slice(half)];
    return new SortedMap(this.#replaceChunk(chunkIndex, pieces), this.size + (replaces ? 0 : 1));
  }

  delete(key: string): SortedMap<V> {
    const chunkIndex = this.#chunkOf(key);
    const chunk = this.#chunks[chunkIndex];
    if (chunk === undefined) return this;
    const at = lowerBound(chunk, key);
    if (chunk[at]?.key !== key) return this;
    const next = chunk.slice();
    next.splice(at, 1);
    const pieces = next.length === 0 ? [] : [next];
    return new SortedMap(this.#replaceChunk(chunkIndex, pieces), this.size - 1);
  }

  /** Values whose keys begin with `prefix` and are not before `from`, in order. */
  *range(prefix = '', from = prefix): Generator<V> {
    const first = from > prefix ? from : prefix;
    let chunkIndex = this.#chunkOf(first);
    let at = lowerBound(this.#chunks[chunkIndex] ?? [], first);
    for (; chunkIndex < this.#chunks.length; chunkIndex += 1, at = 0) {
      const chunk = this.#chunks[chunkIndex] ?? [];
      for (const value of at === 0 ? chunk : chunk.slice(at)) {
        if (!value.key.startsWith(prefix)) return;
        yield value;
      }
    }
  }

  /** Index of the chunk in which `key` is or would be: the last that begins at or before it. */
  #chunkOf(key: string): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const first = this.#chunks[middle]?.[0];
      if (first !== undefined && first.key <= key) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }

  #replaceChunk(index: number, pieces: readonly (readonly V[])[]): (readonly V[])[] {
    const chunks = this.#chunks.slice();
    chunks.splice(index, 1, ...pieces);
    return chunks;
  }
}

/** Index of the first value whose key is not before `key`. */
function lowerBound(values: readonly { readonly key: string }[], key: string): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const value = values[middle];
    if (value !== undefined && value.key < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
