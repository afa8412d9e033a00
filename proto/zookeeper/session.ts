import type { Duplex } from 'node:stream';
import type { Clock, Timer } from '../../api/machinery/clock.ts';
import type { Random } from '../../api/machinery/random.ts';
import { reconnectDelay, type Backoff } from './backoff.ts';
import type { Authentication, SessionEvent, SessionPhase } from './client.ts';
import type { Endpoint } from './connect-string.ts';
import type { Dial } from './dial.ts';
import { isZooKeeperError, ZooKeeperError } from './errors.ts';
import { Link } from './link.ts';
import { closeSession, setWatches, type Operation, type WatchedPaths } from './operations.ts';
import type { ConnectResponse, WatchNotification } from './records.ts';
import * as states from './session-state.ts';

export interface SessionOptions {
  readonly endpoints: readonly Endpoint[];
  readonly dial: Dial;
  readonly clock: Clock;
  readonly random: Random;
  /** What to ask the servers for; they bound it. */
  readonly timeoutMs: number;
  /** For opening a connection, and again for the answer to the connect request. */
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly maxInFlight: number;
  readonly backoff: Backoff;
  readonly authentications: readonly Authentication[];
  readonly watches: SessionWatches;
}

/** The watches that belong to the session. */
export interface SessionWatches {
  notify(notification: WatchNotification): void;
  /** What to set again on a resumed connection, in requests of acceptable size. */
  batches(): Iterable<WatchedPaths>;
  /** The session is over, and they with it. */
  lose(): void;
}

/**
 * A session over one link after another: connects, resumes, notices expiry and begins anew, until it
 * is closed. Which of these it is, session-state.ts decides.
 */
export class Session {
  readonly #options: SessionOptions;
  readonly #endpoints: readonly Endpoint[];
  readonly #listeners = new Set<(event: SessionEvent) => void>();
  #state: states.SessionState;
  #phase: SessionPhase = 'connecting';
  #link: Link | undefined;
  #dialing: AbortController | undefined;
  #retry: Timer | undefined;
  #closing: Promise<void> | undefined;
  #attempts = 0;
  /** Attempts in a row that did not lead to an answered request. */
  #failures = 0;

  constructor(options: SessionOptions) {
    this.#options = options;
    // Clients that were given the same list spread over the servers.
    this.#endpoints = options.endpoints
      .map((endpoint) => ({ endpoint, rank: options.random.next() }))
      .sort((a, b) => a.rank - b.rank)
      .map(({ endpoint }) => endpoint);
    this.#state = states.newSession(options.timeoutMs);
    void this.#connect();
  }

  get phase(): SessionPhase {
    return this.#phase;
  }

  get id(): bigint {
    return this.#state.id;
  }

