import { buildConnector, Pool } from 'undici';
import type { Dispatcher } from 'undici';
import type { Clock } from '../machinery/clock.ts';
import { ApiError } from '../machinery/errors.ts';
import type { ApiAccess } from './access.ts';
import { assertUsable, impersonationHeaders } from './access.ts';
import { BearerToken } from './bearer-token.ts';
import { refusal } from './decode.ts';
import { LineDecoder } from './ndjson.ts';
import type { ApiRequest, ApiResponse, Transport } from './transport.ts';
import { TransportError } from './transport.ts';

export interface HttpsTransportOptions {
  access: ApiAccess;
  clock: Clock;
  /** `cosm/0.1.0 (…)`; servers record its part before the slash as field manager. */
  userAgent: string;
  /** Bound of one request and its whole answer, and of the time until a watch opens. 30 s. */
  requestTimeoutMs?: number;
  /**
   * Silence after which a watch's link counts as dead. Servers send a bookmark about every minute,
   * so the default of 150 s is two of them missed.
   */
  watchIdleMs?: number;
  /** Bound of one answer. 256 MiB. */
  maxAnswerBytes?: number;
}

export interface HttpsTransport extends Transport {
  /**
   * The bytes of an answer as they come, which may be silent for as long as it likes. Throws an ApiError
   * if the server refuses; ends when the server or the signal ends it.
   */
  stream(request: ApiRequest, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** Ends every watch and request. */
  close(): Promise<void>;
}

const maxEventBytes = 8 * 1024 * 1024;
const requestConnections = 16;

/** Marks failures before any byte of a request was written: such a write surely did not happen. */
class ConnectError extends Error {
  override readonly name = 'ConnectError';
}

/** The API over HTTPS; plain HTTP to loopback addresses only (see `assertUsable`). */
export function httpsTransport(options: HttpsTransportOptions): HttpsTransport {
  const { access, clock } = options;
  assertUsable(access);
  const base = new URL(access.server);
  const shared = { connect: connector(access), bodyTimeout: 0, headersTimeout: 0, pipelining: 1 };
  // A watch occupies its connection for good, so the two must not share a bounded pool.
  const requests = new Pool(base.origin, { ...shared, connections: requestConnections });
  const watches = new Pool(base.origin, shared);
  const prefix = base.pathname.replace(/\/+$/, '');
  const requestTimeoutMs = options.requestTimeoutMs ?? 30_000;
  const watchIdleMs = options.watchIdleMs ?? 150_000;
  const maxAnswerBytes = options.maxAnswerBytes ?? 256 * 1024 * 1024;

  const bearer = new BearerToken(access, clock);

  const dispatch = async (
    pool: Pool,
    request: ApiRequest,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> => {
    const token = await bearer.current();
    return pool.request({
      method: request.method,
      path: prefix + request.path + queryText(request.query),
      headers: {
        ...headersOf(request, options.userAgent, token),
        ...impersonationHeaders(access),
      },
      body: request.body === undefined ? null : JSON.stringify(request.body),
      signal,
    });
  };

  return {
    request: async (request, signal) => {
      const deadline = new Deadline(clock, signal);
      deadline.start(requestTimeoutMs, `no answer within ${requestTimeoutMs} ms`);
      try {
        const response = await dispatch(requests, request, deadline.signal);
        return await readAnswer(response, maxAnswerBytes);
      } catch (error) {
        throw failure(`${request.method} ${base.origin}${request.path}`, error, deadline);
      } finally {
        deadline.release();
      }
    },

    watch: async function* (request, signal) {
      const deadline = new Deadline(clock, signal);
      const name = `watch ${base.origin}${request.path}`;
      try {
        deadline.start(requestTimeoutMs, `no answer within ${requestTimeoutMs} ms`);
        const response = await dispatch(watches, request, deadline.signal);
        if (response.statusCode !== 200) {
          const answer = await readAnswer(response, maxAnswerBytes);
          throw refusal(answer.body, answer.code);
        }
        yield* events(response.body, deadline, watchIdleMs);
      } catch (error) {
        if (signal.aborted) return;
        throw failure(name, error, deadline);
      } finally {
        deadline.release();
      }
    },

    stream: async function* (request, signal) {
      const deadline = new Deadline(clock, signal);
      try {
        deadline.start(requestTimeoutMs, `no answer within ${requestTimeoutMs} ms`);
        const response = await dispatch(watches, request, deadline.signal);
        if (response.statusCode !== 200) {
          const answer = await readAnswer(response, maxAnswerBytes);
          throw refusal(answer.body, answer.code);
        }
        deadline.pause();
        const body: AsyncIterable<Uint8Array> = response.body;
        yield* body;
      } catch (error) {
        if (signal.aborted) return;
        throw failure(`${request.method} ${base.origin}${request.path}`, error, deadline);
      } finally {
        deadline.release();
      }
    },

    close: async () => {
      await Promise.all([requests.destroy(), watches.destroy()]);
    },
  };
}

/** Yields the frames of a watch. The watchdog runs only while it waits for the server. */
async function* events(
  body: AsyncIterable<Uint8Array>,
  deadline: Deadline,
  idleMs: number,
): AsyncGenerator<unknown, void, undefined> {
  const decoder = new LineDecoder(maxEventBytes);
  const silence = `the server sent nothing for ${idleMs} ms`;
  deadline.start(idleMs, silence);
  for await (const chunk of body) {
    deadline.pause();
    yield* decoder.push(chunk);
    deadline.start(idleMs, silence);
  }
  if (decoder.pending > 0) throw new Error('the stream ended inside an event');
}

/** One deadline after another on an AbortSignal that also follows the caller's. */
class Deadline {
  readonly #clock: Clock;
  readonly #controller = new AbortController();
  readonly #caller: AbortSignal | undefined;
  readonly #onAbort = (): void => this.#controller.abort(new Error('aborted by the caller'));
  #timer: { cancel(): void } | undefined;
  /** Why the deadline ended the call, once it has. */
  expired: string | undefined;

  constructor(clock: Clock, caller: AbortSignal | undefined) {
    this.#clock = clock;
    this.#caller = caller;
    if (caller?.aborted === true) this.#onAbort();
    else caller?.addEventListener('abort', this.#onAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  start(ms: number, reason: string): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.after(ms, () => {
      this.expired = reason;
      this.#controller.abort(new Error(reason));
    });
  }

  pause(): void {
    this.#timer?.cancel();
  }

  release(): void {
    this.#timer?.cancel();
    this.#caller?.removeEventListener('abort', this.#onAbort);
  }
}

async function readAnswer(
  response: Dispatcher.ResponseData,
  maxBytes: number,
): Promise<ApiResponse> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const stream: AsyncIterable<Uint8Array> = response.body;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > maxBytes) throw new Error(`the answer is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  const isJson = headerTexts(response.headers['content-type']).some((type) =>
    /^application\/(?:[\w.-]+\+)?json\b/i.test(type),
  );
  return {
    code: response.statusCode,
    body: isJson ? JSON.parse(text) : text,
    warnings: headerTexts(response.headers['warning']).flatMap(warningTexts),
  };
}

function headerTexts(value: string | string[] | undefined): string[] {
  if (value === undefined) return [];
  return typeof value === 'string' ? [value] : value;
}

/** RFC 7234 5.5: `299 - "text"`, several joined by commas. */
function warningTexts(header: string): string[] {
  return [...header.matchAll(/\d{3} \S+ "((?:[^"\\]|\\.)*)"/g)].map(([, text = '']) =>
    text.replace(/\\(.)/g, '$1'),
  );
}

function headersOf(
  request: ApiRequest,
  userAgent: string,
  token: string | undefined,
): Record<string, string> {
  const headers: Record<string, string> = {
    accept: request.accept ?? 'application/json',
    'user-agent': userAgent,
  };
  if (token !== undefined) headers['authorization'] = `Bearer ${token}`;
  if (request.body !== undefined) {
    headers['content-type'] = request.contentType ?? 'application/json';
  }
  if (request.fence !== undefined) {
    const { namespace, name, epoch } = request.fence;
    headers['mesocosm-fence'] = `${namespace}/${name};${epoch}`;
  }
  return headers;
}

function queryText(query: Readonly<Record<string, string>> | undefined): string {
  const text = new URLSearchParams(query).toString();
  return text === '' ? '' : `?${text}`;
}

function connector(access: ApiAccess): buildConnector.connector {
  const connect = buildConnector({
    ...(access.ca === undefined ? {} : { ca: access.ca }),
    ...(access.clientCertificate === undefined ? {} : { cert: access.clientCertificate }),
    ...(access.clientKey === undefined ? {} : { key: access.clientKey }),
    ...(access.tlsServerName === undefined ? {} : { servername: access.tlsServerName }),
    rejectUnauthorized: access.insecureSkipTlsVerify !== true,
    timeout: 10_000,
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
  });
  return (target, callback) => {
    connect(target, (...[error, socket]) => {
      if (error === null) callback(null, socket);
      else callback(new ConnectError(error.message, { cause: error }), null);
    });
  };
}

function failure(name: string, error: unknown, deadline: Deadline): Error {
  if (error instanceof ApiError) return error;
  const reason = deadline.expired ?? (error instanceof Error ? error.message : String(error));
  return new TransportError(`${name}: ${reason}`, {
    sent: !(error instanceof ConnectError),
    cause: error,
  });
}
