import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineDecoder, LineTooLongError } from '../../../../api/client/ndjson.ts';

describe('LineDecoder', () => {
  it('yields the same values however the bytes are cut', () => {
    const values = fc.array(fc.oneof(fc.string({ unit: 'grapheme' }), fc.jsonValue()));
    fc.assert(
      fc.property(values, fc.array(fc.nat(50)), (written, cuts) => {
        const bytes = Buffer.from(written.map((value) => `${JSON.stringify(value)}\n`).join(''));
        const decoder = new LineDecoder(1e6);
        const read: unknown[] = [];
        let from = 0;
        for (const cut of [...cuts, bytes.length]) {
          const to = Math.min(bytes.length, from + cut);
          read.push(...decoder.push(bytes.subarray(from, to)));
          from = to;
        }
        expect(JSON.stringify(read)).toBe(JSON.stringify(written));
        expect(decoder.pending).toBe(0);
      }),
    );
  });

  it('skips blank lines and tells of a line that has not ended', () => {
    const decoder = new LineDecoder(100);
    expect(decoder.push(Buffer.from('\n1\r\n\n{"a":'))).toEqual([1]);
    expect(decoder.pending).toBe(5);
  });

  it('refuses a line over the bound and a line that is no JSON', () => {
    expect(() => new LineDecoder(4).push(Buffer.from('12345'))).toThrow(LineTooLongError);
    expect(() => new LineDecoder(4).push(Buffer.from('{\n'))).toThrow(SyntaxError);
  });
});
