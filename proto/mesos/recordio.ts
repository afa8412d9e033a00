/**
 * RecordIO, the framing of Mesos' streams: each record is its length in decimal digits, a newline
 * and that many bytes.
 */

/** BadLength: not a decimal length. Oversize: above the bound. Truncated: ended inside a record. */
export type RecordErrorCode = 'BadLength' | 'Oversize' | 'Truncated';

export class RecordError extends Error {
  override readonly name = 'RecordError';
  readonly code: RecordErrorCode;

  constructor(code: RecordErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** Bytes; an OFFERS event of a thousand agents is about half a megabyte. */
export const defaultMaxRecordBytes = 64 * 1024 * 1024;

const newline = 10;
const zero = 48;

export function encodeRecord(record: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`${record.length}\n`, 'latin1'), record]);
}

/**
 * Cuts a stream, in chunks of any size, into records. Never throws: after bad input `failure` is
 * set, the records before it have been returned, and nothing more is read.
 */
export class RecordDecoder {
  private readonly maxRecordBytes: number;
  private length: number | undefined;
  private digits = 0;
  private missing: number | undefined;
  private parts: Uint8Array[] = [];
  private error: RecordError | undefined;

  constructor(maxRecordBytes = defaultMaxRecordBytes) {
    this.maxRecordBytes = maxRecordBytes;
  }

  get failure(): RecordError | undefined {
    return this.error;
  }

  /** The records that end in this chunk. The decoder keeps a view of the rest: do not reuse it. */
  push(chunk: Uint8Array): Uint8Array[] {
    const records: Uint8Array[] = [];
    let offset = 0;
    while (offset < chunk.length && this.error === undefined) {
      offset = this.missing === undefined ? this.readLength(chunk, offset) : offset;
      offset = this.readBody(chunk, offset, records);
    }
    return records;
  }

  /** Tells the decoder that the stream has ended; returns the failure, Truncated inside a record. */
  end(): RecordError | undefined {
    if (this.digits > 0 || this.missing !== undefined) {
      this.error ??= new RecordError('Truncated', 'the stream ended inside a record');
    }
    return this.error;
  }

  private readLength(chunk: Uint8Array, start: number): number {
    for (let offset = start; offset < chunk.length; offset++) {
      const byte = chunk[offset] ?? newline;
      if (byte === newline && this.length !== undefined) {
        this.missing = this.length;
        this.length = undefined;
        this.digits = 0;
        return offset + 1;
      }
      const digit = byte - zero;
      if (digit < 0 || digit > 9 || ++this.digits > 20) {
        this.error = new RecordError('BadLength', 'a record does not start with its length');
        return chunk.length;
      }
      this.length = (this.length ?? 0) * 10 + digit;
      if (this.length > this.maxRecordBytes) {
        this.error = new RecordError('Oversize', `a record exceeds ${this.maxRecordBytes} bytes`);
        return chunk.length;
      }
    }
    return chunk.length;
  }

  private readBody(chunk: Uint8Array, start: number, records: Uint8Array[]): number {
    if (this.missing === undefined) return start;
    const part = chunk.subarray(start, start + this.missing);
    this.parts.push(part);
    this.missing -= part.length;
    if (this.missing === 0) {
      records.push(this.parts.length === 1 ? part : Buffer.concat(this.parts));
      this.parts = [];
      this.missing = undefined;
    }
    return start + part.length;
  }
}
