import { readFile } from 'node:fs/promises';
import type { Clock } from '../machinery/clock.ts';
import type { ApiAccess } from './access.ts';

/** How old the content of a token file may be, as in client-go. */
const freshMs = 60_000;

/**
 * The token of an access. That of a file is read again every minute: tokens of service accounts are renewed
 * in place. One that cannot be read leaves the last one, which the server refuses once it has ended.
 */
export class BearerToken {
  readonly #file: string | undefined;
  readonly #clock: Clock;
  #token: string | undefined;
  #readAt: number;
  #reading: Promise<void> | undefined;

  /** `access` has the token as it was read a moment ago. */
  constructor({ token, tokenFile }: Pick<ApiAccess, 'token' | 'tokenFile'>, clock: Clock) {
    this.#token = token;
    this.#file = tokenFile;
    this.#clock = clock;
    this.#readAt = clock.monotonic();
  }

  /** undefined: there is none. */
  async current(): Promise<string | undefined> {
    const file = this.#file;
    if (file !== undefined && this.#clock.monotonic() - this.#readAt >= freshMs) {
      this.#readAt = this.#clock.monotonic();
      this.#reading = this.#read(file);
    }
    await this.#reading;
    return this.#token;
  }

  async #read(file: string): Promise<void> {
    const text = await readFile(file, 'utf8').catch(() => '');
    if (text.trim() !== '') this.#token = text.trim();
    this.#reading = undefined;
  }
}
