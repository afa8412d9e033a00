/** A line that grew over the bound: the stream is no watch, or the server is broken. */
export class LineTooLongError extends Error {
  override readonly name = 'LineTooLongError';
}

/**
 * Cuts a byte stream into JSON values, one a line, whatever the chunks are. Bytes are joined before
 * they are decoded, so a character split between two chunks stays whole.
 */
export class LineDecoder {
  readonly #maxBytes: number;
  #parts: Uint8Array[] = [];
  #size = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes of a line that has begun and not ended. */
  get pending(): number {
    return this.#size;
  }

  /** The values that `chunk` completes. Throws SyntaxError or LineTooLongError. */
  push(chunk: Uint8Array): unknown[] {
    const values: unknown[] = [];
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(0x0a, start);
      this.#append(chunk.subarray(start, end < 0 ? chunk.length : end));
      if (end < 0) return values;
      const line = this.#take();
      if (line !== '') values.push(JSON.parse(line));
      start = end + 1;
    }
  }

  #append(part: Uint8Array): void {
    this.#size += part.length;
    if (this.#size > this.#maxBytes) {
      throw new LineTooLongError(`a line of the stream is longer than ${this.#maxBytes} bytes`);
    }
    if (part.length > 0) this.#parts.push(part);
  }

  #take(): string {
    const line = Buffer.concat(this.#parts).toString('utf8').trim();
    this.#parts = [];
    this.#size = 0;
    return line;
  }
}
