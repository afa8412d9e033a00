import { EncryptedStorage } from '../../api/storage/encrypted.ts';
import { KeyRing, keyBytes, type EncryptionKey } from '../../api/storage/encryption.ts';
import type { Storage } from '../../api/storage/storage.ts';
import { ConfigError, readText } from './config.ts';
import type { EncryptionConfig } from './encryption-config.ts';

/**
 * The store with the kinds of the configuration encrypted. `nonce` makes so many cryptographically random
 * bytes. Throws ConfigError for a key that is none.
 */
export function encryptedStorage(
  storage: Storage,
  config: EncryptionConfig,
  nonce: (bytes: number) => Uint8Array,
): Storage {
  const keys = config.keys.map((key): EncryptionKey =>
    key === 'identity' ? key : { name: key.name, bytes: readKey(key) },
  );
  const prefixes = ['secrets', ...config.resources].map(prefixOf);
  return new EncryptedStorage({ storage, ring: new KeyRing({ keys, nonce }), prefixes });
}

function readKey({ name, keyFile }: { name: string; keyFile: string }): Uint8Array {
  const field = `api.encryption.keys[${name}].keyFile`;
  const text = readText(keyFile, field).trim();
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length === keyBytes && bytes.toString('base64') === text) return bytes;
  throw new ConfigError(
    `${field}: must hold ${keyBytes} random bytes in base64: head -c ${keyBytes} /dev/urandom | base64`,
  );
}

/** Where objects of `<plural>[.<group>]` lie in the store. */
function prefixOf(resource: string): string {
  const [plural = '', ...group] = resource.split('.');
  return `/${group.length === 0 ? 'core' : group.join('.')}/${plural}/`;
}
