import type { Clock } from '../../machinery/clock.ts';
import { ApiError } from '../../machinery/errors.ts';
import type { Metrics } from '../../machinery/metrics.ts';
import type { Catalog } from '../catalog.ts';
import type { Dispatcher } from '../dispatcher.ts';
import { flag } from '../query.ts';
import { parsePath, type RequestInfo } from '../request-info.ts';
import type { Answer, ServerRequest, WatchAnswer } from '../request.ts';
import { verbOf } from '../verbs.ts';
import {
  answerOverheadBytes,
  levelOf,
  levels,
  type LevelName,
  type LimitedLevel,
} from './levels.ts';
import { Limiter, type LevelLimits, type Seat } from './limiter.ts';
import {
  defaultStreamBounds,
  OpenStreams,
  type StreamBounds,
  type StreamSort,
} from './open-streams.ts';
import { labelsOf, RequestMetrics, type RequestLabels } from './request-metrics.ts';

export interface TrafficOptions {
  dispatcher: Pick<Dispatcher, 'answer' | 'refused'>;
  catalog: Pick<Catalog, 'find'>;
  clock: Clock;
  metrics?: Metrics | undefined;
  /** Other bounds than the server's own. */
  levels?: Readonly<Record<LimitedLevel, LevelLimits>>;
  /** Of what may be open at a time; the default ones if absent. */
  streams?: StreamBounds | undefined;
}

/**
 * Sends an answer. `made` is to be called when all that is left is for the client to take so many bytes, or
 * to take more of them sooner.
 */
export type Send = (answer: Answer, made: (bytes: number) => void) => Promise<void>;

/** A request, and what it counts as. */
interface Visit {
  request: ServerRequest;
  info: RequestInfo | undefined;
  level: LevelName;
  labels: RequestLabels;
  /** What it is once it is open, if it lasts. */
  sort: StreamSort | undefined;
}

/** Parts of objects that are streams: they last as long as their client wants. */
const streamed = new Set(['log', 'exec', 'attach', 'portforward', 'proxy']);

const nothing = (): void => undefined;

/** Of those who need none. */
const noSeat: Seat = { rise: nothing, leave: nothing };

/** Who is answered when, so that nobody takes the server from the others; and what came of it. */
export class Traffic {
  readonly #options: TrafficOptions;
  readonly #limiters: Readonly<Record<LimitedLevel, Limiter>>;
  readonly #metrics: RequestMetrics | undefined;
  readonly #open: OpenStreams;

  constructor(options: TrafficOptions) {
    this.#options = options;
    const limits = options.levels ?? levels;
    const limiter = (level: LimitedLevel): Limiter =>
      new Limiter({
        limits: limits[level],
        clock: options.clock,
        onRefusal: (why) => this.#metrics?.refused(level, why),
      });
    this.#limiters = {
      'leader-election': limiter('leader-election'),
      system: limiter('system'),
      workload: limiter('workload'),
      lists: limiter('lists'),
    };
    this.#open = new OpenStreams(options.streams ?? defaultStreamBounds);
    const { metrics } = options;
    this.#metrics = metrics === undefined ? undefined : new RequestMetrics(metrics, this.#limiters);
  }

  /**
   * Has a request answered when it is its turn, and the answer sent, which is part of the work: its seat is
   * free once the answer is made. Streams hold none once they are open. Rejects if `send` does.
   */
  async pass(request: ServerRequest, send: Send): Promise<void> {
    const visit = this.#visit(request);
    const began = this.#options.clock.monotonic();
    const over = this.#metrics?.began(visit.labels) ?? nothing;
    let seat = noSeat;
    let close = nothing;
    let stream = false;
    // As other servers tell of a client that went before it was answered.
    let code = 499;
    try {
      let answer: Answer;
      try {
        close = this.#enter(visit);
        seat = await this.#admit(visit);
        answer = await this.#options.dispatcher.answer(request);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        answer = this.#options.dispatcher.refused(request, error);
      }
      ({ code } = answer);
      stream = isStream(visit, answer);
      if (stream) {
        seat.leave();
        over();
        await this.#stream(visit, answer, (of) => send(of, nothing));
      } else await send(answer, (bytes) => seat.rise(bytes + answerOverheadBytes));
    } finally {
      seat.leave();
      close();
      if (!stream) over();
      const seconds = (this.#options.clock.monotonic() - began) / 1000;
      this.#metrics?.ended(visit.labels, code, stream ? undefined : seconds);
    }
  }

  #visit(request: ServerRequest): Visit {
    const info = parsePath(request.path);
    const verb =
      info?.kind === 'resource'
        ? verbOf(request.method, info, flag(request.query, 'watch'))
        : undefined;
    const level = levelOf({ info, verb, user: request.user?.name });
    const labels = labelsOf(request, info, verb, this.#options.catalog);
    const part = info?.kind === 'resource' ? info.subresource : undefined;
    const session = part !== undefined && streamed.has(part);
    const sort = verb === 'watch' ? 'watches' : session ? 'sessions' : undefined;
    return { request, info, level, labels, sort };
  }

  /** Takes a place among what is open for what is to last. Throws 429. */
  #enter({ sort, level, request }: Visit): () => void {
    if (sort === undefined) return nothing;
    try {
      return this.#open.enter(sort, request.user);
    } catch (error) {
      if (level !== 'exempt') this.#metrics?.refused(level, 'concurrency-limit');
      throw error;
    }
  }

  async #admit({ level, request }: Visit): Promise<Seat> {
    if (level === 'exempt') return noSeat;
    return this.#limiters[level].admit(request.user?.name ?? '', request.signal);
  }

  async #stream(
    { info, labels }: Visit,
    answer: Answer,
    send: (answer: Answer) => Promise<void>,
  ): Promise<void> {
    const metrics = this.#metrics;
    const ended = metrics?.streams(labels) ?? nothing;
    let unwatched = nothing;
    try {
      if (answer.kind !== 'watch' || metrics === undefined || info?.kind !== 'resource') {
        await send(answer);
        return;
      }
      const { group, version } = info;
      const kind = this.#options.catalog.find(info)?.resource.gvk.kind ?? '';
      const watched = { group, version, kind };
      unwatched = metrics.watches(watched);
      const events = metrics.eventsOf(watched);
      const counted: WatchAnswer = {
        ...answer,
        line: (frame) => {
          events.inc();
          return answer.line(frame);
        },
      };
      await send(counted);
    } finally {
      unwatched();
      ended();
    }
  }
}

function isStream({ sort }: Visit, answer: Answer): boolean {
  return answer.kind === 'watch' || (sort === 'sessions' && answer.code < 400);
}
