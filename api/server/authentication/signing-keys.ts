import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';

/** A key that cannot sign or verify tokens. The message never has the key in it. */
export class SigningKeyError extends Error {
  override readonly name = 'SigningKeyError';
}

/** A public key by which tokens of ServiceAccounts are verified. */
export interface VerifyingKey {
  /** `kid`: the SHA-256 of the key's SubjectPublicKeyInfo, base64url, as kube-apiserver names its keys. */
  id: string;
  algorithm: string;
  key: KeyObject;
}

export interface SigningKey extends VerifyingKey {
  privateKey: KeyObject;
}

const curves: Readonly<Record<string, string>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
};

const leastRsaBits = 2048;

/** The key that tokens are signed with: PEM, RSA of 2048 bits or more, or EC on P-256, P-384 or P-521. */
export function parseSigningKey(pem: string): SigningKey {
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(pem);
  } catch (error) {
    throw new SigningKeyError('is no private key in PEM', { cause: error });
  }
  return { ...verifyingKey(createPublicKey(privateKey)), privateKey };
}

/** All keys of a PEM file: public ones, certificates, or private ones, of which the public half counts. */
export function parseVerifyingKeys(pem: string): VerifyingKey[] {
  const blocks = pem.match(/-----BEGIN ([A-Z ]+)-----[\s\S]*?-----END \1-----/g) ?? [];
  const keys = blocks
    .filter((block) => !block.startsWith('-----BEGIN EC PARAMETERS'))
    .map((block) => {
      try {
        return verifyingKey(createPublicKey(block));
      } catch (error) {
        if (error instanceof SigningKeyError) throw error;
        throw new SigningKeyError('holds a key that cannot be read', { cause: error });
      }
    });
  if (keys.length === 0) throw new SigningKeyError('holds no key in PEM');
  return keys;
}

function verifyingKey(key: KeyObject): VerifyingKey {
  const id = createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('base64url');
  return { id, algorithm: algorithmOf(key), key };
}

function algorithmOf({
  asymmetricKeyType: type,
  asymmetricKeyDetails: details,
}: KeyObject): string {
  if (type === 'rsa') {
    if ((details?.modulusLength ?? 0) >= leastRsaBits) return 'RS256';
    throw new SigningKeyError(`RSA keys must have ${leastRsaBits} bits or more`);
  }
  const algorithm = type === 'ec' ? curves[details?.namedCurve ?? ''] : undefined;
  if (algorithm !== undefined) return algorithm;
  throw new SigningKeyError('must be an RSA key, or an EC key on P-256, P-384 or P-521');
}

/** RFC 7517: the public keys, for those who verify our tokens themselves. */
export function jsonWebKeySet(keys: readonly VerifyingKey[]): { keys: object[] } {
  return {
    keys: keys.map(({ id, algorithm, key }) => ({
      use: 'sig',
      kid: id,
      alg: algorithm,
      ...key.export({ format: 'jwk' }),
    })),
  };
}
