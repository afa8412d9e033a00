import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import { exportJWK, SignJWT, type JWTPayload } from 'jose';

/** An OpenID Connect provider on loopback. */
export class OidcProvider {
  readonly #server: Server;
  issuer = '';
  asked: string[] = [];
  /** Answers instead of the right ones, by path. */
  answers = new Map<string, { status: number; body: string; headers?: Record<string, string> }>();
  keys: { kid: string; key: KeyObject }[] = [];

  constructor(tls: { cert: Buffer; key: Buffer }) {
    this.#server = createServer(tls, (request, response) => {
      void this.#answer(request.url ?? '').then(({ status, body, headers }) => {
        response.writeHead(status, { 'content-type': 'application/json', ...headers });
        response.end(body);
      });
    });
  }

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no address');
    this.issuer = `https://127.0.0.1:${address.port}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  newKey(kid: string): void {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    this.keys.push({ kid, key: privateKey });
  }

  sign(payload: JWTPayload, kid = this.keys.at(-1)?.kid, algorithm = 'RS256'): Promise<string> {
    const known = this.keys.find((one) => one.kid === kid);
    if (known === undefined || kid === undefined) throw new Error(`no key ${String(kid)}`);
    return new SignJWT(payload).setProtectedHeader({ alg: algorithm, kid }).sign(known.key);
  }

  async #answer(
    path: string,
  ): Promise<{ status: number; body: string; headers?: Record<string, string> }> {
    this.asked.push(path);
    const given = this.answers.get(path);
    if (given !== undefined) return given;
    if (path === '/.well-known/openid-configuration') {
      const document = { issuer: this.issuer, jwks_uri: `${this.issuer}/keys` };
      return { status: 200, body: JSON.stringify(document) };
    }
    const keys = await Promise.all(
      this.keys.map(async ({ kid, key }) => {
        const { kty, n, e } = await exportJWK(key);
        return { kty, n, e, kid, use: 'sig', alg: 'RS256' };
      }),
    );
    return { status: 200, body: JSON.stringify({ keys }) };
  }
}
