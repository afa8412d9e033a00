import { ZooKeeperError } from './errors.ts';

/** Control characters, surrogates, private use and specials, which the server refuses as well. */
const forbiddenCharacters = /[\u0000-\u001f\u007f-\u009f\ud800-\uf8ff\ufff0-\uffff]/;

/** Throws BAD_ARGUMENTS unless `path` can name a node. */
export function validatePath(path: string): void {
  const problem = problemOf(path);
  if (problem !== undefined) {
    throw new ZooKeeperError(
      'BAD_ARGUMENTS',
      'not-sent',
      `path ${JSON.stringify(path)} ${problem}`,
    );
  }
}

function problemOf(path: string): string | undefined {
  if (!path.startsWith('/')) return 'does not begin with /';
  if (path === '/') return undefined;
  const segments = path.slice(1).split('/');
  if (segments.includes('')) return 'has an empty segment or ends with /';
  if (segments.includes('.') || segments.includes('..')) return 'has a relative segment';
  if (forbiddenCharacters.test(path)) return 'has a character that ZooKeeper refuses';
  return undefined;
}

/** The parent's path; `/` is its own. */
export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

/** The server's path of a client's `path`; `chroot` is empty or a path without a trailing slash. */
export function withChroot(chroot: string, path: string): string {
  if (chroot === '') return path;
  return path === '/' ? chroot : chroot + path;
}

/** The client's path of a server's `path`, which lies below the chroot. */
export function withoutChroot(chroot: string, path: string): string {
  return path.slice(chroot.length) || '/';
}
