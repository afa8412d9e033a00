import { X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContextOptions } from 'node:tls';

export interface TlsOptions {
  /** PEM. */
  key: string | Buffer;
  /** PEM, with intermediate certificates after it. */
  cert: string | Buffer;
  /** PEM of the authorities whose client certificates count. */
  clientCa: string | Buffer;
}

/** A key and certificates that cannot serve. The message never has the key in it. */
export class TlsError extends Error {
  override readonly name = 'TlsError';
}

export function secureContextOptions({ key, cert, clientCa }: TlsOptions): SecureContextOptions {
  return { key, cert, ca: clientCa, minVersion: 'TLSv1.2' };
}

/** Throws TlsError for what no server could serve with, or what would leave all clients unknown. */
export function assertUsableTls(tls: TlsOptions): void {
  try {
    createSecureContext(secureContextOptions(tls));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    throw new TlsError(`the key and the certificate cannot be used: ${code}`, { cause: error });
  }
  assertAuthorities(tls.clientCa, 'the authorities of clients');
}

/** Throws TlsError unless there is a certificate among them: Node leaves out what is none without a word. */
export function assertAuthorities(pem: string | Buffer, what: string): void {
  if (certificatesIn(pem).length === 0) throw new TlsError(`${what} hold no certificate in PEM`);
}

/** Throws TlsError, too, for a certificate that does not count at `now`, in milliseconds since the epoch. */
export function assertCurrentTls(tls: TlsOptions, now: number): void {
  assertUsableTls(tls);
  const [own] = certificatesIn(tls.cert);
  if (own === undefined) throw new TlsError('the certificate is none in PEM');
  if (now >= Date.parse(own.validTo)) {
    throw new TlsError(`the certificate counts until ${own.validTo} only`);
  }
  if (now < Date.parse(own.validFrom)) {
    throw new TlsError(`the certificate counts from ${own.validFrom} on`);
  }
}

function certificatesIn(pem: string | Buffer): X509Certificate[] {
  const blocks = pem
    .toString()
    .match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g);
  try {
    return (blocks ?? []).map((block) => new X509Certificate(block));
  } catch (error) {
    throw new TlsError('holds a certificate that cannot be read', { cause: error });
  }
}

/** Whether they say the same, to the letter. */
export function isSameTls(left: TlsOptions, right: TlsOptions): boolean {
  return (
    isSamePem(left.key, right.key) &&
    isSamePem(left.cert, right.cert) &&
    isSamePem(left.clientCa, right.clientCa)
  );
}

export function isSamePem(left: string | Buffer, right: string | Buffer): boolean {
  return Buffer.from(left).equals(Buffer.from(right));
}
