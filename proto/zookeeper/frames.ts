import { malformed } from './errors.ts';

/** A reply has no limit on the server's side (a listing of 6,000 children is 1.2 MB); ours is this. */
export const maxReplyBytes = 64 * 1024 * 1024;

/** `payload` behind its int32 length. */
export function encodeFrame(payload: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(4 + payload.length);
  frame.writeInt32BE(payload.length, 0);
  payload.copy(frame, 4);
  return frame;
}

/**
 * Cuts a stream of bytes into frames, whatever the chunks. After a length that cannot be, it has lost
 * its place in the stream: it throws MALFORMED_REPLY, then and on every later call.
 */
export class FrameDecoder {
  readonly #maxBytes: number;
  #chunks: Buffer[] = [];
  #buffered = 0;
  #wanted: number | undefined;

  constructor(maxBytes = maxReplyBytes) {
    this.#maxBytes = maxBytes;
  }

  /** Takes the next chunk and yields the frames that it completes. */
  *push(chunk: Buffer): Generator<Buffer, void, undefined> {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    for (;;) {
      this.#wanted ??= this.#readLength();
      if (this.#wanted === undefined || this.#buffered < this.#wanted) return;
      const frame = this.#takeBytes(this.#wanted);
      this.#wanted = undefined;
      yield frame;
    }
  }

  #readLength(): number | undefined {
    if (this.#buffered < 4) return undefined;
    const header = this.#takeBytes(4);
    const length = header.readInt32BE(0);
    if (length < 0 || length > this.#maxBytes) {
      this.#chunks = [header, ...this.#chunks];
      this.#buffered += 4;
      throw malformed(`frame of ${length} bytes (at most ${this.#maxBytes})`);
    }
    return length;
  }

  #takeBytes(count: number): Buffer {
    // Joined only once a frame is complete, so a large reply in small chunks is copied once.
    const [first] = this.#chunks;
    const joined =
      this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks);
    this.#chunks = [joined.subarray(count)];
    this.#buffered -= count;
    return joined.subarray(0, count);
  }
}
