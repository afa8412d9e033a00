import { STATUS_CODES, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import {
  channelProtocols,
  channels,
  ChannelSocket,
  maxMessageBytes,
} from '../../machinery/channel-socket.ts';
import type { Clock } from '../../machinery/clock.ts';
import { ApiError } from '../../machinery/errors.ts';
import { statusAnswer, type Dispatcher } from '../dispatcher.ts';
import { badRequest, toApiError } from '../errors.ts';
import type { Answer, ChannelConnection, ConnectAnswer, ServerRequest } from '../request.ts';
import type { ServerLogger } from '../server.ts';
import type { Traffic } from '../traffic/traffic.ts';
import { limits } from './limits.ts';
import type { RequestHeads } from './request-head.ts';

export interface UpgradesOptions {
  heads: RequestHeads;
  /** Has a request answered when it is its turn, and the answer sent. */
  traffic: Pick<Traffic, 'pass'>;
  dispatcher: Pick<Dispatcher, 'refused'>;
  clock: Clock;
  logger: ServerLogger;
  /** Aborts when the server stops. */
  stopping: AbortSignal;
}

/** A request, and the connection that it wants for itself. */
interface Upgrade {
  request: IncomingMessage;
  socket: Duplex;
  /** What came after the request. */
  head: Buffer;
}

/**
 * Requests that ask to leave HTTP: who asks and whether they may is found out as for any other, and
 * refusals are answered in HTTP.
 */
export class Upgrades {
  readonly #options: UpgradesOptions;
  readonly #handshakes = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: maxMessageBytes,
    handleProtocols: (offered) => channelProtocols.find((known) => offered.has(known)) ?? false,
  });

  constructor(options: UpgradesOptions) {
    this.#options = options;
  }

  /** Resolves once the connection has ended. Never rejects. */
  async serve(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const { stopping, logger } = this.#options;
    const gone = new AbortController();
    const end = (): void => gone.abort();
    socket.once('close', end);
    // The close that follows says enough.
    socket.on('error', end);
    stopping.addEventListener('abort', end, { once: true });
    if (stopping.aborted) end();
    try {
      await this.#pass({ request, socket, head }, gone.signal);
    } catch (error) {
      logger.warn({ error: String(error), path: request.url }, 'a connection broke off');
      socket.destroy();
    } finally {
      stopping.removeEventListener('abort', end);
    }
  }

  async #pass(upgrade: Upgrade, signal: AbortSignal): Promise<void> {
    const { heads, traffic, dispatcher } = this.#options;
    const plain = heads.plain(upgrade.request);
    let request: ServerRequest = { ...plain, body: () => undefined, signal };
    try {
      request = { ...request, ...(await heads.read(upgrade.request, plain)) };
      // Nobody reads a body here: what it would have said of a write must not go unheard.
      if (!opening.has(request.method)) throw nothingButHttp();
    } catch (error) {
      const why = this.#errorOf(error, upgrade.request);
      await refuse(upgrade.socket, dispatcher.refused(request, why), this.#options.clock);
      return;
    }
    await traffic.pass(request, async (answer, made) => {
      const refused = await refusalOf(upgrade.request, answer);
      if (refused !== undefined) await refuse(upgrade.socket, refused, this.#options.clock, made);
      else if (answer.kind === 'connect') await this.#connect(answer, upgrade);
    });
  }

  async #connect(answer: ConnectAnswer, upgrade: Upgrade): Promise<void> {
    const { clock, stopping } = this.#options;
    const socket = await this.#shakeHands(upgrade);
    if (socket === undefined) {
      answer.abandon();
      return;
    }
    const channel = new ChannelSocket(socket, clock);
    const signal = AbortSignal.any([channel.signal, stopping]);
    const status = await this.#run(answer, channelConnection(channel, signal), upgrade.request);
    if (channel.signal.aborted) return;
    await channel.send(channels.error, Buffer.from(JSON.stringify(status))).catch(() => undefined);
    const code = stopping.aborted ? 1001 : 1000;
    await channel.close({ code, reason: '' }, limits.lingerMs);
  }

  /** What the client is told at the end: a metav1.Status. */
  async #run(
    answer: ConnectAnswer,
    connection: ChannelConnection,
    request: IncomingMessage,
  ): Promise<object> {
    try {
      const { exitCode } = await answer.run(connection);
      return exitCode === 0 ? { metadata: {}, status: 'Success' } : exitStatus(exitCode);
    } catch (error) {
      if (!connection.signal.aborted) return this.#errorOf(error, request).toStatus();
      return new ApiError('ServiceUnavailable', 'the server is being stopped').toStatus();
    }
  }

  /** undefined: the client has gone, or does not speak WebSocket as it should and was told so. */
  #shakeHands(upgrade: Upgrade): Promise<WebSocket | undefined> {
    return new Promise((resolve) => {
      const { request, socket, head } = upgrade;
      const give = (): void => resolve(undefined);
      socket.once('close', give);
      if (socket.destroyed) give();
      this.#handshakes.handleUpgrade(request, socket, head, (opened) => {
        socket.off('close', give);
        resolve(opened);
      });
    });
  }

  /** A fault of the server is in its log alone. */
  #errorOf(error: unknown, { method, url }: IncomingMessage): ApiError {
    const known = toApiError(error);
    if (known !== undefined) return known;
    this.#options.logger.error(
      { error: error instanceof Error ? error.stack : String(error), method, path: url },
      'a connection failed in the server',
    );
    return new ApiError(
      'InternalError',
      'Internal error occurred: the log of the server says more',
    );
  }
}

