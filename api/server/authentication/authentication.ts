import type { Counter } from '../../machinery/metrics.ts';
import type { User } from '../registry/context.ts';
import {
  authenticateToken,
  bearerToken,
  TokenError,
  type TokenAuthenticator,
  type TokenIdentity,
} from './authenticator.ts';

export interface AuthenticationOptions {
  tokens: readonly TokenAuthenticator[];
  /** Names of this API, one of which a token must be meant for. */
  audiences: readonly string[];
  /** Told why a token was refused, never with the token. */
  onRefused: (reason: string) => void;
  /** Counts requests that brought a certificate or a token, by their result. */
  attempts?: Counter | undefined;
}

/** What a request shows of its sender. */
export interface Credentials {
  /** Whom a client certificate that our authority signed stands for. */
  certificate: User | undefined;
  /** The `Authorization` header. */
  authorization: string | undefined;
}

/** Finds out who sends a request: by certificate, then by bearer token. */
export class Authentication {
  readonly #options: AuthenticationOptions;

  constructor(options: AuthenticationOptions) {
    this.#options = options;
  }

  /** The sender; undefined: nobody that we know. Throws what the store throws. */
  async identify({ certificate, authorization }: Credentials): Promise<User | undefined> {
    const { onRefused } = this.#options;
    if (certificate !== undefined) {
      this.#count('success');
      return certificate;
    }
    const token = bearerToken(authorization);
    if (token === undefined) return undefined;
    try {
      const { user } = await this.review(token, []);
      this.#count('success');
      return user;
    } catch (error) {
      this.#count(error instanceof TokenError ? 'failure' : 'error');
      if (!(error instanceof TokenError)) throw error;
      onRefused(error.message);
      return undefined;
    }
  }

  #count(result: 'success' | 'failure' | 'error'): void {
    this.#options.attempts?.inc({ result });
  }

  /** Whose token it is, for those of `audiences` that it is meant for (this API if there are none). */
  review(token: string, audiences: readonly string[]): Promise<TokenIdentity> {
    const { tokens } = this.#options;
    const wanted = audiences.length === 0 ? this.#options.audiences : audiences;
    return authenticateToken(tokens, token, wanted);
  }
}
