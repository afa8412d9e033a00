import { createHash } from 'node:crypto';
import type { Acl, Authentication } from './client.ts';
import { ZooKeeperError } from './errors.ts';

/** A user of ZooKeeper's scheme `digest`, which needs no account: a node's ACL names who may use it. */
export interface DigestUser {
  /** Without a colon, which ends it on the wire. */
  readonly user: string;
  readonly password: string;
}

/** What a session shows to be this user. Throws BAD_ARGUMENTS for a user that cannot be. */
export function digestAuthentication(identity: DigestUser): Authentication {
  return { scheme: 'digest', credentials: Buffer.from(credentialsOf(identity)) };
}

/** `user:base64(sha1(user:password))`, as ACLs name the user. Throws BAD_ARGUMENTS. */
export function digestId(identity: DigestUser): string {
  const hash = createHash('sha1').update(credentialsOf(identity)).digest('base64');
  return `${identity.user}:${hash}`;
}

/** This user may do everything, everybody else may read. Throws BAD_ARGUMENTS. */
export function creatorAcl(identity: DigestUser): Acl[] {
  return [
    { permissions: 31, scheme: 'digest', id: digestId(identity) },
    { permissions: 1, scheme: 'world', id: 'anyone' },
  ];
}

function credentialsOf({ user, password }: DigestUser): string {
  if (user === '' || user.includes(':') || password === '') {
    const message = 'a digest user needs a name without a colon and a password';
    throw new ZooKeeperError('BAD_ARGUMENTS', 'not-sent', message);
  }
  return `${user}:${password}`;
}
