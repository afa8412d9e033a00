import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  KeyRing,
  UnreadableValueError,
  type EncryptionKey,
} from '../../../../api/storage/encryption.ts';

const key = (name: string): EncryptionKey => ({ name, bytes: randomBytes(32) });
const ring = (...keys: EncryptionKey[]): KeyRing => new KeyRing({ keys, nonce: randomBytes });
const older = key('2025');
const newer = key('2026');

const places = fc.stringMatching(/^\/core\/secrets\/[a-z]{1,5}\/[a-z]{1,5}$/);
const values = fc.uint8Array({ maxLength: 200 });

describe('a sealed value', () => {
  it('opens in its place, by any ring that has its key', () => {
    fc.assert(
      fc.property(places, values, (place, value) => {
        const sealed = ring(older, 'identity').seal(place, value);
        expect(Buffer.from(ring(newer, older).open(place, sealed))).toEqual(Buffer.from(value));
      }),
    );
  });

  it('opens in no other place, by no other key, and not once it was touched', () => {
    const strange: EncryptionKey = { name: '2025', bytes: randomBytes(32) };
    fc.assert(
      fc.property(places, places, values, fc.nat(), (place, other, value, at) => {
        const sealed = Buffer.from(ring(older).seal(place, value));
        expect(() => ring(strange).open(place, sealed)).toThrow(UnreadableValueError);
        if (other !== place) {
          expect(() => ring(older).open(other, sealed)).toThrow(UnreadableValueError);
        }
        const touched = Buffer.from(sealed);
        const index = at % touched.length;
        touched.writeUInt8(touched.readUInt8(index) ^ 1, index);
        expect(() => ring(older).open(place, touched)).toThrow(UnreadableValueError);
        expect(() => ring(older).open(place, sealed.subarray(0, index))).toThrow(
          UnreadableValueError,
        );
      }),
    );
  });

  it('shows nothing of what it holds, and looks different each time', () => {
    const value = Buffer.from('hunter2 hunter2 hunter2');
    const one = Buffer.from(ring(older).seal('/a', value));
    const other = Buffer.from(ring(older).seal('/a', value));
    expect(one.includes('hunter2')).toBe(false);
    expect(one.equals(other)).toBe(false);
  });

  it('says which key is missing and how to mend it', () => {
    const sealed = ring(older).seal('/a', Buffer.from('x'));
    expect(() => ring(newer, 'identity').open('/a', sealed)).toThrow(
      'it is encrypted by the key "2025": add that key at the end of api.encryption.keys',
    );
  });

  it('is current only by the first key', () => {
    const sealed = ring(older).seal('/a', Buffer.from('x'));
    expect(ring(older, newer).isCurrent(sealed)).toBe(true);
    expect(ring(newer, older).isCurrent(sealed)).toBe(false);
    expect(ring('identity', older).isCurrent(sealed)).toBe(false);
    expect(ring('identity', older).isCurrent(Buffer.from('{}'))).toBe(true);
  });
});

describe('a value that is not sealed', () => {
  const plain = Buffer.from('{"kind":"Secret"}');

  it('is read only if identity is among the keys', () => {
    expect(ring(older, 'identity').open('/a', plain)).toEqual(plain);
    expect(() => ring(older).open('/a', plain)).toThrow('it is not encrypted: add identity');
  });

  it('is written where identity is the first', () => {
    expect(ring('identity', older).seal('/a', plain)).toBe(plain);
  });
});
