/**
 * Launches of this process that Mesos has not spoken about yet. What is not in here was launched, if
 * ever, before the present subscription was opened.
 */

export type Launch =
  /** The Task is being bound; Mesos has not been asked. */
  | { phase: 'Binding' }
  /** ACCEPT was given to subscription `session`; the master took it at `acceptedAt` (monotonic ms). */
  | { phase: 'Sent'; session: number; acceptedAt: number | undefined };

/** Time after which a launch that Mesos took has reached its agent or never will. */
export const launchSettlesMs = 60_000;

/**
 * Whether "unknown to the master" may be believed about a task: not while its launch may be on its way.
 * A copy of an ACCEPT that is still in the network carries a stream id that the master refuses once we
 * have subscribed again.
 */
export function trustsAbsence(launch: Launch | undefined, session: number, now: number): boolean {
  if (launch === undefined) return true;
  if (launch.phase === 'Binding') return false;
  if (session > launch.session) return true;
  return launch.acceptedAt !== undefined && now - launch.acceptedAt >= launchSettlesMs;
}

/** Keyed like Tasks; bounded by the launches that are not settled. */
export class LaunchLog {
  readonly #launches = new Map<string, Launch>();

  get(key: string): Launch | undefined {
    return this.#launches.get(key);
  }

  /** Whether the Task is ours to finish binding: nobody else may decide about it. */
  isBinding(key: string): boolean {
    return this.#launches.get(key)?.phase === 'Binding';
  }

  bind(key: string): void {
    this.#launches.set(key, { phase: 'Binding' });
  }

  send(key: string, session: number): void {
    this.#launches.set(key, { phase: 'Sent', session, acceptedAt: undefined });
  }

  accept(key: string, at: number): void {
    const launch = this.#launches.get(key);
    if (launch?.phase === 'Sent') this.#launches.set(key, { ...launch, acceptedAt: at });
  }

  /** Mesos has spoken about the task, or it was not launched. */
  settle(key: string): void {
    this.#launches.delete(key);
  }
}
