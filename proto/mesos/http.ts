/** HTTP to masters and agents: redirects, deadlines, credentials and bounded bodies. */
import { Buffer } from 'node:buffer';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { buildConnector, Client } from 'undici';
import type { Dispatcher } from 'undici';
import type { Clock } from '../../api/machinery/clock.ts';
import { contentTypes } from './codec.ts';
import type { Format } from './codec.ts';
import { MesosRequestError } from './transport.ts';
import type { MesosAddress } from './transport.ts';

export interface Credential {
  readonly principal: string;
  readonly secret: string;
}

/** All in PEM. */
export interface TlsOptions {
  /** Who signs the servers' certificates; the system's authorities if absent. */
  readonly ca?: string | Buffer;
  /** What we show. */
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
}

export interface HttpOptions {
  readonly clock: Clock;
  /** Default protobuf. */
  readonly format?: Format;
  /** Sent as HTTP Basic. Never part of an error or a log. */
  readonly credential?: Credential;
  /** If present, masters and agents are asked over TLS. */
  readonly tls?: TlsOptions;
  /** Milliseconds until a request counts as unanswered. Default 30,000. */
  readonly requestTimeoutMs?: number;
  /** Bytes of an answer's body, other than a stream's. Default 256 MiB. */
  readonly maxResponseBytes?: number;
}

/** Bytes of an error's body that are kept: Mesos writes one sentence. */
export const maxErrorBytes = 16 * 1024;
const maxRedirects = 5;
/** A shorter body fits a packet as it is: to compress it costs more than the request itself. */
const gzipFromBytes = 1024;

export interface Answer {
  readonly status: number;
  readonly headers: Dispatcher.ResponseData['headers'];
  readonly body: Dispatcher.ResponseData['body'];
}

export interface ShortAnswer {
  readonly status: number;
  /** Its first `maxErrorBytes`, or why they did not come: the head has decided already. */
  readonly text: string;
}

export interface HttpClient {
  readonly format: Format;
  /**
   * A connection to one address, with no timeouts of its own; the caller closes it. `mayLeave` is asked
   * once it stands, before the first byte of a request; if it says no, requests fail as Unreachable.
   */
  connect(address: MesosAddress, mayLeave?: () => Promise<boolean>): Client;
  /**
   * Posts a body, gzipped unless it is small; resolves with the answer's head. The signal covers the
   * body too.
   */
  post(client: Client, path: string, body: Uint8Array, options: PostOptions): Promise<Answer>;
  /** Posts a body piece by piece, as fast as it is taken; resolves with the answer's head. */
  upload(
    client: Client,
    path: string,
    pieces: AsyncIterable<Uint8Array>,
    options: PostOptions,
  ): Promise<Answer>;
  /**
   * Posts a body, gzipped unless it is small, and resolves with the whole answer: for the many calls
   * whose answers are empty, at half the cost of `post` and `read`. Rejects if no head came in time, and
   * as Unreachable if `mayLeave`, asked once there is a connection to write to, says no.
   */
  exchange(
    client: Client,
    path: string,
    body: Uint8Array,
    headers: Readonly<Record<string, string>>,
    mayLeave?: () => boolean,
  ): Promise<ShortAnswer>;
  /** Reads an answer's body. Throws MesosRequestError BadAnswer if it is longer than the bound. */
  read(answer: Answer, maxBytes?: number): Promise<Uint8Array>;
  /** Where a GET of `path` is redirected to. Throws MesosRequestError. */
  redirectOf(address: MesosAddress, path: string, signal: AbortSignal): Promise<MesosAddress>;
  /**
   * Runs `attempt` at an address and at those that it is redirected to; throws TooManyRedirects.
   * `attempt` returns what `redirection` gave it, or its own result.
   */
  follow<T>(
    address: MesosAddress,
    attempt: (address: MesosAddress) => Promise<T | Redirect>,
  ): Promise<T>;
  /** The redirect that a 307 or 308 asks for, undefined for any other answer. */
  redirection(answer: Answer, from: MesosAddress): Redirect | undefined;
  /** Runs `work` with a signal that aborts with an Unanswered error after the request timeout. */
  withDeadline<T>(
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T>;
}

export interface PostOptions {
  readonly signal: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
}

export class Redirect {
  readonly to: MesosAddress;

