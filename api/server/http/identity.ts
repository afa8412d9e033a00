import type { TLSSocket } from 'node:tls';
import type { User } from '../registry/context.ts';

/** Every user whom we know is in this group, as in Kubernetes. */
const authenticated = 'system:authenticated';

/**
 * Who is at the other end: common name and organisations of a client certificate that our CA signed.
 * undefined: no certificate, or one that does not count.
 */
export function userOf(socket: TLSSocket): User | undefined {
  if (!socket.authorized) return undefined;
  const { subject } = certificateOf(socket);
  const name = first(subject?.CN);
  if (name === undefined || name === '') return undefined;
  return { name, groups: [...all(subject?.O), authenticated] };
}

interface Certificate {
  subject?: { CN?: string | string[]; O?: string | string[] };
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
