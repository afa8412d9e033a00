import type { Duplex } from 'node:stream';
import type { Clock, Timer } from '../../api/machinery/clock.ts';
import type { Authentication } from './client.ts';
import { codeOf, malformed, serverError, ZooKeeperError } from './errors.ts';
import { FrameDecoder } from './frames.ts';
import { JuteReader } from './jute.ts';
import type { Operation } from './operations.ts';
import * as records from './records.ts';

export interface LinkOptions {
  readonly channel: Duplex;
  readonly clock: Clock;
  readonly connectRequest: records.ConnectRequest;
  readonly handshakeTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly maxInFlight: number;
  readonly handlers: LinkHandlers;
}

export interface LinkHandlers {
  /** The server answered the connect request: `open` the link or `destroy` it. */
  onHandshake(response: records.ConnectResponse): void;
  /** The server answered something with this, its newest transaction. */
  onZxid(zxid: bigint): void;
  onNotification(notification: records.WatchNotification): void;
  /**
   * The link is gone; called once, and not after `destroy`. `silent`: the server hung up instead of
   * answering the connect request.
   */
  onLost(reason: ZooKeeperError, silent: boolean): void;
}

interface Pending {
  readonly description: string;
  readonly path: string | undefined;
  readonly timer: Timer;
  /** The caller was told that its time is up; the answer, which may still come, is dropped. */
  abandoned: boolean;
  readonly answer: (header: records.ReplyHeader, body: JuteReader) => void;
  readonly reject: (error: unknown) => void;
}

/** Of the session timeout: how often to ping, and how much silence means that the link is dead. */
const pingFraction = 1 / 3;
const deadFraction = 2 / 3;

/**
 * One connection to one server: handshake, requests and their replies, heartbeat. It knows nothing of
 * what outlives it. Whatever goes wrong ends it, and rejects all that is in flight as `unknown`.
 */
export class Link {
  readonly #options: LinkOptions;
  readonly #decoder = new FrameDecoder();
  readonly #pending = new Map<number, Pending>();
  #phase: 'handshake' | 'open' | 'gone' = 'handshake';
  #isCorked = false;
  #lastXid = 0;
  #lastHeard: number;
  /** The handshake's deadline, then the next heartbeat. */
  #timer: Timer;

