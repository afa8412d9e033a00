import {
  TransportError,
  type ApiRequest,
  type ApiResponse,
  type Transport,
} from '../client/transport.ts';
import { refusal } from '../client/decode.ts';
import { ApiError } from '../machinery/errors.ts';
import type { Dispatcher } from './dispatcher.ts';
import { badRequest } from './errors.ts';
import type { User } from './registry/context.ts';
import type { WatchFrames } from './registry/watcher.ts';
import type { Answer, ServerRequest, WatchAnswer } from './request.ts';

/**
 * The API without a wire: the same handlers, objects instead of JSON. What it answers is shared with
 * the cache and with everybody else, so nobody may change it.
 */
export class InProcessTransport implements Transport {
  readonly #dispatcher: Pick<Dispatcher, 'answer'>;
  readonly #user: User;
  /** For requests that nobody can give up. */
  readonly #endless = new AbortController().signal;

  constructor(dispatcher: Pick<Dispatcher, 'answer'>, user: User) {
    this.#dispatcher = dispatcher;
    this.#user = user;
  }

  async request(request: ApiRequest, signal?: AbortSignal): Promise<ApiResponse> {
    if (signal?.aborted === true) {
      throw new TransportError('the request was aborted', { sent: false });
    }
    const answer = await this.#dispatcher.answer(
      this.#serverRequest(request, signal ?? this.#endless),
    );
    return { code: answer.code, body: bodyOf(answer), warnings: [...answer.warnings] };
  }

  watch(request: ApiRequest, signal: AbortSignal): AsyncIterable<unknown> {
    const open = async (): Promise<WatchAnswer> => {
      const answer = await this.#dispatcher.answer(this.#serverRequest(request, signal));
      if (answer.kind === 'watch') return answer;
      const body = bodyOf(answer);
      if (answer.code >= 400) throw refusal(body, answer.code);
      throw badRequest('this request opens no watch');
    };
    return { [Symbol.asyncIterator]: () => new EventIterator(open, signal) };
  }

  #serverRequest(request: ApiRequest, signal: AbortSignal): ServerRequest {
    return {
      method: request.method,
      path: request.path,
      query: new URLSearchParams(request.query),
      user: this.#user,
      accept: request.accept,
      contentType: request.contentType,
      ifNoneMatch: undefined,
      userAgent: this.#user.name,
      fence: request.fence,
      body: () => request.body,
      signal,
    };
  }
}

/**
 * The events of a watch one by one. Those of one moment are handed out without a detour through the
 * generators below, which matters to an informer that has thousands to take in.
 */
class EventIterator implements AsyncIterator<unknown, undefined> {
  readonly #open: () => Promise<WatchAnswer>;
  readonly #signal: AbortSignal;
  #answer: WatchAnswer | undefined;
  #batches: AsyncIterator<WatchFrames> | undefined;
  #frames: WatchFrames = [];
  #at = 0;

  constructor(open: () => Promise<WatchAnswer>, signal: AbortSignal) {
    this.#open = open;
    this.#signal = signal;
  }

  next(): Promise<IteratorResult<unknown, undefined>> {
    const event = this.#take();
    return event === undefined ? this.#fetch() : Promise.resolve({ done: false, value: event });
  }

  async return(): Promise<IteratorResult<unknown, undefined>> {
    await this.#batches?.return?.();
    return { done: true, value: undefined };
  }

  #take(): { type: string; object: unknown } | undefined {
    if (this.#signal.aborted) return undefined;
    const frame = this.#frames[this.#at];
    if (frame === undefined) return undefined;
    this.#at += 1;
    return this.#answer?.event(frame);
  }

  async #fetch(): Promise<IteratorResult<unknown, undefined>> {
    while (!this.#signal.aborted) {
      this.#answer ??= await this.#open();
      this.#batches ??= this.#answer.frames[Symbol.asyncIterator]();
      const batch: IteratorResult<WatchFrames, unknown> = await this.#batches.next();
      if (batch.done === true) return { done: true, value: undefined };
      this.#frames = batch.value;
      this.#at = 0;
      const event = this.#take();
      if (event !== undefined) return { done: false, value: event };
    }
    return this.return();
  }
}

function bodyOf(answer: Answer): unknown {
  switch (answer.kind) {
    case 'value':
      return answer.value;
    case 'list':
      return { ...answer.head, [answer.field]: [...answer.members()] };
    case 'bytes':
      return Buffer.from(answer.bytes).toString('utf8');
    case 'watch':
      throw new ApiError('BadRequest', 'a watch is opened with watch(), not with request()');
    case 'stream':
      void answer.close();
      throw new ApiError('BadRequest', 'a log is for clients that come over HTTPS');
    case 'connect':
      answer.abandon();
      throw new ApiError('BadRequest', 'a session is for clients that come over HTTPS');
  }
}
