import { CommandError } from '../errors.ts';

/** RecordIO, as Mesos frames its streams: each message after its length in decimal and a newline. */
export function encodeRecord(message: unknown): Buffer {
  const text = Buffer.from(JSON.stringify(message));
  return Buffer.concat([Buffer.from(`${text.length}\n`), text]);
}

/** Bytes; agents send output in pieces of a few KiB. */
const maxRecord = 16 * 2 ** 20;

/** The messages of a stream, in whatever chunks they come. */
export async function* decodeRecords(body: AsyncIterable<Uint8Array>): AsyncGenerator {
  let rest = Buffer.alloc(0);
  for await (const chunk of body) {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      const end = rest.indexOf(0x0a);
      if (end < 0 && rest.length < 20) break;
      const digits = rest.toString('latin1', 0, end);
      const length = Number(digits);
      if (!/^\d+$/.test(digits) || length > maxRecord) {
        throw new CommandError('failed', 'the agent sends no stream of records');
      }
      if (rest.length < end + 1 + length) break;
      yield JSON.parse(rest.toString('utf8', end + 1, end + 1 + length));
      rest = rest.subarray(end + 1 + length);
    }
  }
}
