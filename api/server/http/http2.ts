import {
  constants,
  performServerHandshake,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../../machinery/clock.ts';
import { Allowance } from './allowance.ts';
import { limits } from './limits.ts';
import type { Incoming, Outgoing } from './message.ts';

export interface Http2Options {
  clock: Clock;
  serve: (request: Incoming, response: Outgoing) => void;
}

/** The connections that speak HTTP/2: many requests at a time on each. */
export class Http2Connections {
  readonly #options: Http2Options;
  readonly #open = new Set<Http2Connection>();
  #ended = false;

  constructor(options: Http2Options) {
    this.#options = options;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Takes over a connection whose ends have agreed on HTTP/2. */
  accept(socket: TLSSocket): void {
    const connection = new Http2Connection(socket, this.#options);
    this.#open.add(connection);
    connection.onceClosed(() => this.#open.delete(connection));
    if (this.#ended) connection.destroy();
  }

  /** Tells all clients that are here to send further requests over another connection. */
  leave(): void {
    for (const connection of this.#open) connection.leave();
  }

  /** Ends all connections, those yet to come at once; what was answered last has a moment to get there. */
  destroy(): void {
    this.#ended = true;
    for (const connection of this.#open) connection.end();
  }
}

const sessionOptions = {
  settings: {
    maxConcurrentStreams: limits.streams,
    maxHeaderListSize: limits.headerBytes,
  },
  maxHeaderListPairs: limits.headers,
  maxSessionMemory: limits.sessionMebibytes,
};

class Http2Connection {
  readonly #session: ServerHttp2Session;
  readonly #socket: TLSSocket;
  readonly #options: Http2Options;
  readonly #broken: Allowance;
  #streams = 0;
  #idle: { cancel(): void };
  #pulse: { cancel(): void };
  /** How much had been read, and when, as the other end answered last. */
  #heard: { bytes: number; at: number };

  constructor(socket: TLSSocket, options: Http2Options) {
    const { clock } = options;
    this.#socket = socket;
    this.#options = options;
    this.#broken = new Allowance({ ...limits.brokenStreams, clock });
    this.#session = performServerHandshake(socket, sessionOptions);
    this.#heard = { bytes: 0, at: clock.monotonic() };
    this.#idle = clock.after(limits.headersMs, () => this.leave());
    this.#pulse = clock.after(limits.glanceMs, () => this.#glance());
    this.#session.on(
      'stream',
      (
        stream: ServerHttp2Stream,
        headers: IncomingHttpHeaders,
        _flags: number,
        rawHeaders: readonly string[],
      ) => this.#serve(stream, headers, rawHeaders),
    );
    // The close that follows says enough.
    this.#session.on('error', () => undefined);
    socket.on('error', () => this.destroy());
    this.onceClosed(() => {
      this.#idle.cancel();
      this.#pulse.cancel();
      this.#session.destroy();
    });
  }

  onceClosed(run: () => void): void {
    this.#socket.once('close', run);
  }

  /** GOAWAY: what has begun is answered, nothing else. */
  leave(): void {
    if (!this.#session.destroyed) this.#session.close();
    if (this.#streams === 0) this.#cutSoon();
  }

  /** The same, within a moment. */
  end(): void {
    this.leave();
    this.#cutSoon();
  }

  destroy(): void {
    this.#session.destroy();
    this.#socket.destroy();
  }

  /** Leaves the other end a moment to read why and to hang up: it may do neither. */
  #cutSoon(): void {
    this.#idle.cancel();
    this.#idle = this.#options.clock.after(limits.lingerMs, () => this.destroy());
  }

  /**
   * What breaks the rules is told so by Node, which reads nothing from then on and says nothing of it. So
   * whoever has sent anything is asked for more, soon after, and others now and then.
   */
  #glance(): void {
    const { clock } = this.#options;
    if (this.#session.destroyed) return;
    const isQuiet = this.#socket.bytesRead === this.#heard.bytes;
    if (isQuiet && clock.monotonic() - this.#heard.at < limits.pingMs) {
      this.#pulse = clock.after(limits.glanceMs, () => this.#glance());
    } else this.#ping();
  }

  /** Whoever does not answer has gone, or reads nothing, or broke the rules so that nothing is read of it. */
  #ping(): void {
    const { clock } = this.#options;
    this.#pulse = clock.after(limits.stalledMs, () => this.destroy());
    this.#session.ping((error) => {
      if (error !== null) return;
      this.#pulse.cancel();
      this.#heard = { bytes: this.#socket.bytesRead, at: clock.monotonic() };
      this.#pulse = clock.after(limits.glanceMs, () => this.#glance());
    });
  }

  #serve(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    rawHeaders: readonly string[],
  ): void {
    const { clock, serve } = this.#options;
    this.#idle.cancel();
    this.#streams += 1;
    // The close that follows says enough.
    stream.on('error', () => undefined);
    const request = new Http2Request(stream, { headers, rawHeaders, socket: this.#socket });
    const late = request.complete
      ? undefined
      : clock.after(limits.requestMs, () => cutUnlessComplete(stream, request));
    stream.once('close', () => {
      late?.cancel();
      this.#closed(stream);
    });
    serve(request, new Http2Response(stream, request, clock));
  }

  #closed({ rstCode, aborted }: ServerHttp2Stream): void {
    const { clock } = this.#options;
    this.#streams -= 1;
    const broken = aborted || rstCode !== constants.NGHTTP2_NO_ERROR;
    if (broken && !this.#broken.spend()) this.#calmDown();
    if (this.#streams > 0) return;
    if (this.#session.closed || this.#session.destroyed) {
      this.#cutSoon();
      return;
    }
    this.#idle.cancel();
    this.#idle = clock.after(limits.keepAliveMs, () => this.leave());
  }

  /**
   * Whoever gives up what it asks for all the time makes us work for nothing (CVE-2023-44487). Not at once:
   * Node breaks down when a session is destroyed while it takes in a frame.
   */
  #calmDown(): void {
    this.#options.clock.after(0, () => {
      if (!this.#session.destroyed) {
        this.#session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM);
        this.#session.destroy();
      }
      this.#cutSoon();
    });
  }
}

function cutUnlessComplete(stream: ServerHttp2Stream, request: Incoming): void {
  if (!request.complete) stream.close(constants.NGHTTP2_CANCEL);
}

/** A stream as the request that it brings. */
class Http2Request implements Incoming {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly socket: TLSSocket;
  readonly #stream: ServerHttp2Stream;

  constructor(
    stream: ServerHttp2Stream,
    of: { headers: IncomingHttpHeaders; rawHeaders: readonly string[]; socket: TLSSocket },
  ) {
    this.#stream = stream;
    this.headers = of.headers;
    this.rawHeaders = of.rawHeaders;
    this.socket = of.socket;
    this.method = of.headers[':method'];
    this.url = of.headers[':path'];
  }

  /** A stream that is cut off ends like any other: it tells only besides that it was. */
  get complete(): boolean {
    const { endAfterHeaders, readableEnded, aborted } = this.#stream;
    return endAfterHeaders || (readableEnded && !aborted);
  }

  iterator(options: { destroyOnReturn: boolean }): AsyncIterable<Buffer> {
    return this.#stream.iterator(options);
  }
}

/** What speaks of the connection has no place in HTTP/2 (RFC 9113 8.2.2). */
const ofConnections = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade']);

/** A stream as the answer that goes over it. */
class Http2Response implements Outgoing {
  statusCode = 200;
  readonly #stream: ServerHttp2Stream;
  readonly #request: Incoming;
  readonly #clock: Clock;
  readonly #headers: OutgoingHttpHeaders = {};

  constructor(stream: ServerHttp2Stream, request: Incoming, clock: Clock) {
    this.#stream = stream;
    this.#request = request;
    this.#clock = clock;
  }

  get destroyed(): boolean {
    return this.#stream.destroyed;
  }

  get closed(): boolean {
    return this.#stream.closed;
  }

  get writableNeedDrain(): boolean {
    return this.#stream.writableNeedDrain;
  }

  setHeader(name: string, value: string | number | readonly string[]): void {
    const key = name.toLowerCase();
    if (ofConnections.has(key)) return;
    this.#headers[key] = typeof value === 'object' ? [...value] : value;
  }

  hasHeader(name: string): boolean {
    return name.toLowerCase() in this.#headers;
  }

  flushHeaders(): void {
    this.#begin(false);
  }

  write(chunk: Uint8Array): boolean {
    this.#begin(false);
    return this.#stream.write(chunk);
  }

  end(chunk?: Uint8Array): void {
    const stream = this.#stream;
    // RFC 9113 8.1: what is left of the request is not wanted.
    stream.once('finish', () => {
      if (!this.#request.complete) this.#reset(constants.NGHTTP2_NO_ERROR);
    });
    if (chunk === undefined || chunk.length === 0) {
      if (!this.#begin(true)) stream.end();
      return;
    }
    this.#begin(false);
    stream.end(chunk);
  }

  destroy(): void {
    this.#reset(constants.NGHTTP2_INTERNAL_ERROR);
  }

  /** Not at once: this may be while a frame is taken in. */
  #reset(code: number): void {
    this.#clock.after(0, () => {
      if (this.#stream.destroyed) return;
      this.#stream.close(code);
      if (code !== constants.NGHTTP2_NO_ERROR) this.#stream.destroy();
    });
  }

  on(event: 'drain' | 'finish' | 'close', listener: () => void): void {
    this.#stream.on(event, listener);
  }

  once(event: 'drain' | 'finish' | 'close', listener: () => void): void {
    this.#stream.once(event, listener);
  }

  off(event: 'drain' | 'finish' | 'close', listener: () => void): void {
    this.#stream.off(event, listener);
  }

  /** Sends the headers unless they are sent or nobody is there; `alone`: nothing follows them. */
  #begin(alone: boolean): boolean {
    const stream = this.#stream;
    if (stream.headersSent || stream.destroyed || stream.closed) return false;
    stream.respond({ ':status': this.statusCode, ...this.#headers }, { endStream: alone });
    return true;
  }
}
