import { createCipheriv, createDecipheriv } from 'node:crypto';

/** A key of AES-256-GCM, or `identity`: values as they are. */
export type EncryptionKey = { name: string; bytes: Uint8Array } | 'identity';

export interface KeyRingOptions {
  /** The first one writes, all read. */
  keys: readonly EncryptionKey[];
  /** So many bytes that never come again, from a cryptographic source. */
  nonce: (bytes: number) => Uint8Array;
}

/** A value that no key of the ring opens; the message says why, and what to do. */
export class UnreadableValueError extends Error {
  override readonly name = 'UnreadableValueError';
}

const algorithm = 'aes-256-gcm';
const nonceBytes = 12;
const tagBytes = 16;
export const keyBytes = 32;

/** No JSON begins so. Then come the name of the key, a colon, nonce, ciphertext and tag. */
const magic = Buffer.from('mesocosm:enc:aesgcm:v1:');

/**
 * Values as they lie in the store, sealed by AES-256-GCM. Where a value lies is authenticated with it, so
 * that nobody who can write to the store can put the value of one object in the place of another.
 */
export class KeyRing {
  readonly #keys: readonly EncryptionKey[];
  readonly #nonce: (bytes: number) => Uint8Array;

  constructor(options: KeyRingOptions) {
    this.#keys = options.keys;
    this.#nonce = options.nonce;
  }

  seal(place: string, value: Uint8Array): Uint8Array {
    const [key = 'identity'] = this.#keys;
    if (key === 'identity') return value;
    const nonce = this.#nonce(nonceBytes);
    const cipher = createCipheriv(algorithm, key.bytes, nonce);
    cipher.setAAD(Buffer.from(place));
    const sealed = [cipher.update(value), cipher.final(), cipher.getAuthTag()];
    return Buffer.concat([headOf(key.name), nonce, ...sealed]);
  }

  /** The value that was sealed for this place. Throws UnreadableValueError. */
  open(place: string, stored: Uint8Array): Uint8Array {
    const name = keyNameOf(stored);
    if (name === undefined) return this.#plain(stored);
    const key = this.#keys.find((one) => one !== 'identity' && one.name === name);
    if (key === undefined || key === 'identity') {
      throw new UnreadableValueError(
        `it is encrypted by the key "${name}": add that key at the end of api.encryption.keys, or, if the key is lost, delete the object from etcd`,
      );
    }
    const body = stored.subarray(headOf(name).length);
    try {
      return opened(key.bytes, place, body);
    } catch (cause) {
      throw new UnreadableValueError(
        `the key "${name}" of api.encryption.keys does not open it: the key is another one, or the value was changed or moved in etcd; restore either`,
        { cause },
      );
    }
  }

  /** Whether it is as `seal` would write it now, or by an older key. */
  isCurrent(stored: Uint8Array): boolean {
    const [key = 'identity'] = this.#keys;
    return keyNameOf(stored) === (key === 'identity' ? undefined : key.name);
  }

  #plain(stored: Uint8Array): Uint8Array {
    if (this.#keys.includes('identity')) return stored;
    throw new UnreadableValueError(
      'it is not encrypted: add identity at the end of api.encryption.keys to have it read, and write it again',
    );
  }
}

function headOf(name: string): Buffer {
  return Buffer.concat([magic, Buffer.from(`${name}:`)]);
}

/** Name of the key that sealed a value; undefined for one that is not sealed. */
function keyNameOf(stored: Uint8Array): string | undefined {
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.length);
  if (!bytes.subarray(0, magic.length).equals(magic)) return undefined;
  const end = bytes.indexOf(':', magic.length);
  return bytes.toString('utf8', magic.length, end === -1 ? magic.length : end);
}

function opened(key: Uint8Array, place: string, body: Uint8Array): Uint8Array {
  const tagAt = body.length - tagBytes;
  if (tagAt < nonceBytes) throw new RangeError('the value is cut off');
  const decipher = createDecipheriv(algorithm, key, body.subarray(0, nonceBytes));
  decipher.setAAD(Buffer.from(place));
  decipher.setAuthTag(body.subarray(tagAt));
  return Buffer.concat([decipher.update(body.subarray(nonceBytes, tagAt)), decipher.final()]);
}
