import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RecordDecoder, encodeRecord } from '../../proto/mesos/recordio.ts';
import { bodyBytes, isStream, loadRecording, recordsOf, scenarios } from './recordings.ts';

const streams = (['json', 'protobuf'] as const).flatMap((format) =>
  scenarios(format).flatMap((scenario) =>
    loadRecording(format, scenario)
      .exchanges.filter(isStream)
      .map((exchange) => bodyBytes(exchange.res.body))
      .filter((body) => body.length > 0),
  ),
);

test('a recorded stream gives the same records however it is cut into chunks', () => {
  expect(streams.length).toBeGreaterThan(60);
  const cut = fc.record({
    stream: fc.nat(streams.length - 1),
    sizes: fc.array(fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 700 })), {
      minLength: 1,
      maxLength: 50,
    }),
  });
  fc.assert(
    fc.property(cut, ({ stream, sizes }) => {
      const bytes = streams[stream]!;
      const decoder = new RecordDecoder();
      const records: Uint8Array[] = [];
      for (let offset = 0, turn = 0; offset < bytes.length; turn++) {
        const size = sizes[turn % sizes.length]!;
        records.push(...decoder.push(bytes.subarray(offset, offset + size)));
        offset += size;
      }
      expect(decoder.failure).toBeUndefined();
      expect(records.map(hex)).toStrictEqual(recordsOf(bytes).map(hex));
    }),
    { numRuns: 300 },
  );
});

test('the records of a recorded stream, encoded again, are the stream', () => {
  for (const bytes of streams) {
    const encoded = Buffer.concat(recordsOf(bytes).map(encodeRecord));
    expect(encoded.equals(bytes.subarray(0, encoded.length))).toBe(true);
    expect(bytes.length - encoded.length).toBe(0);
  }
});

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