  constructor(options: LinkOptions) {
    this.#options = options;
    const { channel, clock, handshakeTimeoutMs } = options;
    this.#lastHeard = clock.monotonic();
    channel.on('data', (chunk: Buffer) => this.#onData(chunk));
    channel.on('error', (error) => this.#lose('the connection broke', error));
    channel.on('close', () => this.#lose('the server closed the connection'));
    channel.on('end', () => this.#lose('the server closed the connection'));
    this.#timer = clock.after(handshakeTimeoutMs, () => {
      this.#fail(lost(`no answer to the connect request within ${handshakeTimeoutMs} ms`), false);
    });
    this.#write(records.encodeConnectRequest(options.connectRequest));
  }

  /** Lets requests through, with the identities and the session timeout that hold for them. */
  open(timeoutMs: number, authentications: readonly Authentication[]): void {
    this.#phase = 'open';
    this.#timer.cancel();
    for (const authentication of authentications) {
      this.#write(records.encodeAuthentication(authentication));
    }
    this.#heartbeat(timeoutMs);
  }

  send<T>(operation: Operation<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const { description, path } = operation;
      const refuse = (code: 'CONNECTION_LOSS' | 'TOO_MANY_REQUESTS', why: string): void =>
        reject(new ZooKeeperError(code, 'not-sent', `${description}: ${why}`, { path }));
      if (this.#phase !== 'open') {
        refuse('CONNECTION_LOSS', 'not connected');
        return;
      }
      if (this.#pending.size >= this.#options.maxInFlight) {
        refuse('TOO_MANY_REQUESTS', `${this.#pending.size} requests are in flight`);
        return;
      }
      const xid = (this.#lastXid % 0x7fff_ffff) + 1;
      const frame = records.encodeRequest(xid, operation.opcode, operation.encode, description);
      this.#lastXid = xid;
      this.#pending.set(xid, {
        description,
        path,
        timer: this.#options.clock.after(this.#options.requestTimeoutMs, () => this.#abandon(xid)),
        abandoned: false,
        answer: (header, body) => resolve(resultOf(operation, header, body)),
        reject,
      });
      this.#write(frame);
    });
  }

  /** Ends the link for a reason of its owner's, who is not told about it. */
  destroy(reason: string): void {
    this.#end(lost(reason));
  }

  /** All that is sent in one turn leaves with one call of the system. */
  #write(frame: Buffer): void {
    const { channel } = this.#options;
    if (!this.#isCorked) {
      this.#isCorked = true;
      channel.cork();
      process.nextTick(() => {
        this.#isCorked = false;
        channel.uncork();
      });
    }
    channel.write(frame);
  }

  #onData(chunk: Buffer): void {
    this.#lastHeard = this.#options.clock.monotonic();
    try {
      for (const frame of this.#decoder.push(chunk)) {
        if (this.#isGone()) return;
        this.#onFrame(new JuteReader(frame));
      }
    } catch (error) {
      if (!(error instanceof ZooKeeperError)) throw error;
      this.#fail(error, false);
    }
  }

  #onFrame(reader: JuteReader): void {
    if (this.#phase === 'handshake') {
      this.#options.handlers.onHandshake(records.decodeConnectResponse(reader));
      return;
    }
    const header = records.decodeReplyHeader(reader);
    if (header.xid === records.reservedXid.event) {
      this.#options.handlers.onNotification(records.decodeNotification(reader));
      return;
    }
    if (header.xid === records.reservedXid.auth) {
      if (header.error !== 0) throw serverError(header.error, 'authentication refused');
      return;
    }
    if (header.zxid > 0n) this.#options.handlers.onZxid(header.zxid);
    if (header.xid !== records.reservedXid.ping) this.#onReply(header, reader);
  }

  #onReply(header: records.ReplyHeader, body: JuteReader): void {
    const pending = this.#pending.get(header.xid);
    if (pending === undefined) throw malformed(`reply to a request ${header.xid} that is not open`);
    this.#pending.delete(header.xid);
    if (pending.abandoned) return;
    pending.timer.cancel();
    try {
      pending.answer(header, body);
    } catch (error) {
      pending.reject(error);
      if (!(error instanceof ZooKeeperError) || error.code === 'MALFORMED_REPLY') throw error;
    }
  }

  #abandon(xid: number): void {
    const pending = this.#pending.get(xid);
    if (pending === undefined) return;
    pending.abandoned = true;
    const { description, path } = pending;
    const message = `${description}: no answer within ${this.#options.requestTimeoutMs} ms`;
    pending.reject(new ZooKeeperError('OPERATION_TIMEOUT', 'unknown', message, { path }));
  }

  #heartbeat(timeoutMs: number): void {
    const silentFor = this.#options.clock.monotonic() - this.#lastHeard;
    const deadAfter = deadFraction * timeoutMs;
    if (silentFor >= deadAfter) {
      this.#fail(lost(`nothing heard from the server for ${Math.round(silentFor)} ms`), false);
      return;
    }
    this.#write(records.encodePing());
    const next = Math.min(pingFraction * timeoutMs, deadAfter - silentFor);
    this.#timer = this.#options.clock.after(Math.ceil(next), () => this.#heartbeat(timeoutMs));
  }

  #lose(what: string, cause?: Error): void {
    this.#fail(lost(what, cause), this.#phase === 'handshake');
  }

  #fail(reason: ZooKeeperError, silent: boolean): void {
    if (this.#isGone()) return;
    this.#end(reason);
    this.#options.handlers.onLost(reason, silent);
  }

  #end(reason: ZooKeeperError): void {
    if (this.#isGone()) return;
    this.#phase = 'gone';
    this.#timer.cancel();
    this.#options.channel.destroy();
    for (const { description, path, timer, abandoned, reject } of this.#pending.values()) {
      timer.cancel();
      const message = `${description}: the link was lost before the answer came`;
      const details = { path, cause: reason };
      if (!abandoned) reject(new ZooKeeperError('CONNECTION_LOSS', 'unknown', message, details));
    }
    this.#pending.clear();
  }

  // A method, since handlers may end the link between two looks at the phase.
  #isGone(): boolean {
    return this.#phase === 'gone';
  }
}

function resultOf<T>(operation: Operation<T>, header: records.ReplyHeader, body: JuteReader): T {
  if (header.error === 0) return operation.decode(body);
  if (operation.missing !== undefined && codeOf(header.error) === 'NO_NODE') {
    return operation.missing();
  }
  throw serverError(header.error, operation.description, operation.path);
}

function lost(message: string, cause?: unknown): ZooKeeperError {
  return new ZooKeeperError('CONNECTION_LOSS', 'unknown', message, { cause });
}
