import { isIP } from 'node:net';

/** Where an API server is and how to be somebody there. PEM texts, not file names, but for `tokenFile`. */
export interface ApiAccess {
  /** `https://host:port`, with a path if the server lies behind one. */
  server: string;
  ca?: string;
  /** Accepts any certificate: only ever set because a person wrote it into a kubeconfig. */
  insecureSkipTlsVerify?: boolean;
  /** Name to ask for and to verify instead of the server's host. */
  tlsServerName?: string;
  clientCertificate?: string;
  clientKey?: string;
  token?: string;
  /** The file that the token is from, if it is from one: where the next will be. */
  tokenFile?: string;
  /** Whom to act as; the server asks whether one may. */
  impersonate?: Impersonation;
}

/** Somebody else to be treated as. */
export interface Impersonation {
  user: string;
  groups: readonly string[];
  uid?: string;
}

/** An access that cannot work, or would show a secret to the network. */
export class AccessError extends Error {
  override readonly name = 'AccessError';
}

/** Undefined if nobody is named. Throws an AccessError for groups or a uid of nobody. */
export function impersonationOf(
  user: string | undefined,
  groups: readonly string[],
  uid: string | undefined,
): Impersonation | undefined {
  if (user !== undefined && user !== '') {
    return { user, groups, ...(uid === undefined ? {} : { uid }) };
  }
  if (user === undefined && groups.length === 0 && uid === undefined) return undefined;
  throw new AccessError('to act as somebody else takes the name of a user; give it as "as"');
}

/** The Impersonate headers of a request; groups are a header each, as they may have commas in them. */
export function impersonationHeaders({
  impersonate,
}: ApiAccess): Record<string, string | string[]> {
  if (impersonate === undefined) return {};
  const { user, groups, uid } = impersonate;
  return {
    'impersonate-user': user,
    ...(groups.length === 0 ? {} : { 'impersonate-group': [...groups] }),
    ...(uid === undefined ? {} : { 'impersonate-uid': uid }),
  };
}

/** Throws an AccessError that says what to mend. */
export function assertUsable(access: ApiAccess): void {
  const url = parseServer(access.server);
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    throw new AccessError(
      `server ${access.server}: plain HTTP is spoken to loopback addresses only; use https://`,
    );
  }
  if (url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '') {
    throw new AccessError('the server is scheme, host, port and path; remove everything else');
  }
  if ((access.clientCertificate === undefined) !== (access.clientKey === undefined)) {
    throw new AccessError('a client certificate and its key are given together or not at all');
  }
  if (access.ca !== undefined && access.insecureSkipTlsVerify === true) {
    throw new AccessError(
      'a certificate authority and insecure-skip-tls-verify exclude each other; remove one',
    );
  }
}

function parseServer(server: string): URL {
  const url = URL.canParse(server) ? new URL(server) : undefined;
  if (url?.protocol === 'https:' || url?.protocol === 'http:') return url;
  throw new AccessError(`server "${server}" is no https:// address`);
}

function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) === 4) return host.startsWith('127.');
  return host === '::1' || host === 'localhost';
}
