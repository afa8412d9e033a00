import type { Clock, Timer } from '../../api/machinery/clock.ts';
import type { ZooKeeperClient } from '../../proto/zookeeper/client.ts';

/** A link that comes back within this time is not worth a word. */
export const awayGraceMs = 5000;

export interface LinkListener {
  /** Requests flow again. */
  onConnected: () => void;
  /** They have not for longer than the grace. */
  onAway: () => void;
}

/** Knows whether ZooKeeper can be reached, and since when it cannot. */
export class LinkWatch {
  readonly #zookeeper: ZooKeeperClient;
  readonly #clock: Clock;
  #awaySince: number | undefined;
  #reason: Error | undefined;

  constructor(zookeeper: ZooKeeperClient, clock: Clock) {
    this.#zookeeper = zookeeper;
    this.#clock = clock;
    this.#awaySince = clock.monotonic();
  }

  /** Undefined while connected. */
  get awayMs(): number | undefined {
    if (this.#zookeeper.phase === 'connected') return undefined;
    this.#awaySince ??= this.#clock.monotonic();
    return this.#clock.monotonic() - this.#awaySince;
  }

  /** What the last attempt to reach it failed on. */
  get reason(): string {
    return this.#reason?.message ?? 'no answer yet';
  }

  /** Returns what ends it. */
  listen({ onConnected, onAway }: LinkListener): () => void {
    let timer: Timer | undefined;
    const away = (): void => {
      this.#awaySince ??= this.#clock.monotonic();
      timer ??= this.#clock.after(awayGraceMs, onAway);
    };
    const back = (): void => {
      this.#awaySince = undefined;
      timer?.cancel();
      timer = undefined;
      onConnected();
    };
    const unsubscribe = this.#zookeeper.subscribe((event) => {
      if (event.type === 'connected') back();
      else away();
      if (event.type === 'disconnected' || event.type === 'unreachable')
        this.#reason = event.reason;
    });
    if (this.#zookeeper.phase === 'connected') this.#awaySince = undefined;
    else away();
    return () => {
      unsubscribe();
      timer?.cancel();
    };
  }
}
