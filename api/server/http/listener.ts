import { setMaxListeners } from 'node:events';
import type { ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { sleep, type Clock } from '../../machinery/clock.ts';
import { ApiError } from '../../machinery/errors.ts';
import type { Metrics } from '../../machinery/metrics.ts';
import type { Authentication } from '../authentication/authentication.ts';
import type { Dispatcher } from '../dispatcher.ts';
import { toApiError } from '../errors.ts';
import type { Answer } from '../request.ts';
import type { ServerLogger } from '../server.ts';
import type { Send, Traffic } from '../traffic/traffic.ts';
import { announcesBody, BodyMemory, decodeBody, drain, readBody } from './body.ts';
import { Connections, type ConnectionBounds } from './connections.ts';
import { Http2Connections } from './http2.ts';
import { Flushes } from './flushes.ts';
import { limits } from './limits.ts';
import type { Incoming, Outgoing } from './message.ts';
import { Pipelines } from './pipelines.ts';
import { RequestHeads } from './request-head.ts';
import { isSamePem, isSameTls, secureContextOptions, type TlsOptions } from './tls.ts';
import { Turns } from './turns.ts';
import { Upgrades } from './upgrade.ts';
import { writeAnswer } from './writer.ts';

export interface ListenOptions {
  host: string;
  /** 0: any free one. */
  port: number;
  /** Whether clients may choose HTTP/2; they may if absent. */
  http2?: boolean | undefined;
  /** The server's own if absent. */
  connections?: ConnectionBounds | undefined;
}

export interface HttpsListenerOptions extends ListenOptions {
  tls: TlsOptions;
  traffic: Pick<Traffic, 'pass'>;
  dispatcher: Pick<Dispatcher, 'refused'>;
  authentication: Authentication;
  clock: Clock;
  metrics?: Metrics | undefined;
  logger: ServerLogger;
}

/** The HTTPS edge: connections, identity, bodies and answers; it decides nothing about objects. */
export class HttpsListener {
  readonly #options: HttpsListenerOptions;
  readonly #server: Server;
  #tls: TlsOptions;
  /** Connections that authorities let in which have been others since: nothing more begins on them. */
  readonly #outdated = new WeakSet<object>();
  readonly #connections: Connections;
  /** Those that speak HTTP/1.1. */
  readonly #http1 = new Set<TLSSocket>();
  readonly #http2: Http2Connections;
  readonly #pipelines = new Pipelines();
  readonly #heads: RequestHeads;
  /** Aborted when the server stops: ends sessions. */
  readonly #stopping = new AbortController();
  readonly #refused = new WeakSet<Duplex>();
  /** Of each request under way: aborted when its client goes, or the server stops. */
  readonly #open = new Set<AbortController>();
  readonly #underWay = new Set<Promise<void>>();
  /** Why what a request began is to end: one for all, since to make one takes its time. */
  readonly #over = new DOMException('the exchange is over', 'AbortError');
  readonly #turns: Turns;
  readonly #flushes: Flushes;
  readonly #bodies = new BodyMemory();

  constructor(options: HttpsListenerOptions) {
    this.#options = options;
    // Every session under way listens to it.
    setMaxListeners(0, this.#stopping.signal);
    this.#turns = new Turns(options.clock);
    this.#flushes = new Flushes(options.clock, (error) => {
      const cause = error instanceof Error ? error.stack : String(error);
      options.logger.error({ error: cause }, 'a watch could not be written');
    });
    this.#heads = new RequestHeads({
      ...options,
      onKnown: (socket) => this.#connections.known(socket),
    });
    this.#tls = options.tls;
    this.#server = createServer(
      {
        ...secureContextOptions(options.tls),
        requestCert: true,
        // Health and version are open to all; everything else asks who is there.
        rejectUnauthorized: false,
        ALPNProtocols: options.http2 === false ? ['http/1.1'] : ['h2', 'http/1.1'],
        handshakeTimeout: limits.handshakeMs,
        maxHeaderSize: limits.headerBytes,
        keepAlive: true,
        keepAliveInitialDelay: 30_000,
        noDelay: true,
      },
      (request, response) => this.#track(this.#serveInTurn(request, response)),
    );
    this.#server.headersTimeout = limits.headersMs;
    this.#server.requestTimeout = limits.requestMs;
    this.#server.keepAliveTimeout = limits.keepAliveMs;
    this.#server.maxHeadersCount = limits.headers;
    this.#server.timeout = 0;
    const upgrades = new Upgrades({
      ...options,
      heads: this.#heads,
      stopping: this.#stopping.signal,
    });
    this.#server.on('upgrade', (request, socket, head) => {
      if (this.#outdated.has(socket)) socket.destroy();
      else this.#track(upgrades.serve(request, socket, head));
    });
    this.#server.on('clientError', (error, socket) => this.#refuseMalformed(error, socket));
    this.#http2 = new Http2Connections({
      clock: options.clock,
      serve: (request, response) => this.#track(this.#serve(request, response)),
    });
    // Takes away whoever listens to connections, so it comes before those who listen too.
    this.#divertHttp2();
    const cut = options.metrics?.counter(
      'mesocosm_api_connections_cut_total',
      'Connections that made room for others, by the bound that was met.',
    );
    for (const bound of ['all', 'address']) cut?.inc({ bound }, 0);
    const bounds = options.connections ?? limits.connections;
    this.#connections = new Connections(this.#server, bounds, (bound) => cut?.inc({ bound }));
    options.metrics?.collect(
      'gauge',
      'mesocosm_api_connections',
      'Connections over TLS, by what they speak.',
      () => [
        { labels: { protocol: 'http/1.1' }, value: this.#http1.size },
        { labels: { protocol: 'h2' }, value: this.#http2.size },
      ],
    );
  }

  /** Connections go to whoever speaks what their ends have agreed on: the server itself speaks HTTP/1.1. */
  #divertHttp2(): void {
    const [speakHttp1 = () => undefined] = this.#server.listeners('secureConnection');
    this.#server.removeAllListeners('secureConnection');
    this.#server.on('secureConnection', (socket: TLSSocket) => {
      if (socket.alpnProtocol === 'h2') {
        this.#http2.accept(socket);
        return;
      }
      this.#http1.add(socket);
      socket.once('close', () => this.#http1.delete(socket));
      Reflect.apply(speakHttp1, this.#server, [socket]);
    });
  }

  /**
   * What counts for connections from now on. Answers whether it is anything new. Throws for what no server
   * can serve with, and goes on as before.
   */
  setTls(tls: TlsOptions): boolean {
    const before = this.#tls;
    if (isSameTls(before, tls)) return false;
    this.#server.setSecureContext(secureContextOptions(tls));
    this.#tls = tls;
    if (!isSamePem(before.clientCa, tls.clientCa)) this.#askAnew();
    return true;
  }

  /** Lets nobody go on by an authority that has gone: each connection ends with what is under way on it. */
  #askAnew(): void {
    // They would go by the authorities that there were when they began.
    this.#connections.destroyUnsecured();
    for (const socket of this.#http1) this.#outdated.add(socket);
    this.#server.closeIdleConnections();
    this.#http2.leave();
  }

  get address(): { host: string; port: number } | undefined {
    const address: AddressInfo | string | null = this.#server.address();
    if (address === null || typeof address === 'string') return undefined;
    return { host: address.address, port: address.port };
  }

  async start(): Promise<void> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
  }

  /** Ends watches at once, lets other requests finish for a while, then closes what is left. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const open of this.#open) open.abort();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    this.#http2.leave();
    const patience = new AbortController();
    await Promise.race([
      Promise.allSettled(this.#underWay),
      sleep(this.#options.clock, limits.stopMs, patience.signal),
    ]);
    patience.abort();
    this.#server.closeAllConnections();
    this.#http2.destroy();
    // The server does not know of those that became WebSockets, or are still about to agree on TLS.
    const last = this.#options.clock.after(limits.lingerMs, () => this.#connections.destroy());
    await closed;
    last.cancel();
  }

  /**
   * What is no HTTP, or too much of it, gets a line and is cut off a moment later: at once, and the
   * client would lose the line to the reset that its unread data cause.
   */
  #refuseMalformed(error: NodeJS.ErrnoException, socket: Duplex): void {
    if (this.#refused.has(socket)) return;
    this.#refused.add(socket);
    if (!socket.writable || error.code === 'ECONNRESET') {
      socket.destroy();
      return;
    }
    const line = malformed[error.code ?? ''] ?? '400 Bad Request';
    socket.write(`HTTP/1.1 ${line}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    this.#options.clock.after(limits.lingerMs, () => socket.destroy());
  }

  #track(work: Promise<void>): void {
    this.#underWay.add(work);
    void work.finally(() => this.#underWay.delete(work));
  }

  async #serveInTurn(request: Incoming, response: ServerResponse): Promise<void> {
    if (await this.#pipelines.turn(request.socket, response)) await this.#serve(request, response);
  }

  async #serve(request: Incoming, response: Outgoing): Promise<void> {
    if (this.#outdated.has(request.socket)) {
      response.destroy();
      return;
    }
    const gone = new AbortController();
    this.#open.add(gone);
    // Nobody listens any more once it is answered, and most connections live on.
    response.once('close', () => {
      if (this.#open.has(gone)) gone.abort(this.#over);
    });
    const exchange = {
      response,
      head: request.method === 'HEAD',
      acceptEncoding: request.headers['accept-encoding'],
      clock: this.#options.clock,
      turns: this.#turns,
      flushes: this.#flushes,
    };
    try {
      if (this.#stopping.signal.aborted) gone.abort();
      await this.#answer(request, gone.signal, (answer, made) =>
        writeAnswer({ ...exchange, made }, answer),
      );
    } catch (error) {
      // The answer has begun or cannot be written: all that is left is to cut the connection.
      if (!response.destroyed) {
        this.#options.logger.warn(
          { error: String(error), path: request.url },
          'an answer broke off',
        );
        response.destroy();
      }
    } finally {
      this.#open.delete(gone);
      if (this.#outdated.has(request.socket)) request.socket.end();
    }
  }

  async #answer(request: Incoming, signal: AbortSignal, send: Send): Promise<void> {
    let head = this.#heads.plain(request);
    let bytes: Buffer;
    try {
      head = await this.#heads.read(request, head);
      // The body of somebody whom we do not know is not worth reading: what is open has none.
      bytes = head.user === undefined ? Buffer.alloc(0) : await readBody(request, this.#bodies);
    } catch (error) {
      await drain(request, this.#options.clock);
      const { dispatcher } = this.#options;
      const refused = { ...head, body: () => undefined, signal };
      return send(unread(dispatcher.refused(refused, this.#refusal(error, request))), nothing);
    }
    const stranger = head.user === undefined && announcesBody(request);
    if (stranger) await drain(request, this.#options.clock);
    const letGo = (): void => {
      this.#bodies.giveBack(bytes.length);
      bytes = Buffer.alloc(0);
    };
    try {
      await this.#options.traffic.pass(
        { ...head, body: (format) => decodeBody(bytes, format), signal },
        (answer, made) => {
          // Its client may take its time.
          letGo();
          return send(stranger ? unread(answer) : answer, made);
        },
      );
    } finally {
      letGo();
    }
  }

  /** Why a request was not even read; a fault of the server is in its log alone. */
  #refusal(error: unknown, { method, url }: Incoming): ApiError {
    const known = toApiError(error);
    if (known !== undefined) return known;
    this.#options.logger.error(
      { error: error instanceof Error ? error.stack : String(error), method, path: url },
      'a request failed in the server',
    );
    return new ApiError(
      'InternalError',
      'Internal error occurred: the log of the server says more',
    );
  }
}

const nothing = (): void => undefined;

/** The answer to a request of which something is left that nobody will read. */
function unread(answer: Answer): Answer {
  return { ...answer, headers: { ...answer.headers, Connection: 'close' } };
}

/** Answers to what the parser of HTTP gives up on, by its error code. */
const malformed: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};
