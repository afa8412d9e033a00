import { resourcePath } from '../../client/resource-client.ts';
import { isObject, own, type JsonObject } from '../../machinery/json.ts';
import { healthOf, type Health } from '../../machinery/kstatus.ts';
import type { Connection } from '../connection.ts';
import type { Context } from '../context.ts';
import type { Kind } from '../kinds.ts';
import { observe, type Observation } from '../observe.ts';
import { metadataText } from '../output/table.ts';

/** An object that is to become healthy, or to go. */
export interface Subject {
  resource: Kind;
  namespace: string | undefined;
  name: string;
  to: 'live' | 'go';
  /** Of the object that is to go: one that comes in its place is another. */
  uid?: string;
}

/** Absent: it is not there. */
export interface Standing {
  status: Health['status'] | 'Absent' | 'Unknown';
  message: string;
}

export interface HealthOptions {
  timeoutMs: number;
  /** Told of each change, and first of all of how things stand. */
  onChange: (subject: Subject, standing: Standing) => void;
}

/**
 * A failure counts once it has stood for so long: what mends it may have been applied with the object a
 * moment ago, and its controller has not yet looked again.
 */
export const failureStandsMs = 10_000;

/**
 * Watches until every subject is as it should be, or one has failed for good, or time is up. Returns how
 * each stands at the end.
 */
export async function watchHealth(
  context: Context,
  connection: Connection,
  subjects: readonly Subject[],
  options: HealthOptions,
): Promise<ReadonlyMap<Subject, Standing>> {
  const watch = new HealthWatch(context, subjects, options);
  if (subjects.length === 0) return watch.standings;
  const timer = context.clock.after(options.timeoutMs, () => watch.end());
  try {
    await Promise.all(
      placesOf(subjects).map(async (place) => {
        for await (const seen of observations(context, connection, place, watch.signal)) {
          watch.saw(place, seen);
          if (watch.signal.aborted) return;
        }
      }),
    );
  } finally {
    timer.cancel();
    watch.end();
  }
  return watch.standings;
}

/** Whether it is as it should be. */
export function isAsWanted({ to }: Subject, { status }: Standing): boolean {
  return to === 'go' ? status === 'Absent' : status === 'Current';
}

class HealthWatch {
  readonly standings = new Map<Subject, Standing>();
  readonly signal: AbortSignal;
  readonly #context: Context;
  readonly #options: HealthOptions;
  readonly #over = new AbortController();
  /** Each ends the watch when the failure has stood long enough. */
  readonly #failures = new Map<Subject, { cancel(): void }>();

  constructor(context: Context, subjects: readonly Subject[], options: HealthOptions) {
    this.#context = context;
    this.#options = options;
    this.signal = AbortSignal.any([context.signal, this.#over.signal]);
    const standing: Standing = { status: 'Unknown', message: 'nothing known yet' };
    for (const subject of subjects) this.standings.set(subject, standing);
  }

  saw({ subjects }: Place, { type, body }: Observation): void {
    const items: unknown = type === 'LIST' && isObject(body) ? own(body, 'items') : [body];
    const objects = Array.isArray(items) ? items.filter(isObject) : [];
    const byName = new Map(objects.map((object) => [metadataText(object, 'name'), object]));
    for (const subject of subjects) {
      const object = byName.get(subject.name);
      if (object === undefined && type !== 'LIST') continue;
      this.#stands(subject, standingOf(subject, type === 'DELETED' ? undefined : object));
    }
    if ([...this.standings].every(([subject, standing]) => isAsWanted(subject, standing))) {
      this.end();
    }
  }

  end(): void {
    for (const timer of this.#failures.values()) timer.cancel();
    this.#failures.clear();
    this.#over.abort();
  }

  #stands(subject: Subject, standing: Standing): void {
    const before = this.standings.get(subject);
    this.standings.set(subject, standing);
    if (standing.status !== 'Failed') {
      this.#failures.get(subject)?.cancel();
      this.#failures.delete(subject);
    } else if (!this.#failures.has(subject)) {
      const timer = this.#context.clock.after(failureStandsMs, () => this.end());
      this.#failures.set(subject, timer);
    }
    if (before?.status === standing.status && before.message === standing.message) return;
    this.#options.onChange(subject, standing);
  }
}

function standingOf({ to, uid }: Subject, object: JsonObject | undefined): Standing {
  const isAnother =
    uid !== undefined && object !== undefined && metadataText(object, 'uid') !== uid;
  if (object === undefined || (to === 'go' && isAnother)) return { status: 'Absent', message: '' };
  return healthOf(object);
}

/** Subjects that one watch shows. */
interface Place {
  resource: Kind;
  namespace: string | undefined;
  subjects: Subject[];
}

function placesOf(subjects: readonly Subject[]): Place[] {
  const places = new Map<string, Place>();
  for (const subject of subjects) {
    const { resource, namespace } = subject;
    const path = resourcePath(resource, { namespace });
    const place = places.get(path) ?? { resource, namespace, subjects: [] };
    place.subjects.push(subject);
    places.set(path, place);
  }
  return [...places.values()];
}

function observations(
  context: Context,
  connection: Connection,
  { resource, namespace, subjects }: Place,
  signal: AbortSignal,
): AsyncIterable<Observation> {
  const [only, ...others] = subjects;
  const query: Record<string, string> =
    only === undefined || others.length > 0 ? {} : { fieldSelector: `metadata.name=${only.name}` };
  return observe(
    { path: resourcePath(resource, { namespace }), query },
    {
      transport: connection.transport,
      send: (request) => connection.send(request),
      clock: context.clock,
      signal,
      onRetry: (reason) => context.stderr.write(`watch interrupted, trying again: ${reason}\n`),
    },
  );
}
