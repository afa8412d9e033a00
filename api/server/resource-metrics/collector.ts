import type { Clock } from '../../machinery/clock.ts';
import { sleep } from '../../machinery/clock.ts';
import type { AgentResponseGetContainersContainer } from '../../../proto/mesos/generated/messages.ts';
import { readingsOf, usageBetween, type Reading, type Usage } from './usage.ts';

type Containers = readonly AgentResponseGetContainersContainer[];

export interface CollectorOptions<A> {
  /** What one agent tells of its containers. */
  ask: (agent: A, signal: AbortSignal) => Promise<Containers>;
  /** Told of an agent that did not answer, or not well. */
  onSilent: (agentId: string, error: unknown) => void;
  clock: Clock;
  /** Ends questions that are under way. */
  stopping?: AbortSignal | undefined;
}

/** What the containers of one agent use, and when it told so. */
export interface AgentUsage {
  /** Milliseconds since the epoch. */
  at: number;
  usages: readonly Usage[];
}

export const collectorLimits = {
  /** Agents that are asked at the same time. */
  concurrency: 16,
  /** Until an agent that does not answer counts as silent. */
  agentMs: 5_000,
  /** Until an answer is given without the agents that have not answered. */
  requestMs: 10_000,
  /** An answer this old is given again. */
  freshMs: 10_000,
  /** An agent that did not answer is left alone for so long: nobody waits for it in vain meanwhile. */
  silentMs: 10_000,
  /** Time between two questions to an agent of which nothing is known. */
  firstWindowMs: 2_000,
  /** Time over which cpu is measured. */
  minWindowMs: 1_000,
  maxWindowMs: 60_000,
  /** An agent that nobody has asked about for so long is forgotten. */
  forgetMs: 5 * 60_000,
} as const;

interface Sample {
  /** On the monotonic clock. */
  takenAt: number;
  readings: ReadonlyMap<string, Reading>;
}

interface Known {
  sample: Sample | undefined;
  usage: (AgentUsage & { takenAt: number }) | undefined;
  asking: Promise<void> | undefined;
  /** When it did not answer; undefined if it did. */
  silentAt: number | undefined;
  wantedAt: number;
}

/**
 * Tells what containers use, by asking their agents twice. Only who is asked about is asked, and once for
 * everybody who wants to know at the time. An agent that does not answer has no usage: what it told
 * before is not shown as if it were of now.
 */
export class UsageCollector<A> {
  readonly #options: CollectorOptions<A>;
  readonly #agents = new Map<string, Known>();
  readonly #waiting: (() => void)[] = [];
  #asked = 0;

  constructor(options: CollectorOptions<A>) {
    this.#options = options;
  }

  /** What the containers of these agents use; agents that are silent are absent. */
  async usages(
    agents: ReadonlyMap<string, A>,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, AgentUsage>> {
    this.#forget();
    const { clock } = this.#options;
    const over = new AbortController();
    const asked = Promise.all([...agents].map(([id, agent]) => this.#refresh(id, agent)));
    const ended = AbortSignal.any([signal, over.signal]);
    await Promise.race([asked, sleep(clock, collectorLimits.requestMs, ended)]);
    over.abort();
    const found = new Map<string, AgentUsage>();
    for (const id of agents.keys()) {
      const usage = this.#fresh(id);
      if (usage !== undefined) found.set(id, usage);
    }
    return found;
  }

  #fresh(id: string): AgentUsage | undefined {
    const usage = this.#agents.get(id)?.usage;
    if (usage === undefined) return undefined;
    const age = this.#options.clock.monotonic() - usage.takenAt;
    return age < collectorLimits.freshMs ? usage : undefined;
  }

  /** Resolves once the agent has answered, or has not. */
  #refresh(id: string, agent: A): Promise<void> {
    const now = this.#options.clock.monotonic();
    const known = this.#agents.get(id) ?? {
      sample: undefined,
      usage: undefined,
      asking: undefined,
      silentAt: undefined,
      wantedAt: now,
    };
    known.wantedAt = now;
    this.#agents.set(id, known);
    if (this.#fresh(id) !== undefined) return Promise.resolve();
    const { silentAt } = known;
    if (silentAt !== undefined && now - silentAt < collectorLimits.silentMs) {
      return Promise.resolve();
    }
    known.asking ??= this.#measure(id, agent, known).finally(() => {
      known.asking = undefined;
    });
    return known.asking;
  }

  async #measure(id: string, agent: A, known: Known): Promise<void> {
    const { clock, onSilent, stopping } = this.#options;
    known.silentAt = undefined;
    try {
      const first = await this.#sample(agent);
      const before = known.sample;
      known.sample = first;
      const gap = before === undefined ? Infinity : first.takenAt - before.takenAt;
      if (gap >= collectorLimits.minWindowMs && gap <= collectorLimits.maxWindowMs) {
        known.usage = this.#usage(before, first);
        return;
      }
      await sleep(clock, collectorLimits.firstWindowMs, stopping);
      known.sample = await this.#sample(agent);
      known.usage = this.#usage(first, known.sample);
    } catch (error) {
      known.usage = undefined;
      known.silentAt = clock.monotonic();
      onSilent(id, error);
    }
  }

  #usage(before: Sample | undefined, after: Sample): Known['usage'] {
    const usages = [...after.readings.values()].flatMap((reading) => {
      const usage = usageBetween(before?.readings.get(reading.id), reading);
      return usage === undefined ? [] : [usage];
    });
    return { at: this.#options.clock.now(), takenAt: after.takenAt, usages };
  }

  async #sample(agent: A): Promise<Sample> {
    const { clock, ask, stopping } = this.#options;
    await this.#enter();
    const late = new AbortController();
    const timer = clock.after(collectorLimits.agentMs, () => {
      late.abort(new Error(`no answer within ${collectorLimits.agentMs} ms`));
    });
    const signals = stopping === undefined ? [late.signal] : [late.signal, stopping];
    try {
      const containers = await ask(agent, AbortSignal.any(signals));
      return { takenAt: clock.monotonic(), readings: readingsOf(containers) };
    } finally {
      timer.cancel();
      this.#leave();
    }
  }

  async #enter(): Promise<void> {
    if (this.#asked < collectorLimits.concurrency) {
      this.#asked += 1;
      return;
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Gives the place to who has waited longest. */
  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#asked -= 1;
    else next();
  }

  #forget(): void {
    const now = this.#options.clock.monotonic();
    for (const [id, { wantedAt, asking }] of this.#agents) {
      if (asking === undefined && now - wantedAt > collectorLimits.forgetMs)
        this.#agents.delete(id);
    }
  }
}
