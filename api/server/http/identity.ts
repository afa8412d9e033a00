import type { TLSSocket } from 'node:tls';
import { authenticatedGroup, credentialIdKey } from '../authentication/authenticator.ts';
import type { User } from '../registry/context.ts';

/** Whom a certificate stands for, and until when, in milliseconds since the epoch. */
interface Bearer {
  user: User;
  until: number;
}

/** Users by certificate. A connection is asked once, and its certificate at every request. */
export class CertificateUsers {
  readonly #known = new WeakMap<TLSSocket, Bearer | 'nobody'>();

  /**
   * Who is at the other end: common name and organisations of a client certificate that our CA signed
   * and that holds at `now`. undefined: no certificate, or one that does not count.
   */
  userOf(socket: TLSSocket, now: number): User | undefined {
    let bearer = this.#known.get(socket);
    if (bearer === undefined) {
      bearer = bearerOf(socket) ?? 'nobody';
      this.#known.set(socket, bearer);
    }
    return bearer === 'nobody' || now >= bearer.until ? undefined : bearer.user;
  }
}

function bearerOf(socket: TLSSocket): Bearer | undefined {
  if (!socket.authorized) return undefined;
  const { subject, valid_to: end, fingerprint256 } = certificateOf(socket);
  const name = first(subject?.CN);
  if (name === undefined || name === '') return undefined;
  const fingerprint = fingerprint256?.replaceAll(':', '').toLowerCase();
  const user: User = {
    name,
    groups: [...new Set([...all(subject?.O), authenticatedGroup])],
    ...(fingerprint === undefined
      ? {}
      : { extra: { [credentialIdKey]: [`X509SHA256=${fingerprint}`] } }),
  };
  const until = Date.parse(end ?? '');
  // A certificate whose end cannot be read counts for nothing.
  return Number.isNaN(until) ? undefined : { user, until };
}

interface Certificate {
  subject?: { CN?: string | string[]; O?: string | string[] };
  valid_to?: string;
  fingerprint256?: string;
}

/** Node types the names as single strings; repeated ones come as lists. */
function certificateOf(socket: TLSSocket): Certificate {
  return socket.getPeerCertificate();
}

function all(value: string | string[] | undefined): string[] {
  if (value === undefined) return [];
  return typeof value === 'string' ? [value] : value;
}

function first(value: string | string[] | undefined): string | undefined {
  return all(value)[0];
}
