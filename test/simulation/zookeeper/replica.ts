import { Tree, type ServerEvent, type Transaction } from './tree.ts';

/** One server's copy of the tree, which may lag behind what is committed. */
export class Replica {
  readonly tree = new Tree();
  readonly #log: readonly Transaction[];
  readonly #waiting = new Set<() => void>();
  readonly #followers = new Set<(events: readonly ServerEvent[]) => void>();
  #applied = 0;
  #paused = false;

  constructor(log: readonly Transaction[]) {
    this.#log = log;
  }

  /** Applies everything that was committed before `length`, unless it is held up. */
  catchUp(length = this.#log.length): void {
    while (!this.#paused && this.#applied < length) {
      const transaction = this.#log[this.#applied];
      if (transaction === undefined) return;
      this.#applied += 1;
      this.tree.apply(transaction);
      for (const follower of [...this.#followers]) follower(transaction.events);
      for (const look of [...this.#waiting]) look();
    }
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.catchUp();
  }

  /** Calls `then` once `zxid` is applied: at once if it is. */
  whenAt(zxid: bigint, then: () => void): void {
    const look = (): void => {
      if (this.tree.zxid < zxid) return;
      this.#waiting.delete(look);
      then();
    };
    this.#waiting.add(look);
    look();
  }

  /** Calls `follower` with the events of each transaction that is applied; returns what ends that. */
  follow(follower: (events: readonly ServerEvent[]) => void): () => void {
    this.#followers.add(follower);
    return () => void this.#followers.delete(follower);
  }
}
