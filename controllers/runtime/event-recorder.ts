import type { Logger } from 'pino';
import type { Client, ResourceClient } from '../../api/client/client.ts';
import type { Clock } from '../../api/machinery/clock.ts';
import { timestamp } from '../../api/machinery/clock.ts';
import { isApiError } from '../../api/machinery/errors.ts';
import type { Draft, KubeObject } from '../../api/machinery/metadata.ts';
import type { Random } from '../../api/machinery/random.ts';
import { nameSuffix } from '../../api/machinery/random.ts';
import type { Event } from '../../api/v1/core.ts';
import { eventResource } from '../../api/v1/core.ts';
import { BoundedMap } from './bounded-map.ts';
import { TokenBucket } from './queue.ts';

export type EventType = 'Normal' | 'Warning';

export interface EventRecorderOptions {
  client: Client;
  /** Who reports, e.g. `job-controller`. */
  component: string;
  clock: Clock;
  random: Random;
  logger: Logger;
}

/** What people are told about an object. The same report again only counts up. */
interface Report {
  object: KubeObject;
  type: EventType;
  reason: string;
  message: string;
  /** How often it was reported since it was last written. */
  count: number;
  at: string;
}

/** An Event that exists, as far as we know: Events expire after an hour. */
interface Written {
  name: string;
  count: number;
}

const maxPending = 1000;
const maxRemembered = 4096;
/** For one object: this many reports at once, and one a minute after that. */
const burst = 25;
const perSecond = 1 / 60;
/** Kubernetes' bound of an Event's message. */
const maxMessageLength = 1024;

/**
 * Writes core/v1 Events, in the background: reporting never waits and never fails. The same report
 * about the same object is one Event with a count. Reports over the rate of their object, or over the
 * bound of the queue, are dropped and counted: Events are for people, nothing may depend on them.
 */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #events: ResourceClient<Event>;
  readonly #pending = new Map<string, Report>();
  readonly #written = new BoundedMap<string, Written>(maxRemembered);
  readonly #buckets = new BoundedMap<string, TokenBucket>(maxRemembered);
  #writing: Promise<void> | undefined;
  #dropped = 0;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#events = options.client.of(eventResource);
  }

  /** Reports dropped so far. */
  get dropped(): number {
    return this.#dropped;
  }

  record(object: KubeObject, type: EventType, reason: string, message: string): void {
    const text = message.slice(0, maxMessageLength);
    const key = [object.metadata.uid, type, reason, text].join('\n');
    const at = timestamp(this.#options.clock);
    const waiting = this.#pending.get(key);
    if (waiting !== undefined) {
      waiting.count += 1;
      waiting.at = at;
      return;
    }
    if (this.#pending.size >= maxPending || !this.#bucketOf(object).take()) {
      this.#dropped += 1;
      this.#options.logger.debug({ reason, name: object.metadata.name }, 'event dropped');
      return;
    }
    this.#pending.set(key, { object, type, reason, message: text, count: 1, at });
    this.#writing ??= this.#writeAll();
  }

  /** Resolves when everything that was reported is written or has failed. */
  async idle(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  #bucketOf({ metadata: { uid } }: KubeObject): TokenBucket {
    let bucket = this.#buckets.get(uid);
    if (bucket === undefined) {
      bucket = new TokenBucket(this.#options.clock, perSecond, burst);
      this.#buckets.set(uid, bucket);
    }
    return bucket;
  }

  async #writeAll(): Promise<void> {
    // Reports of one turn go together: leave it before the first write.
    await Promise.resolve();
    for (const [key, report] of this.#pending) {
      this.#pending.delete(key);
      try {
        await this.#write(key, report);
      } catch (error) {
        const { reason, object } = report;
        this.#options.logger.warn(
          { err: error, reason, kind: object.kind, name: object.metadata.name },
          'writing an event failed',
        );
      }
    }
    this.#writing = undefined;
  }

  async #write(key: string, report: Report): Promise<void> {
    const known = this.#written.get(key);
    if (known !== undefined && (await this.#countUp(known, report))) return;
    const name = `${report.object.metadata.name.slice(0, 200)}.${nameSuffix(this.#options.random, 12)}`;
    await this.#events.create(this.#draft(name, report));
    this.#written.set(key, { name, count: report.count });
  }

  /** False if the Event has expired. */
  async #countUp(known: Written, report: Report): Promise<boolean> {
    const count = known.count + report.count;
    const ref = { namespace: namespaceOf(report.object), name: known.name };
    try {
      await this.#events.patch(ref, { count, lastTimestamp: report.at }, { type: 'merge' });
    } catch (error) {
      if (isApiError(error, 'NotFound')) return false;
      throw error;
    }
    known.count = count;
    return true;
  }

  #draft(name: string, { object, type, reason, message, count, at }: Report): Draft<Event> {
    const { namespace, name: objectName, uid, resourceVersion } = object.metadata;
    const { component } = this.#options;
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name, namespace: namespaceOf(object) },
      involvedObject: {
        apiVersion: object.apiVersion,
        kind: object.kind,
        ...(namespace === undefined ? {} : { namespace }),
        name: objectName,
        uid,
        resourceVersion,
      },
      type,
      reason,
      message,
      count,
      firstTimestamp: at,
      lastTimestamp: at,
      source: { component },
      reportingComponent: component,
      reportingInstance: '',
    };
  }
}

/** Events about cluster objects lie in `default`, as kubectl expects. */
function namespaceOf(object: KubeObject): string {
  return object.metadata.namespace ?? 'default';
}
