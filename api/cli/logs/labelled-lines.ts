const lineFeed = 0x0a;

/** Puts a label before each line; a line that is not finished waits for its rest, or for `flush`. */
export class LabelledLines {
  readonly #label: Buffer;
  readonly #write: (data: Uint8Array) => void;
  #rest: Buffer = Buffer.alloc(0);

  constructor(label: string, write: (data: Uint8Array) => void) {
    this.#label = Buffer.from(`[${label}] `);
    this.#write = write;
  }

  push(data: Uint8Array): void {
    const all = Buffer.concat([this.#rest, data]);
    const end = all.lastIndexOf(lineFeed) + 1;
    this.#rest = all.subarray(end);
    const lines: Uint8Array[] = [];
    for (let start = 0; start < end;) {
      const next = all.indexOf(lineFeed, start) + 1;
      lines.push(this.#label, all.subarray(start, next));
      start = next;
    }
    if (lines.length > 0) this.#write(Buffer.concat(lines));
  }

  flush(): void {
    if (this.#rest.length === 0) return;
    this.#write(Buffer.concat([this.#label, this.#rest, Buffer.from('\n')]));
    this.#rest = Buffer.alloc(0);
  }
}