  constructor(to: MesosAddress) {
    this.to = to;
  }
}

export function httpClient(options: HttpOptions): HttpClient {
  const { clock, format = 'protobuf', tls, requestTimeoutMs = 30_000 } = options;
  const { maxResponseBytes = 256 * 1024 * 1024 } = options;
  const scheme = tls === undefined ? 'http' : 'https';
  const authorization = basic(options.credential);
  const posted = (
    path: string,
    body: Uint8Array,
    headers: Readonly<Record<string, string>> | undefined,
  ): PostedRequest => ({
    method: 'POST',
    path,
    body: body.length < gzipFromBytes ? body : gzipSync(body),
    headers: {
      'content-type': contentTypes[format],
      ...(body.length < gzipFromBytes ? {} : { 'content-encoding': 'gzip' }),
      accept: contentTypes[format],
      ...authorization,
      ...headers,
    },
  });

  const http: HttpClient = {
    format,
    connect: (address, mayLeave) => {
      const connector = buildConnector({ timeout: requestTimeoutMs, ...tls });
      return new Client(origin(scheme, address), {
        headersTimeout: 0,
        bodyTimeout: 0,
        pipelining: 1,
        connect: mayLeave === undefined ? connector : guarded(connector, mayLeave),
      });
    },

    post: async (client, path, body, { signal, headers }) => {
      const request = posted(path, body, headers);
      const { statusCode, ...answer } = await client.request({ ...request, signal });
      return { status: statusCode, headers: answer.headers, body: answer.body };
    },

    upload: async (client, path, pieces, { signal, headers }) => {
      const { statusCode, ...answer } = await client.request({
        method: 'POST',
        path,
        body: Readable.from(pieces),
        headers: { accept: contentTypes[format], ...authorization, ...headers },
        signal,
      });
      return { status: statusCode, headers: answer.headers, body: answer.body };
    },

    exchange: (client, path, body, headers, mayLeave = always) =>
      exchange(client, posted(path, body, headers), mayLeave, { clock, requestTimeoutMs }),

    read: async (answer, maxBytes = maxResponseBytes) => {
      const chunks: Uint8Array[] = [];
      let size = 0;
      for await (const chunk of byteChunks(answer.body)) {
        size += chunk.length;
        if (size > maxBytes) {
          throw new MesosRequestError('BadAnswer', `the answer exceeds ${maxBytes} bytes`);
        }
        chunks.push(chunk);
      }
      return Buffer.concat(chunks);
    },

    redirectOf: async (address, path, signal) => {
      const client = http.connect(address);
      try {
        return await http.withDeadline(signal, async (deadline) => {
          const { statusCode, ...rest } = await client
            .request({ method: 'GET', path, signal: deadline, headers: authorization })
            .catch((error: unknown) => {
              throw requestError(error, address);
            });
          const answer = { status: statusCode, headers: rest.headers, body: rest.body };
          const redirect = http.redirection(answer, address);
          if (redirect === undefined) throw await refusal(http, answer, address);
          return redirect.to;
        });
      } finally {
        await client.destroy();
      }
    },

    follow: async (address, attempt) => {
      let current = address;
      for (let hop = 0; hop <= maxRedirects; hop++) {
        const result = await attempt(current);
        if (!(result instanceof Redirect)) return result;
        current = result.to;
      }
      throw new MesosRequestError('TooManyRedirects', `more than ${maxRedirects} redirects`);
    },

    redirection: ({ status, headers }, from) => {
      if (status !== 307 && status !== 308) return undefined;
      return new Redirect(redirectTarget(headers['location'], scheme, from));
    },

    withDeadline: async (signal, work) => {
      const controller = new AbortController();
      const timer = clock.after(requestTimeoutMs, () => {
        const message = `no answer in ${requestTimeoutMs} ms`;
        controller.abort(new MesosRequestError('Unanswered', message));
      });
      const either =
        signal === undefined ? controller.signal : AbortSignal.any([controller.signal, signal]);
      try {
        return await work(either);
      } finally {
        timer.cancel();
      }
    },
  };
  return http;
}

const always = (): boolean => true;

function withheld(): MesosRequestError {
  return new MesosRequestError('Unreachable', 'the caller may not call any more');
}

/** Making a connection takes its time, in which what was true may have ceased to be. */
function guarded(
  connector: buildConnector.connector,
  mayLeave: () => Promise<boolean>,
): buildConnector.connector {
  return (options, done) => {
    connector(options, (error, socket) => {
      if (socket === null) {
        done(error, null);
        return;
      }
      const refuse = (reason: Error): void => {
        socket.destroy();
        done(reason, null);
      };
      mayLeave().then((may) => {
        if (may) done(null, socket);
        else refuse(withheld());
      }, refuse);
    });
  };
}

type PostedRequest = Dispatcher.DispatchOptions & { method: 'POST' };

function exchange(
  client: Client,
  request: PostedRequest,
  mayLeave: () => boolean,
  { clock, requestTimeoutMs: timeoutMs }: { clock: Clock; requestTimeoutMs: number },
): Promise<ShortAnswer> {
  return new Promise((resolve, reject) => {
    let sent: Dispatcher.DispatchController | undefined;
    let status: number | undefined;
    let late: Error | undefined;
    const chunks: Uint8Array[] = [];
    let size = 0;
    const fail = (error: Error): void => {
      timer.cancel();
      if (status === undefined) reject(error);
      else resolve({ status, text: `(the reason did not arrive: ${error.message})` });
    };
    const timer = clock.after(timeoutMs, () => {
      late = new MesosRequestError('Unanswered', `no answer in ${timeoutMs} ms`);
      sent?.abort(late);
      fail(late);
    });
    client.dispatch(request, {
      onRequestStart: (controller) => {
        sent = controller;
        if (!mayLeave()) late ??= withheld();
        if (late !== undefined) controller.abort(late);
      },
      onResponseStart: (_, code) => {
        status = code;
      },
      onResponseData: (_, chunk) => {
        if (size < maxErrorBytes) chunks.push(chunk.subarray(0, maxErrorBytes - size));
        size += chunk.length;
      },
      onResponseEnd: () => {
        timer.cancel();
        resolve({ status: status ?? 0, text: Buffer.concat(chunks).toString('utf8') });
      },
      onResponseError: (_, error) => {
        fail(error);
      },
    });
  });
}

function origin(scheme: string, { hostname, port }: MesosAddress): string {
  const host = hostname.includes(':') ? `[${hostname}]` : hostname;
  return `${scheme}://${host}:${port}`;
}

function basic(credential: Credential | undefined): Record<string, string> {
  if (credential === undefined) return {};
  const { principal, secret } = credential;
  return { authorization: `Basic ${Buffer.from(`${principal}:${secret}`).toString('base64')}` };
}

/**
 * Masters answer `//host:port`, with a path or without; only host and port are used. Another scheme
 * is refused, because it could send the credential in clear.
 */
function redirectTarget(
  location: string | string[] | undefined,
  scheme: string,
  from: MesosAddress,
): MesosAddress {
  const text = typeof location === 'string' ? location : '';
  const base = origin(scheme, from);
  const url = text !== '' && URL.canParse(text, base) ? new URL(text, base) : undefined;
  if (url?.protocol !== `${scheme}:`) {
    throw new MesosRequestError('BadAnswer', `${base} redirects to ${JSON.stringify(text)}`);
  }
  const port = url.port === '' ? (scheme === 'https' ? 443 : 80) : Number(url.port);
  return { hostname: url.hostname.replace(/^\[|\]$/g, ''), port };
}

/** The error for an answer that is no success: NoLeader for 503, else Refused. */
export async function refusal(
  http: HttpClient,
  answer: Answer,
  { hostname, port }: MesosAddress,
): Promise<MesosRequestError> {
  const { status } = answer;
  const text = Buffer.from(await http.read(answer, maxErrorBytes)).toString('utf8');
  const message = `${hostname}:${port} answers ${status}${text === '' ? '' : `: ${text}`}`;
  return new MesosRequestError(status === 503 ? 'NoLeader' : 'Refused', message, { status });
}

/** What went wrong with a request that has no answer: Unreachable if it cannot have left. */
export function requestError(error: unknown, { hostname, port }: MesosAddress): Error {
  if (error instanceof MesosRequestError) return error;
  if (error instanceof Error && error.name === 'AbortError') return error;
  const code = neverLeft(error) ? 'Unreachable' : 'Unanswered';
  const detail = error instanceof Error ? error.message : String(error);
  return new MesosRequestError(code, `${hostname}:${port}: ${detail}`, { cause: error });
}

/** True if the connection was never made, so that not a byte of the request was sent. */
function neverLeft(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(neverLeft);
  if (!(error instanceof Error)) return false;
  if ('code' in error && error.code === 'UND_ERR_CONNECT_TIMEOUT') return true;
  return 'syscall' in error && (error.syscall === 'connect' || error.syscall === 'getaddrinfo');
}

/** A body's chunks as bytes. */
export async function* byteChunks(body: AsyncIterable<unknown>): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    if (!(chunk instanceof Uint8Array)) {
      throw new MesosRequestError('BadAnswer', 'a body came as text');
    }
    yield chunk;
  }
}
