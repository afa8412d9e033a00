import { createHash, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../machinery/clock.ts';
import type { User } from '../registry/context.ts';
import type { TokenAuthenticator, TokenIdentity } from './authenticator.ts';

/** A token file that cannot be used. The message names the line and never the token. */
export class TokenFileError extends Error {
  override readonly name = 'TokenFileError';
}

interface Entry {
  digest: Buffer;
  user: User;
}

/** Users by the digests of their tokens. */
export type TokenTable = ReadonlyMap<string, Entry>;

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/**
 * Kubernetes' token file: lines `token,user,uid` or `token,user,uid,"group1,group2"` (RFC 4180). Blank
 * lines and those that begin with # mean nothing. Throws TokenFileError.
 */
export function parseTokenFile(text: string): TokenTable {
  const table = new Map<string, Entry>();
  text.split('\n').forEach((line, index) => {
    const row = line.trim();
    if (row === '' || row.startsWith('#')) return;
    const at = `line ${index + 1}`;
    const [token = '', name = '', uid = '', groups = ''] = fieldsOf(row, at);
    if (token === '') throw new TokenFileError(`${at}: the token is empty`);
    if (name === '') throw new TokenFileError(`${at}: the user, its second column, is empty`);
    const digest = digestOf(token);
    const key = digest.toString('hex');
    if (table.has(key)) throw new TokenFileError(`${at}: this token stands on an earlier line too`);
    const named = groups.split(',').map((group) => group.trim());
    const user: User = {
      name,
      groups: named.filter((group) => group !== ''),
      ...(uid === '' ? {} : { uid }),
    };
    table.set(key, { digest, user });
  });
  return table;
}

/** The columns of a line; quotes hold commas, and a quote inside is written twice. */
function fieldsOf(row: string, at: string): string[] {
  const fields: string[] = [];
  const field = /\s*(?:"((?:[^"]|"")*)"|([^",]*))\s*(,|$)/y;
  for (;;) {
    const found = field.exec(row);
    if (found === null) throw new TokenFileError(`${at}: a quote is misplaced or not closed`);
    const [, quoted, plain = '', end] = found;
    fields.push(quoted === undefined ? plain.trim() : quoted.replaceAll('""', '"'));
    if (end === '') break;
  }
  if (fields.length > 4)
    throw new TokenFileError(`${at}: more than four columns; quote the groups`);
  return fields;
}

/** What a token file is at a moment: `version` is another after each change. */
export interface TokenFile {
  version(): Promise<string>;
  read(): Promise<string>;
}

export interface StaticTokensOptions {
  file: TokenFile;
  table: TokenTable;
  /** The version that `table` was read at. */
  version: string;
  /** Audiences of the API: static tokens are for it alone. */
  audiences: readonly string[];
  clock: Clock;
  /** Told once a change when the file cannot be used; what it said before goes on to count. */
  onError: (reason: string) => void;
}

/** How often the file is looked at while tokens are shown. */
const checkMs = 1_000;

/** Bearer tokens from a file, which is read again when it changes. */
export class StaticTokens implements TokenAuthenticator {
  readonly #options: StaticTokensOptions;
  #table: TokenTable;
  #version: string;
  #checked: number;
  #checking: Promise<void> | undefined;

  constructor(options: StaticTokensOptions) {
    this.#options = options;
    this.#table = options.table;
    this.#version = options.version;
    this.#checked = options.clock.monotonic();
  }

  async authenticate(
    token: string,
    audiences: readonly string[],
  ): Promise<TokenIdentity | undefined> {
    await this.#refresh();
    // Looked up by its digest: how long that takes says nothing about the tokens there are.
    const digest = digestOf(token);
    const entry = this.#table.get(digest.toString('hex'));
    if (entry === undefined || !timingSafeEqual(entry.digest, digest)) return undefined;
    const meant = audiences.filter((audience) => this.#options.audiences.includes(audience));
    return meant.length === 0 ? undefined : { user: entry.user, audiences: meant };
  }

  #refresh(): Promise<void> {
    const { clock } = this.#options;
    if (clock.monotonic() - this.#checked < checkMs) return this.#checking ?? Promise.resolve();
    this.#checked = clock.monotonic();
    this.#checking = this.#reread().finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  async #reread(): Promise<void> {
    const { file, onError } = this.#options;
    let version = 'unreadable';
    try {
      version = await file.version();
      if (version === this.#version) return;
      this.#table = parseTokenFile(await file.read());
    } catch (error) {
      if (version !== this.#version)
        onError(error instanceof Error ? error.message : String(error));
    }
    this.#version = version;
  }
}
