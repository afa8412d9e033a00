/** Reads a stream of RecordIO messages from an HTTP body, with a watchdog against silence. */
import type { Clock } from '../../api/machinery/clock.ts';
import type { Codec } from './codec.ts';
import { CodecError } from './errors.ts';
import { RecordDecoder, defaultMaxRecordBytes } from './recordio.ts';
import { SubscriptionLostError } from './transport.ts';

export interface MessageStreamOptions<T> {
  readonly clock: Clock;
  readonly codec: Codec<T>;
  readonly onMalformed: (error: CodecError) => void;
  readonly maxRecordBytes?: number;
  /** Milliseconds without a byte, while somebody waits for one, until the stream counts as dead. */
  readonly silenceMs: () => number;
}

/**
 * The messages of the stream; those that do not decode are handed to `onMalformed` and skipped.
 * Ends by throwing SubscriptionLostError, since a stream that is not closed by us should not end.
 * The watchdog runs only while the reader waits: a slow consumer is no dead master.
 */
export async function* readMessages<T>(
  body: AsyncIterable<Uint8Array>,
  options: MessageStreamOptions<T>,
): AsyncGenerator<T> {
  const decoder = new RecordDecoder(options.maxRecordBytes ?? defaultMaxRecordBytes);
  const chunks = body[Symbol.asyncIterator]();
  for (;;) {
    const next = await withWatchdog(options.clock, options.silenceMs(), nextChunk(chunks));
    if (next.done === true) break;
    for (const record of decoder.push(next.value)) {
      const message = decodeRecord(options, record);
      if (message !== undefined) yield message;
    }
    if (decoder.failure !== undefined) break;
  }
  const failure = decoder.end();
  if (failure === undefined) throw new SubscriptionLostError('Ended', 'the stream has ended');
  throw new SubscriptionLostError('Broken', failure.message, failure);
}

function decodeRecord<T>(
  { codec, onMalformed }: MessageStreamOptions<T>,
  record: Uint8Array,
): T | undefined {
  try {
    return codec.decode(record);
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    onMalformed(error);
    return undefined;
  }
}

async function nextChunk(
  chunks: AsyncIterator<Uint8Array, unknown>,
): Promise<IteratorResult<Uint8Array, unknown>> {
  try {
    return await chunks.next();
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw new SubscriptionLostError('Broken', `the connection failed: ${detail}`, error);
  }
}

async function withWatchdog<T>(clock: Clock, ms: number, work: Promise<T>): Promise<T> {
  let cancel = (): void => undefined;
  const silence = new Promise<never>((_, reject) => {
    const timer = clock.after(ms, () => {
      reject(new SubscriptionLostError('Silent', `not a byte for ${ms} ms`));
    });
    cancel = () => timer.cancel();
  });
  try {
    return await Promise.race([work, silence]);
  } finally {
    cancel();
  }
}
