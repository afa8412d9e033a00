import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RecordDecoder, encodeRecord } from '../../../../proto/mesos/recordio.ts';

const text = (records: Uint8Array[]): string[] => records.map((r) => Buffer.from(r).toString());

function decode(stream: string, maxRecordBytes?: number): { records: string[]; code: string } {
  const decoder = new RecordDecoder(maxRecordBytes);
  const records = text(decoder.push(Buffer.from(stream)));
  return { records, code: decoder.end()?.code ?? 'none' };
}

test('records come out as they went in, empty ones too', () => {
  const records = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 });
  fc.assert(
    fc.property(records, fc.integer({ min: 1, max: 30 }), (expected, size) => {
      const stream = Buffer.concat(expected.map(encodeRecord));
      const decoder = new RecordDecoder();
      const found: Uint8Array[] = [];
      for (let at = 0; at < stream.length; at += size) {
        found.push(...decoder.push(stream.subarray(at, at + size)));
      }
      expect(decoder.end()).toBeUndefined();
      expect(found.map((r) => [...r])).toStrictEqual(expected.map((r) => [...r]));
    }),
  );
});

test('an empty stream ends well', () => {
  expect(decode('')).toStrictEqual({ records: [], code: 'none' });
});

test.each([
  ['a letter', '3\nabcx\n'],
  ['no digits', '3\nabc\nabc'],
  ['a sign', '3\nabc-1\n'],
  ['a space', '3\nabc 4\nabcd'],
  ['a carriage return', '3\nabc4\r\nabcd'],
  ['an endless number', `3\nabc${'0'.repeat(21)}`],
])('a length with %s is a typed error after the records before it', (_, stream) => {
  expect(decode(stream)).toStrictEqual({ records: ['abc'], code: 'BadLength' });
});

test('a record above the bound is refused before it is read, one at the bound is not', () => {
  expect(decode('4\nabcd5\n', 4)).toStrictEqual({ records: ['abcd'], code: 'Oversize' });
  expect(decode('99999999999999999999\n', 4).code).toBe('Oversize');
});

test.each(['3', '3\n', '3\nab'])('a stream that ends in %j is truncated', (end) => {
  expect(decode(`1\na${end}`)).toStrictEqual({ records: ['a'], code: 'Truncated' });
});

test('nothing more is read after a failure', () => {
  const decoder = new RecordDecoder();
  expect(decoder.push(Buffer.from('x'))).toStrictEqual([]);
  expect(decoder.push(Buffer.from('1\na'))).toStrictEqual([]);
  expect(decoder.failure?.code).toBe('BadLength');
});

test('any bytes whatever end in records or a typed failure', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 30 })), (chunks) => {
      const decoder = new RecordDecoder(1000);
      for (const chunk of chunks) decoder.push(chunk);
      decoder.end();
    }),
  );
});
