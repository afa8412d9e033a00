import type { SessionEvent, ZooKeeperClient } from '../../../proto/zookeeper/client.ts';

/** What a client said about its session, with a way to wait for what comes. */
export interface EventLog {
  readonly events: readonly SessionEvent[];
  types(): SessionEvent['type'][];
  /** The first event of this type that was or will be logged since `forget`. */
  next<T extends SessionEvent['type']>(type: T): Promise<Extract<SessionEvent, { type: T }>>;
  forget(): void;
}

export function logEvents(client: ZooKeeperClient): EventLog {
  const events: SessionEvent[] = [];
  const waiting = new Set<() => void>();
  client.subscribe((event) => {
    events.push(event);
    for (const look of waiting) look();
  });
  return {
    events,
    types: () => events.map(({ type }) => type),
    next: <T extends SessionEvent['type']>(type: T) =>
      new Promise<Extract<SessionEvent, { type: T }>>((resolve) => {
        const isWanted = (event: SessionEvent): event is Extract<SessionEvent, { type: T }> =>
          event.type === type;
        const look = (): void => {
          const found = events.find(isWanted);
          if (found === undefined) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
      }),
    forget: () => void events.splice(0),
  };
}

/** Waits until `condition` holds, looking again every few milliseconds. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  withinMs = 60_000,
): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
