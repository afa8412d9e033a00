import { createLocalJWKSet, errors, type CryptoKey, type JWSHeaderParameters } from 'jose';
import { Agent, request } from 'undici';
import { z } from 'zod';
import type { Clock } from '../../machinery/clock.ts';
import { decodeJson, decodeUtf8 } from '../decode.ts';
import { isSamePem } from '../http/tls.ts';
import { TokenError } from './authenticator.ts';

/** Every bound of the talk with a provider. */
const limits = {
  /** For one answer to arrive, in milliseconds, and its size in bytes. */
  answerMs: 10_000,
  answerBytes: 1024 * 1024,
  /** Keys are asked for again when they are older, */
  freshMs: 10 * 60_000,
  /** or when a token names one that is not among them, but not more often than this; */
  pauseMs: 10_000,
  /** while the provider does not answer they go on to count for so long. */
  staleMs: 24 * 60 * 60_000,
} as const;

const documentSchema = z.object({ issuer: z.string(), jwks_uri: z.url({ protocol: /^https$/ }) });
const keySetSchema = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(1000) });

export interface IssuerKeysOptions {
  issuer: string;
  /** PEM of the authorities that the provider must be signed by; those of the system if absent. */
  ca?: string | Buffer | undefined;
  clock: Clock;
  /** Told each time when the provider cannot be asked. */
  onError: (reason: string) => void;
}

type KeySet = (header: JWSHeaderParameters) => Promise<CryptoKey>;

/** The keys of an OpenID Connect provider (Discovery 1.0), asked for over https when they are needed. */
export class IssuerKeys {
  readonly #options: IssuerKeysOptions;
  #ca: string | Buffer | undefined;
  #agent: Agent;
  /** Whether the provider has others to vouch for it than when it was asked. */
  #isOutdated = false;
  #keys: { set: KeySet; at: number } | undefined;
  #asked = -Infinity;
  #asking: Promise<void> | undefined;

  constructor(options: IssuerKeysOptions) {
    this.#options = options;
    this.#ca = options.ca;
    this.#agent = agentOf(options.ca);
  }

  /**
   * Who must have signed the provider from now on: it is asked anew when a token comes next. Answers whether
   * they are others than before.
   */
  setCa(ca: string | Buffer): boolean {
    if (this.#ca !== undefined && isSamePem(this.#ca, ca)) return false;
    const former = this.#agent;
    this.#ca = ca;
    this.#agent = agentOf(ca);
    this.#asked = -Infinity;
    this.#isOutdated = true;
    // What is under way comes to its end.
    former.close().catch((error: unknown) => this.#options.onError(String(error)));
    return true;
  }

  /** The key that a token says it is signed with. Throws TokenError or JWKSNoMatchingKey. */
  async find(header: JWSHeaderParameters): Promise<CryptoKey> {
    const age = this.#options.clock.monotonic() - (this.#keys?.at ?? -Infinity);
    if (this.#isOutdated || age > limits.freshMs) await this.#ask();
    try {
      return await this.#known()(header);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await this.#ask();
      return this.#known()(header);
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  #known(): KeySet {
    const now = this.#options.clock.monotonic();
    if (this.#keys !== undefined && now - this.#keys.at <= limits.staleMs) return this.#keys.set;
    throw new TokenError('the ID token does not count: the keys of its issuer are not known now');
  }

  /** Asks the provider, unless it has just been asked; one question at a time. */
  #ask(): Promise<void> {
    const now = this.#options.clock.monotonic();
    if (this.#asking !== undefined) return this.#asking;
    if (now - this.#asked < limits.pauseMs) return Promise.resolve();
    this.#asked = now;
    this.#isOutdated = false;
    this.#asking = this.#download().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #download(): Promise<void> {
    const { issuer, clock, onError } = this.#options;
    try {
      const place = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
      const document = documentSchema.parse(await this.#get(place));
      if (document.issuer !== issuer) {
        throw new Error(`${place} is about the issuer ${JSON.stringify(document.issuer)}`);
      }
      const keys = keySetSchema.parse(await this.#get(document.jwks_uri));
      this.#keys = { set: createLocalJWKSet(keys), at: clock.monotonic() };
    } catch (error) {
      onError(error instanceof Error ? error.message : String(error));
    }
  }

  /** The JSON at an https address. Redirections are not followed. */
  async #get(url: string): Promise<unknown> {
    const patience = new AbortController();
    const timer = this.#options.clock.after(limits.answerMs, () =>
      patience.abort(new Error(`${url} did not answer within ${limits.answerMs} ms`)),
    );
    try {
      const answer = await request(url, {
        dispatcher: this.#agent,
        headers: { accept: 'application/json' },
        signal: patience.signal,
      });
      const chunks: Buffer[] = [];
      let size = 0;
      const stream: AsyncIterable<Buffer> = answer.body;
      for await (const chunk of stream) {
        size += chunk.length;
        if (size > limits.answerBytes)
          throw new Error(`${url} answered more than ${limits.answerBytes} bytes`);
        chunks.push(chunk);
      }
      if (answer.statusCode !== 200) throw new Error(`${url} answered ${answer.statusCode}`);
      return decodeJson(decodeUtf8(Buffer.concat(chunks)));
    } finally {
      timer.cancel();
    }
  }
}

function agentOf(ca: string | Buffer | undefined): Agent {
  return new Agent({
    connections: 2,
    connect: ca === undefined ? {} : { ca },
    headersTimeout: limits.answerMs,
    bodyTimeout: limits.answerMs,
  });
}
