import { once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { TLSSocket } from 'node:tls';
import type { Logger } from 'pino';
import type { Clock } from '../../api/machinery/clock.ts';
import type { Metrics } from '../../api/machinery/metrics.ts';
import { healthAnswer, type HealthCheck } from '../../api/server/health.ts';
import { Connections } from '../../api/server/http/connections.ts';
import { CertificateUsers } from '../../api/server/http/identity.ts';
import type { ListenOptions } from '../../api/server/http/listener.ts';
import { isSameTls, secureContextOptions, type TlsOptions } from '../../api/server/http/tls.ts';
import type { Runnable } from '../runtime/runnable.ts';

export interface HealthListenerOptions {
  listen: ListenOptions;
  /** Without it plain HTTP is spoken, for loopback alone. */
  tls: TlsOptions | undefined;
  /** Of /readyz and /healthz; /livez asks only whether the process answers. */
  checks: readonly HealthCheck[];
  metrics: Metrics;
  /** For a client to take what it asked for; a moment if absent. */
  patienceMs?: number;
  clock: Clock;
  logger: Pick<Logger, 'info' | 'warn'>;
}

/** Probes and scrapes come from a few places, and have no bodies. */
const limits = {
  connections: { all: 100, perAddress: 100 },
  requestMs: 10_000,
  headerBytes: 8 * 1024,
};

/** Groups whose members may read metrics, as by the default roles of the API. */
const readers = ['system:monitoring', 'system:masters'];

interface Reply {
  code: number;
  contentType: string;
  body: string | Uint8Array;
}

/**
 * Health and metrics of a process without the API: /livez, /readyz and /healthz for everybody; /metrics,
 * where TLS is spoken, for who shows a certificate of one of the groups.
 */
export class HealthListener implements Runnable {
  readonly name = 'health';
  readonly #options: HealthListenerOptions;
  readonly #server: Server;
  readonly #setTls: ((tls: TlsOptions) => void) | undefined;
  #tls: TlsOptions | undefined;
  readonly #users = new CertificateUsers();
  readonly #connections: Connections;

  constructor(options: HealthListenerOptions) {
    this.#options = options;
    const { tls } = options;
    const common = { maxHeaderSize: limits.headerBytes };
    const serve: RequestListener = (request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        options.logger.warn({ err: error, path: request.url }, 'a probe or scrape failed');
        response.destroy();
      });
    };
    this.#tls = tls;
    if (tls === undefined) this.#server = createServer(common, serve);
    else {
      const secure = createSecureServer(
        {
          ...common,
          ...secureContextOptions(tls),
          requestCert: true,
          rejectUnauthorized: false,
          handshakeTimeout: limits.requestMs,
        },
        serve,
      );
      this.#server = secure;
      this.#setTls = (next) => secure.setSecureContext(secureContextOptions(next));
    }
    this.#connections = new Connections(this.#server, limits.connections);
    this.#server.headersTimeout = limits.requestMs;
    this.#server.requestTimeout = limits.requestMs;
    // Whoever does not read what it asked for keeps no connection: there are few.
    this.#server.timeout = options.patienceMs ?? limits.requestMs;
  }

  /** What counts for connections from now on; those that are open end. Answers whether it is anything new. */
  setTls(tls: TlsOptions): boolean {
    if (this.#tls === undefined || isSameTls(this.#tls, tls)) return false;
    this.#setTls?.(tls);
    this.#tls = tls;
    this.#connections.destroy();
    return true;
  }

  async run(signal: AbortSignal): Promise<void> {
    const listening = once(this.#server, 'listening');
    this.#server.listen(this.#options.listen);
    await listening;
    const address = this.#server.address();
    this.#options.logger.info({ address }, 'health and metrics are served');
    if (!signal.aborted) {
      await new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#connections.destroy();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { code, contentType, body } = await this.#reply(request);
    response.writeHead(code, {
      'Content-Type': contentType,
      'X-Content-Type-Options': 'nosniff',
      'Cache-Control': 'no-cache, private',
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  }

  async #reply(request: IncomingMessage): Promise<Reply> {
    const [path = '', query = ''] = (request.url ?? '').split(/\?(.*)/s, 2);
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return text(405, 'only GET is served');
    const { checks, metrics } = this.#options;
    if (/^\/metrics\/?$/.test(path)) {
      if (!this.#mayReadMetrics(request)) {
        return text(403, `/metrics is for certificates of the groups ${readers.join(' and ')}`);
      }
      const contentType = 'text/plain; version=0.0.4; charset=utf-8';
      return { code: 200, contentType, body: metrics.text() };
    }
    const [, endpoint] = /^\/(livez|readyz|healthz)(?:\/|$)/.exec(path) ?? [];
    if (endpoint !== 'livez' && endpoint !== 'readyz' && endpoint !== 'healthz') {
      return text(404, '404 page not found');
    }
    const parameters = new URLSearchParams(query);
    const asked = endpoint === 'livez' ? [] : checks;
    const answer = await healthAnswer(endpoint, asked, path, parameters);
    const { code } = answer;
    return answer.kind === 'bytes'
      ? { code, contentType: answer.contentType, body: answer.bytes }
      : text(code, '');
  }

  #mayReadMetrics({ socket }: IncomingMessage): boolean {
    if (!(socket instanceof TLSSocket)) return true;
    const user = this.#users.userOf(socket, this.#options.clock.now());
    return user?.groups.some((group) => readers.includes(group)) === true;
  }
}

function text(code: number, body: string): Reply {
  return { code, contentType: 'text/plain; charset=utf-8', body: `${body}\n` };
}