  subscribe(listener: (event: SessionEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  request<T>(operation: Operation<T>): Promise<T> {
    if (this.#phase === 'connected' && this.#link !== undefined) return this.#link.send(operation);
    const [code, why] =
      this.#phase === 'closed'
        ? (['SESSION_CLOSED', 'the client is closed'] as const)
        : (['CONNECTION_LOSS', 'not connected'] as const);
    const message = `${operation.description}: ${why}`;
    return Promise.reject(new ZooKeeperError(code, 'not-sent', message, { path: operation.path }));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #connect(): Promise<void> {
    const endpoint = this.#endpoints[this.#attempts % this.#endpoints.length];
    if (endpoint === undefined) throw new Error('a session needs at least one server');
    this.#attempts += 1;
    const channel = await this.#dial(endpoint);
    if (channel === undefined) return;
    if (this.#isClosed()) channel.destroy();
    else this.#shakeHands(channel);
  }

  async #dial(endpoint: Endpoint): Promise<Duplex | undefined> {
    const { clock, connectTimeoutMs, dial } = this.#options;
    const dialing = new AbortController();
    this.#dialing = dialing;
    const deadline = clock.after(connectTimeoutMs, () => dialing.abort());
    try {
      return await dial(endpoint, dialing.signal);
    } catch (cause) {
      const reason = cause instanceof ZooKeeperError ? cause : unreached(endpoint, cause);
      if (!this.#isClosed()) this.#unreachable(reason);
      return undefined;
    } finally {
      deadline.cancel();
      this.#dialing = undefined;
    }
  }

  #shakeHands(channel: Duplex): void {
    const { clock, connectTimeoutMs, requestTimeoutMs, maxInFlight, watches } = this.#options;
    const link = new Link({
      channel,
      clock,
      connectRequest: states.connectRequestOf(this.#state, this.#options.timeoutMs),
      handshakeTimeoutMs: connectTimeoutMs,
      requestTimeoutMs,
      maxInFlight,
      handlers: {
        onHandshake: (response) => this.#onHandshake(link, response),
        onZxid: (zxid) => {
          this.#state = states.afterReply(this.#state, zxid);
          this.#failures = 0;
        },
        onNotification: (notification) => watches.notify(notification),
        onLost: (reason, silent) => this.#onLost(reason, silent),
      },
    });
    this.#link = link;
  }

  #onHandshake(link: Link, response: ConnectResponse): void {
    const handshake = states.afterResponse(this.#state, response);
    if (handshake.verdict === 'expired') {
      this.#link = undefined;
      link.destroy('the session has expired');
      this.#expire();
      this.#connectLater();
      return;
    }
    this.#state = handshake.state;
    link.open(this.#state.timeoutMs, this.#options.authentications);
    if (handshake.verdict === 'resumed') this.#setWatchesAgain(link);
    this.#phase = 'connected';
    const resumed = handshake.verdict === 'resumed';
    this.#emit({ type: 'connected', sessionId: this.#state.id, resumed });
  }

  #setWatchesAgain(link: Link): void {
    for (const paths of this.#options.watches.batches()) {
      link.send(setWatches(this.#state.lastZxid, paths)).catch((error: unknown) => {
        // Without its watches a session is deaf: try on another link, unless this one is lost anyway.
        if (this.#link !== link || !isZooKeeperError(error)) return;
        link.destroy('the watches could not be set again');
        this.#onLost(error, false);
      });
    }
  }

  #onLost(reason: ZooKeeperError, silent: boolean): void {
    this.#link = undefined;
    if (this.#isClosed()) return;
    const now = this.#options.clock.monotonic();
    if (this.#phase === 'connected') {
      this.#state = states.afterLoss(this.#state, now);
      this.#phase = 'connecting';
      this.#emit({ type: 'disconnected', reason });
      if (!this.#isClosed()) this.#connectLater();
      return;
    }
    if (silent) {
      const refusal = states.afterSilentRefusal(this.#state, now);
      this.#state = refusal.state;
      if (refusal.expired) this.#expire();
    }
    this.#unreachable(reason);
  }

  #expire(): void {
    const sessionId = this.#state.id;
    this.#state = states.newSession(this.#options.timeoutMs);
    this.#emit({ type: 'expired', sessionId });
    this.#options.watches.lose();
  }

  #unreachable(reason: ZooKeeperError): void {
    this.#emit({ type: 'unreachable', reason });
    if (!this.#isClosed()) this.#connectLater();
  }

  #connectLater(): void {
    const { backoff, clock, random } = this.#options;
    const delay = reconnectDelay(this.#failures, this.#endpoints.length, backoff, random);
    this.#failures += 1;
    this.#retry = clock.after(delay, () => void this.#connect());
  }

  async #close(): Promise<void> {
    const link = this.#phase === 'connected' ? this.#link : undefined;
    this.#phase = 'closed';
    this.#retry?.cancel();
    this.#dialing?.abort();
    // Whether or not the server hears of it, nothing more can be done: it will expire the session.
    await Promise.allSettled([link?.send(closeSession())]);
    this.#link?.destroy('the client was closed');
    this.#link = undefined;
    this.#emit({ type: 'closed' });
    this.#options.watches.lose();
  }

  #emit(event: SessionEvent): void {
    for (const listener of [...this.#listeners]) listener(event);
  }

  // A method, since an await or a listener may close the session between two looks at the phase.
  #isClosed(): boolean {
    return this.#phase === 'closed';
  }
}

function unreached({ host, port }: Endpoint, cause: unknown): ZooKeeperError {
  const message = `cannot connect to ${host}:${port}`;
  return new ZooKeeperError('CONNECTION_LOSS', 'not-sent', message, { cause });
}
