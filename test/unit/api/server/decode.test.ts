import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeJson,
  decodeUtf8,
  decodeYaml,
  DecodeError,
  maxDepth,
  maxYamlLength,
} from '../../../../api/server/decode.ts';

describe.each([
  ['JSON', decodeJson],
  ['YAML', decodeYaml],
])('strict %s', (_name, decode) => {
  it.each([
    ['a key given twice', '{"a": 1, "a": 2}', /[Dd]uplicate|unique/],
    ['a key given twice deep inside', '{"x": [{"b": {"a": 1, "a": 2}}]}', /[Dd]uplicate|unique/],
    ['a prototype key', '{"a": {"__proto__": {"x": 1}}}', /"__proto__" is not allowed/],
    ['a whole number beyond 2^53', '{"a": 9007199254740993}', /out of range/],
    ['a negative one', '[-9007199254740993]', /out of range/],
    ['a number that is too large', '{"a": 1e400}', /out of range/],
    ['an open object', '{"a": 1', /./],
  ])('refuses %s', (_what, text, reason) => {
    expect(() => decode(text)).toThrow(DecodeError);
    expect(() => decode(text)).toThrow(reason);
  });

  it('refuses deep nesting and takes what is just deep enough', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    expect(() => decode(nested(maxDepth + 1))).toThrow(/nested deeper/);
    expect(decode(nested(maxDepth))).toEqual(JSON.parse(nested(maxDepth)));
  });

  it('takes the same key in different objects, and numbers that fit', () => {
    const text = '{"a": {"k": 1}, "b": {"k": 9007199254740991}, "c": [{"k": -0.5}, {"k": 1e3}]}';
    expect(decode(text)).toEqual(JSON.parse(text));
  });
});

describe('strict JSON', () => {
  it('is JSON.parse for every document without such faults', () => {
    const clean = fc.jsonValue().filter((value) => {
      const text = JSON.stringify(value);
      return !text.includes('__proto__') && !/\d{16}|e\+/.test(text);
    });
    fc.assert(
      fc.property(clean, fc.constantFrom(0, 2), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        expect(decodeJson(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  it('sees through escapes in keys', () => {
    expect(() => decodeJson('{"a": 1, "\\u0061": 2}')).toThrow(/duplicate field "a"/);
    expect(() => decodeJson('{"\\u005f_proto__": 1}')).toThrow(/not allowed/);
    expect(decodeJson('{"a\\"b": 1, "a": "x\\\\"}')).toEqual({ 'a"b': 1, a: 'x\\' });
  });

  it('never throws anything but its own error on rubbish', () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom(
            '{',
            '}',
            '[',
            ']',
            '"',
            ',',
            ':',
            '\\',
            ' ',
            '1',
            'e',
            '-',
            't',
            'n',
            'u',
          ),
        }),
        (text) => {
          try {
            decodeJson(text);
          } catch (error) {
            expect(error).toBeInstanceOf(DecodeError);
          }
        },
      ),
    );
  });
});

describe('YAML', () => {
  it('reads anchors but stops bombs', () => {
    expect(decodeYaml('a: &x {b: 1}\nc: *x\n')).toEqual({ a: { b: 1 }, c: { b: 1 } });
    const bomb = ['a: &a [x, x, x, x, x, x, x, x, x, x]'];
    for (const [to, source] of ['ba', 'cb', 'dc', 'ed', 'fe', 'gf', 'hg'].map((two) =>
      two.split(''),
    )) {
      bomb.push(`${to!}: &${to!} [${Array.from({ length: 10 }, () => `*${source!}`).join(', ')}]`);
    }
    expect(() => decodeYaml(bomb.join('\n'))).toThrow(DecodeError);
  });

  it('takes little of the processor for a body full of keys or aliases', () => {
    const keys = Array.from({ length: 40_000 }, (_, index) => `k${index}:`).join('\n');
    const before = process.cpuUsage();
    expect(() => decodeYaml(`${keys}\nk0:`)).toThrow('duplicate field "k0"');
    const aliases = Array.from({ length: 20_000 }, (_, index) => `- &a${index} 1\n- *a${index}`);
    expect(() => decodeYaml(aliases.join('\n'))).toThrow('more than 100 aliases');
    // Searched pair by pair they take more than ten seconds of it.
    expect(process.cpuUsage(before).user).toBeLessThan(5_000_000);
  });

  it('reads long documents as JSON alone', () => {
    const text = 'x'.repeat(maxYamlLength);
    expect(() => decodeYaml(`a: ${text}`)).toThrow('send it as JSON');
    expect(decodeYaml(JSON.stringify({ a: text }))).toEqual({ a: text });
  });

  it('writes nothing of a body into the log of the process', async () => {
    const warnings: Error[] = [];
    const heard = (warning: Error): unknown => warnings.push(warning);
    process.on('warning', heard);
    expect(decodeYaml('password: !vault s3cret\n')).toEqual({ password: 's3cret' });
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', heard);
    expect(warnings).toEqual([]);
  });

  it('refuses several documents at once', () => {
    expect(() => decodeYaml('a: 1\n---\nb: 2\n')).toThrow(DecodeError);
  });
});

it('refuses bytes that are no UTF-8', () => {
  expect(() => decodeUtf8(Buffer.from([0x7b, 0xc3, 0x28, 0x7d]))).toThrow(/UTF-8/);
  expect(decodeUtf8(Buffer.from('ä€𐍈'))).toBe('ä€𐍈');
});
