import { malformed } from './errors.ts';

/**
 * Jute, ZooKeeper's serialization: big-endian; a buffer or string is an int32 length and its bytes,
 * -1 for null; a vector is an int32 count and its items; a boolean is one byte.
 */
export class JuteWriter {
  #bytes = Buffer.allocUnsafe(128);
  #length = 0;

  int(value: number): this {
    this.#length = this.#room(4).writeInt32BE(value, this.#length);
    return this;
  }

  long(value: bigint): this {
    this.#length = this.#room(8).writeBigInt64BE(value, this.#length);
    return this;
  }

  boolean(value: boolean): this {
    this.#length = this.#room(1).writeInt8(value ? 1 : 0, this.#length);
    return this;
  }

  buffer(value: Uint8Array): this {
    this.int(value.length);
    this.#room(value.length).set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  string(value: string): this {
    const length = Buffer.byteLength(value);
    this.int(length);
    this.#length += this.#room(length).write(value, this.#length, length, 'utf8');
    return this;
  }

  vector<T>(items: readonly T[], write: (item: T) => void): this {
    this.int(items.length);
    items.forEach(write);
    return this;
  }

  /** What was written so far; the writer must not be used afterwards. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #room(bytes: number): Buffer {
    const needed = this.#length + bytes;
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#bytes.length));
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    return this.#bytes;
  }
}

/** Reads one frame. Every method throws MALFORMED_REPLY when the bytes cannot be what is asked. */
export class JuteReader {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  int(): number {
    return this.#bytes.readInt32BE(this.#take(4));
  }

  long(): bigint {
    return this.#bytes.readBigInt64BE(this.#take(8));
  }

  boolean(): boolean {
    return this.#bytes.readInt8(this.#take(1)) !== 0;
  }

  /** Null is read as empty: nobody here tells them apart. The bytes are a copy. */
  buffer(): Buffer {
    return Buffer.from(this.#slice());
  }

  string(): string {
    return this.#slice().toString('utf8');
  }

  vector<T>(read: () => T): T[] {
    const count = this.int();
    // Every item has at least one byte, which bounds what a made-up count can cost.
    if (count < -1 || count > this.remaining) throw malformed(`vector of ${count} items`);
    const items: T[] = [];
    while (items.length < count) items.push(read());
    return items;
  }

  #slice(): Buffer {
    const length = this.int();
    if (length === -1) return Buffer.alloc(0);
    if (length < 0) throw malformed(`length ${length}`);
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  #take(bytes: number): number {
    if (bytes > this.remaining) {
      throw malformed(`${bytes} bytes wanted, ${this.remaining} left in the frame`);
    }
    const start = this.#offset;
    this.#offset += bytes;
    return start;
  }
}
