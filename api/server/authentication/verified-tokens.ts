import { createHash } from 'node:crypto';
import type { Clock } from '../../machinery/clock.ts';

export interface VerifiedTokensOptions {
  clock: Clock;
  /** How long a signature that was found right is not looked at again, in milliseconds. */
  lifeMs: number;
}

/** Most tokens that are remembered. */
const bound = 4_096;

/**
 * What tokens were found to say a moment ago, by their digests: verifying a signature costs more than the
 * rest of a small request.
 */
export class VerifiedTokens<T> {
  readonly #options: VerifiedTokensOptions;
  readonly #known = new Map<string, { said: T; until: number }>();

  constructor(options: VerifiedTokensOptions) {
    this.#options = options;
  }

  /** What the token says, by `verify` if it is not known. What `verify` refuses is not remembered. */
  async read(token: string, verify: () => Promise<T>): Promise<T> {
    const { clock, lifeMs } = this.#options;
    const digest = createHash('sha256').update(token).digest('base64');
    const known = this.#known.get(digest);
    const now = clock.monotonic();
    if (known !== undefined && now < known.until) return known.said;
    this.#known.delete(digest);
    const said = await verify();
    this.#known.set(digest, { said, until: now + lifeMs });
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= bound) break;
      this.#known.delete(oldest);
    }
    return said;
  }
}
