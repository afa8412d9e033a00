import type {
  Count,
  Counter,
  Histogram,
  Labels,
  Metrics,
  Sample,
} from '../../machinery/metrics.ts';
import type { Verb } from '../../machinery/resource.ts';
import type { Catalog } from '../catalog.ts';
import type { RequestInfo } from '../request-info.ts';
import type { ServerRequest } from '../request.ts';
import { levels, type LimitedLevel } from './levels.ts';
import type { Limiter, Refusal } from './limiter.ts';

/** Seconds; fewer than Kubernetes' own, since every kind, verb and scope has them all. */
const durationBounds = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.5, 2, 5, 10, 30, 60];

/** What requests are told apart by, in Kubernetes' labels. Nothing a client makes up is among them. */
export type RequestLabels = Readonly<
  Record<
    'component' | 'dry_run' | 'group' | 'resource' | 'scope' | 'subresource' | 'verb' | 'version',
    string
  >
>;

export interface WatchedKind {
  group: string;
  version: string;
  kind: string;
}

const healthPath = /^\/(livez|readyz|healthz|metrics|version)\/?$/;

const verbNames: Readonly<Record<Verb, string>> = {
  get: 'GET',
  list: 'LIST',
  watch: 'WATCH',
  create: 'POST',
  update: 'PUT',
  patch: 'PATCH',
  delete: 'DELETE',
  deletecollection: 'DELETECOLLECTION',
};

const methods = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']);

export function labelsOf(
  request: Pick<ServerRequest, 'method' | 'contentType' | 'query'>,
  info: RequestInfo | undefined,
  verb: Verb | undefined,
  catalog: Pick<Catalog, 'find'>,
): RequestLabels {
  const base = { component: 'apiserver', group: '', version: '', resource: '', scope: '' };
  const plain = methods.has(request.method) ? request.method : 'other';
  const dryRun = request.query.has('dryRun') ? 'All' : '';
  if (info?.kind !== 'resource') {
    const known = info !== undefined && healthPath.test(info.path) ? info.path : '';
    return { ...base, dry_run: dryRun, subresource: known, verb: plain };
  }
  const { group, version, plural, namespace, name, subresource } = info;
  const served = catalog.find(info);
  if (served === undefined || verb === undefined) {
    return { ...base, dry_run: dryRun, subresource: '', verb: plain };
  }
  const apply = verb === 'patch' && request.contentType?.startsWith('application/apply-patch');
  return {
    ...base,
    dry_run: dryRun,
    group,
    version,
    resource: plural,
    scope: name !== undefined ? 'resource' : namespace === undefined ? 'cluster' : 'namespace',
    subresource: subresource !== undefined && served.serves(info) ? subresource : '',
    verb: apply === true ? 'APPLY' : verbNames[verb],
  };
}

/** How many of what lasts are open, by labels. */
class OpenCounts {
  readonly #counts = new Map<string, { labels: Labels; value: number }>();

  /** One more; the function that it returns is to be called at its end. */
  enter(labels: Labels): () => void {
    const key = JSON.stringify(labels);
    const known = this.#counts.get(key) ?? { labels, value: 0 };
    this.#counts.set(key, known);
    known.value += 1;
    return () => {
      known.value -= 1;
    };
  }

  samples(): Iterable<Sample> {
    return this.#counts.values();
  }
}

/** What /metrics tells of requests. */
export class RequestMetrics {
  readonly #requests: Counter;
  readonly #durations: Histogram;
  readonly #events: Counter;
  readonly #refused: Counter;
  readonly #inFlight = { mutating: 0, readOnly: 0 };
  readonly #longRunning = new OpenCounts();
  readonly #watchers = new OpenCounts();

  constructor(metrics: Metrics, limiters: Readonly<Record<LimitedLevel, Limiter>>) {
    this.#requests = metrics.counter('apiserver_request_total', 'Requests that were answered.');
    this.#durations = metrics.histogram(
      'apiserver_request_duration_seconds',
      'Time from a request that has been read to the last byte of its answer; no watches.',
      durationBounds,
    );
    this.#events = metrics.counter('apiserver_watch_events_total', 'Events sent to watchers.');
    this.#refused = metrics.counter(
      'apiserver_flowcontrol_rejected_requests_total',
      'Requests that were answered 429.',
    );
    for (const level of levelNames) {
      for (const reason of ['queue-full', 'time-out', 'concurrency-limit']) {
        this.#refused.inc({ priority_level: level, reason }, 0);
      }
    }
    metrics.collect('gauge', 'apiserver_current_inflight_requests', 'Requests under way.', () =>
      Object.entries(this.#inFlight).map(([kind, value]) => ({
        labels: { request_kind: kind },
        value,
      })),
    );
    metrics.collect('gauge', 'apiserver_longrunning_requests', 'Watches and other streams.', () =>
      this.#longRunning.samples(),
    );
    metrics.collect('gauge', 'apiserver_registered_watchers', 'Watches of each kind.', () =>
      this.#watchers.samples(),
    );
    const byLevel = (count: (limiter: Limiter) => number) => (): Sample[] =>
      levelNames.map((name) => ({
        labels: { priority_level: name },
        value: count(limiters[name]),
      }));
    metrics.collect(
      'gauge',
      'apiserver_flowcontrol_current_executing_requests',
      'Requests that have a seat.',
      byLevel(({ seated }) => seated),
    );
    metrics.collect(
      'gauge',
      'apiserver_flowcontrol_current_inqueue_requests',
      'Requests that wait for a seat.',
      byLevel(({ waiting }) => waiting),
    );
    metrics.collect(
      'gauge',
      'mesocosm_api_untaken_answer_bytes',
      'Answers that have no seat any more and wait for their clients to take them.',
      byLevel(({ untaken }) => untaken),
    );
  }

  refused(level: LimitedLevel, reason: Refusal): void {
    this.#refused.inc({ priority_level: level, reason });
  }

  /** A request has come; the function that it returns is to be called when it is over. */
  began({ verb }: RequestLabels): () => void {
    const kind = /^(GET|LIST|WATCH)$/.test(verb) ? 'readOnly' : 'mutating';
    this.#inFlight[kind] += 1;
    return () => {
      this.#inFlight[kind] -= 1;
    };
  }

  /** `seconds` is absent for what lasts as long as its client wants. */
  ended(labels: RequestLabels, code: number, seconds: number | undefined): void {
    this.#requests.inc({ ...labels, code: String(code) });
    if (seconds !== undefined) this.#durations.observe(labels, seconds);
  }

  /** A watch, or another stream, is open; the function that it returns is to be called at its end. */
  streams(labels: RequestLabels): () => void {
    return this.#longRunning.enter(labels);
  }

  /** A watch of this kind is open; the function that it returns is to be called at its end. */
  watches(of: WatchedKind): () => void {
    return this.#watchers.enter({ ...of });
  }

  /** The count of what is sent to watchers of this kind. */
  eventsOf(watched: WatchedKind): Count {
    return this.#events.of({ ...watched });
  }
}

const levelNames = Object.keys(levels).filter((name): name is LimitedLevel => name in levels);
