/** What somebody else did to a member of ours. */
export type DriftChange = 'Deleted' | 'Edited' | 'Added';

export interface Drift {
  /** Of the node. */
  path: string;
  change: DriftChange;
}

/** A write of ours: the node that it changes or deletes, and whether it creates one. */
export interface OwnWrite {
  name?: string | undefined;
  creates?: boolean;
}

/**
 * Tells what others did to the members of one path from what we did. A read that crosses a write of ours
 * may show its effect before the answer does, or not show it after the answer has: such differences are
 * nobody else's. Nor are those after a write whose answer was lost, until all has been read again.
 */
export class DriftWatch {
  readonly #writing = new Map<string, number>();
  #creating = 0;
  /** Written since the read under way began. */
  readonly #crossed = new Set<string>();
  readonly #uncertain = new Set<string>();
  #isCreateUncertain = false;
  /** By name: what was seen and is not yet mended. */
  readonly #found = new Map<string, Drift>();

  /** Returns what ends it; `isUnknown` if nobody can say whether it happened. */
  began({ name, creates = false }: OwnWrite): (isUnknown: boolean) => void {
    if (name !== undefined) this.#writing.set(name, (this.#writing.get(name) ?? 0) + 1);
    if (creates) this.#creating += 1;
    return (isUnknown) => {
      if (creates) this.#creating -= 1;
      this.#isCreateUncertain ||= creates && isUnknown;
      if (name === undefined) return;
      const others = (this.#writing.get(name) ?? 1) - 1;
      if (others === 0) this.#writing.delete(name);
      else this.#writing.set(name, others);
      this.#crossed.add(name);
      if (isUnknown) this.#uncertain.add(name);
    };
  }

  readBegins(): void {
    this.#crossed.clear();
  }

  /** All is read: whatever came of writes without an answer has been seen. */
  readAll(): void {
    this.#uncertain.clear();
    this.#isCreateUncertain = false;
  }

  /** A read shows a member of ours otherwise than we left it. */
  saw(name: string, drift: Drift): void {
    const isOurs =
      drift.change === 'Added'
        ? this.#creating > 0 || this.#isCreateUncertain
        : this.#writing.has(name) || this.#crossed.has(name) || this.#uncertain.has(name);
    if (!isOurs) this.#found.set(name, drift);
  }

  /** What is to be mended. */
  found(): readonly Drift[] {
    return [...this.#found.values()];
  }

  mended(drifts: readonly Drift[]): void {
    for (const [name, drift] of this.#found) if (drifts.includes(drift)) this.#found.delete(name);
  }
}
