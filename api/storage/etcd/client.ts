import { InterceptingCall, type CallOptions } from '@grpc/grpc-js';
import { noop } from 'cockatiel';
import { Etcd3 } from 'etcd3';
import { sleep, type Clock } from '../../machinery/clock.ts';
import { jitter, type Random } from '../../machinery/random.ts';
import { StorageError } from '../storage.ts';
import { storageErrorOf } from './errors.ts';

/** Largest reply taken from etcd, and so the largest page of a list: 64 MiB. */
const maxReplyBytes = 64 * 1024 * 1024;

/** etcd answers pings closer than 5 s with "too many pings" and hangs up (--grpc-keepalive-min-time). */
const keepaliveTimeMs = 5_500;
const keepaliveTimeoutMs = 2_000;

const maxBackoffMs = 2_000;

export interface EtcdClientOptions {
  /** `http://host:port` or `https://host:port`, all of one cluster; one is used at a time. */
  endpoints: readonly string[];
  tls?: { ca: Buffer; cert?: Buffer; key?: Buffer };
  auth?: { username: string; password: string };
  /** Deadline of one request, in milliseconds: 5000 if absent. */
  requestTimeoutMs?: number;
  /** The real one: its wall time becomes gRPC's deadlines. */
  clock: Clock;
  random: Random;
}

export type Call<T> = (etcd: Etcd3, options: CallOptions) => Promise<T>;

/**
 * Calls to an etcd cluster through etcd3's low-level clients. No request is repeated but by `read`; after
 * a failure the next one goes to the next endpoint. Policies of etcd3 that would retry or block are off.
 */
export class EtcdClient {
  readonly clock: Clock;
  readonly requestTimeoutMs: number;
  readonly endpoints: readonly { url: string; etcd: Etcd3 }[];
  readonly #random: Random;
  readonly #closing = new AbortController();
  #current = 0;

  constructor(options: EtcdClientOptions) {
    if (options.endpoints.length === 0)
      throw new StorageError('internal', 'no etcd endpoint given');
    this.clock = options.clock;
    this.#random = options.random;
    this.requestTimeoutMs = options.requestTimeoutMs ?? 5_000;
    const timeout = (): CallOptions => this.deadline(this.requestTimeoutMs);
    this.endpoints = options.endpoints.map((url) => ({
      url,
      etcd: connect(url, options, timeout),
    }));
  }

  /** Aborts when the client is closed. */
  get closed(): AbortSignal {
    return this.#closing.signal;
  }

  get current(): Etcd3 {
    if (this.closed.aborted) throw new StorageError('unavailable', 'the storage is closed');
    const endpoint = this.endpoints[this.#current];
    if (endpoint === undefined) throw new StorageError('internal', 'no etcd endpoint given');
    return endpoint.etcd;
  }

  /** One request, once. Rejects with what etcd3 rejected with. */
  async once<T>(call: Call<T>, timeoutMs = this.requestTimeoutMs): Promise<T> {
    const etcd = this.current;
    try {
      return await call(etcd, this.deadline(timeoutMs));
    } catch (error) {
      if (storageErrorOf(error).code === 'unavailable') this.leave(etcd);
      throw error;
    }
  }

  /** A request without effects, repeated until `timeoutMs` while the store is unavailable. */
  async read<T>(call: Call<T>, timeoutMs = this.requestTimeoutMs): Promise<T> {
    const end = this.clock.monotonic() + timeoutMs;
    // With several endpoints, one that is silent must leave time to ask another.
    const attemptMs = this.endpoints.length > 1 ? timeoutMs / 2 : timeoutMs;
    for (let failures = 0; ; failures += 1) {
      const left = end - this.clock.monotonic();
      try {
        return await this.once(call, Math.min(left, attemptMs));
      } catch (error) {
        const mapped = storageErrorOf(error);
        const pause = this.backoffMs(failures);
        const inTime = this.clock.monotonic() + pause < end;
        if (mapped.code !== 'unavailable' || !inTime || this.closed.aborted) throw mapped;
        await sleep(this.clock, pause, this.closed);
      }
    }
  }

  /** Goes on with the next endpoint, unless somebody has done so already. */
  leave(etcd: Etcd3): void {
    if (this.endpoints[this.#current]?.etcd !== etcd) return;
    this.#current = (this.#current + 1) % this.endpoints.length;
  }

  /** How long to wait after the `failures`-th failure in a row: 50 ms doubled, with jitter, at most 2 s. */
  backoffMs(failures: number): number {
    const base = Math.min(maxBackoffMs, 50 * 2 ** Math.min(failures, 10));
    return Math.min(maxBackoffMs, jitter(this.#random, base, 0.3));
  }

  deadline(ms: number): CallOptions {
    return { deadline: this.clock.now() + Math.max(1, ms) };
  }

  close(): void {
    this.#closing.abort();
    for (const { etcd } of this.endpoints) etcd.close();
  }
}

function connect(url: string, options: EtcdClientOptions, timeout: () => CallOptions): Etcd3 {
  const { tls, auth } = options;
  return new Etcd3({
    hosts: url,
    faultHandling: { host: () => noop, global: noop },
    grpcOptions: {
      'grpc.keepalive_time_ms': keepaliveTimeMs,
      'grpc.keepalive_timeout_ms': keepaliveTimeoutMs,
      'grpc.initial_reconnect_backoff_ms': 50,
      'grpc.max_reconnect_backoff_ms': 1_000,
      'grpc.max_receive_message_length': maxReplyBytes,
      'grpc.max_send_message_length': maxReplyBytes,
      // No call is repeated behind our back; and the layer that would costs time in every call.
      'grpc.enable_retries': 0,
      // A connection a service: a long list does not hold up the watch, and a call that ran into its
      // deadline on a dead link makes the next one connect anew instead of waiting for the keepalive.
      'grpc.use_local_subchannel_pool': 1,
    },
    ...(tls === undefined
      ? {}
      : {
          credentials: {
            rootCertificate: tls.ca,
            ...(tls.cert === undefined ? {} : { certChain: tls.cert }),
            ...(tls.key === undefined ? {} : { privateKey: tls.key }),
          },
        }),
    ...(auth === undefined ? {} : { auth: { ...auth, callOptions: timeout } }),
  });
}

/** Makes etcd end the stream when its member has lost the leader, instead of going silent. */
export const requireLeader: CallOptions = {
  interceptors: [
    (options, nextCall) =>
      new InterceptingCall(nextCall(options), {
        start: (metadata, listener, next) => {
          const own = metadata.clone();
          own.set('hasleader', 'true');
          next(own, listener);
        },
      }),
  ],
};