/** Methods that open a connection of channels: WebSocket's, and SPDY's, whose clients are told why not. */
const opening = new Set(['GET', 'POST']);

function nothingButHttp(): ApiError {
  return badRequest('nothing on this path is spoken but HTTP: do not ask to upgrade');
}

/** Why the connection stays HTTP, and ends; undefined if it may become one of channels. */
async function refusalOf(request: IncomingMessage, answer: Answer): Promise<Answer | undefined> {
  if (answer.kind === 'stream') await answer.close();
  if (answer.kind !== 'connect') {
    return answer.code >= 400 ? answer : statusAnswer(nothingButHttp());
  }
  const why = protocolProblem(request);
  if (why === undefined) return undefined;
  answer.abandon();
  return statusAnswer(badRequest(why));
}

function protocolProblem({ headers }: IncomingMessage): string | undefined {
  const protocol = headers.upgrade ?? '';
  if (/^spdy/i.test(protocol)) {
    return 'this server speaks WebSocket, not SPDY: use kubectl 1.30 or newer, or cosm exec, cosm attach';
  }
  if (protocol.toLowerCase() !== 'websocket') {
    return `unable to upgrade: ${JSON.stringify(protocol)} is not spoken here, websocket is`;
  }
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((each) => each.trim());
  if (channelProtocols.some((known) => offered.includes(known))) return undefined;
  return `unable to upgrade: of the subprotocols ${channelProtocols.join(' and ')} one must be asked for`;
}

function channelConnection(channel: ChannelSocket, signal: AbortSignal): ChannelConnection {
  return {
    input: inputOf(channel),
    write: (name, data) => channel.send(channels[name], data),
    signal,
  };
}

/** Until the client closes its input, which is possible in v5 alone, or hangs up. */
async function* inputOf(
  channel: ChannelSocket,
): AsyncGenerator<{ data: Buffer } | { resize: Buffer }, void, undefined> {
  for await (const { channel: number, data } of channel.messages()) {
    if (number === channels.stdin) yield { data };
    else if (number === channels.resize) yield { resize: data };
    else if (number === channels.close && data[0] === channels.stdin) return;
  }
}

/** As client-go expects it: the exit code is a cause. */
function exitStatus(exitCode: number): object {
  return {
    metadata: {},
    status: 'Failure',
    reason: 'NonZeroExitCode',
    message: `command terminated with exit code ${exitCode}`,
    details: { causes: [{ reason: 'ExitCode', message: String(exitCode) }] },
  };
}

/** Answers in HTTP, by hand since the parser has let go of the connection, and ends it. */
async function refuse(
  socket: Duplex,
  answer: Answer,
  clock: Clock,
  made: (bytes: number) => void = () => undefined,
): Promise<void> {
  const body = Buffer.from(answer.kind === 'value' ? `${JSON.stringify(answer.value)}\n` : '');
  const headers = {
    ...answer.headers,
    'Content-Type': 'application/json',
    'Content-Length': String(body.length),
    'Cache-Control': 'no-cache, private',
    Connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const status = `HTTP/1.1 ${answer.code} ${STATUS_CODES[answer.code] ?? ''}\r\n`;
  const ended = new Promise<void>((resolve) => socket.once('close', resolve));
  if (socket.destroyed) return;
  socket.end(Buffer.concat([Buffer.from(`${status}${lines.join('')}\r\n`, 'latin1'), body]), () =>
    socket.destroy(),
  );
  made(body.length);
  // Whoever does not read it would keep the connection for good.
  const late = clock.after(limits.stalledMs, () => socket.destroy());
  await ended;
  late.cancel();
}
