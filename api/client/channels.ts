import { WebSocket } from 'ws';
import { channelProtocols, ChannelSocket, maxMessageBytes } from '../machinery/channel-socket.ts';
import type { Clock } from '../machinery/clock.ts';
import type { ApiError } from '../machinery/errors.ts';
import type { ApiAccess } from './access.ts';
import { assertUsable, impersonationHeaders } from './access.ts';
import { refusal } from './decode.ts';
import { TransportError } from './transport.ts';

export interface ChannelsOptions {
  access: ApiAccess;
  clock: Clock;
  userAgent: string;
  /** Path without the query: `/api/v1/namespaces/default/pods/web-0-a/exec`. */
  path: string;
  /** Names may come more than once. */
  query: readonly (readonly [string, string])[];
  /** Time until the connection stands. */
  timeoutMs: number;
  /** Ends the connection. */
  signal: AbortSignal;
}

/** Bytes of a refusal. */
const maxRefusalBytes = 64 * 1024;

/**
 * Connects to exec or attach of a Pod. Rejects with an ApiError if the server refuses, with a
 * TransportError if it cannot be reached.
 */
export function openChannels(options: ChannelsOptions): Promise<ChannelSocket> {
  const { access, clock, signal } = options;
  assertUsable(access);
  const url = new URL(access.server);
  url.protocol = url.protocol === 'http:' ? 'ws:' : 'wss:';
  url.pathname = `${url.pathname.replace(/\/+$/, '')}${options.path}`;
  for (const [name, value] of options.query) url.searchParams.append(name, value);
  const socket = new WebSocket(url, [...channelProtocols], {
    ...tlsOf(access),
    headers: headersOf(options),
    handshakeTimeout: options.timeoutMs,
    perMessageDeflate: false,
    maxPayload: maxMessageBytes,
  });
  // From the first moment on: what comes before there is a reader must wait, not be lost.
  const channels = new ChannelSocket(socket, clock);
  const end = (): void => socket.terminate();
  signal.addEventListener('abort', end, { once: true });
  void channels.closed.then(() => signal.removeEventListener('abort', end));
  return new Promise((resolve, reject) => {
    if (signal.aborted) end();
    socket.once('open', () => resolve(channels));
    socket.once('error', (error) => reject(unreachable(options, error)));
    socket.once('unexpected-response', (_, response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size <= maxRefusalBytes) chunks.push(chunk);
      });
      response.once('close', () => {
        reject(refused(Buffer.concat(chunks).toString('utf8'), response.statusCode ?? 0));
        socket.terminate();
      });
    });
  });
}

function tlsOf(access: ApiAccess): Record<string, unknown> {
  return {
    ...(access.ca === undefined ? {} : { ca: access.ca }),
    ...(access.clientCertificate === undefined ? {} : { cert: access.clientCertificate }),
    ...(access.clientKey === undefined ? {} : { key: access.clientKey }),
    ...(access.tlsServerName === undefined ? {} : { servername: access.tlsServerName }),
    rejectUnauthorized: access.insecureSkipTlsVerify !== true,
  };
}

function headersOf({ access, userAgent }: ChannelsOptions): Record<string, string | string[]> {
  return {
    'user-agent': userAgent,
    ...(access.token === undefined ? {} : { authorization: `Bearer ${access.token}` }),
    ...impersonationHeaders(access),
  };
}

function refused(text: string, code: number): ApiError {
  try {
    return refusal(JSON.parse(text), code);
  } catch (error) {
    if (error instanceof SyntaxError) return refusal(text, code);
    throw error;
  }
}

function unreachable({ access, path }: ChannelsOptions, cause: Error): TransportError {
  return new TransportError(`connect ${access.server}${path}: ${cause.message}`, {
    sent: false,
    cause,
  });
}
