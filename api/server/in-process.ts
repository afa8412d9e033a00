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
import type { Answer, ServerRequest } from './request.ts';

/**
 * The API without a wire: the same handlers, objects instead of JSON. What it answers is shared with
 * the cache and with everybody else, so nobody may change it.
 */
export class InProcessTransport implements Transport {
  readonly #dispatcher: Pick<Dispatcher, 'answer'>;
  readonly #user: User;

  constructor(dispatcher: Pick<Dispatcher, 'answer'>, user: User) {
    this.#dispatcher = dispatcher;
    this.#user = user;
  }

  async request(request: ApiRequest, signal?: AbortSignal): Promise<ApiResponse> {
    if (signal?.aborted === true) {
      throw new TransportError('the request was aborted', { sent: false });
    }
    const answer = await this.#dispatcher.answer(
      this.#serverRequest(request, signal ?? new AbortController().signal),
    );
    return { code: answer.code, body: bodyOf(answer), warnings: [...answer.warnings] };
  }

  async *watch(request: ApiRequest, signal: AbortSignal): AsyncGenerator<unknown, void, undefined> {
    if (signal.aborted) return;
    const answer = await this.#dispatcher.answer(this.#serverRequest(request, signal));
    if (answer.kind === 'watch') {
      for await (const frames of answer.frames) {
        for (const frame of frames) {
          if (isAborted(signal)) return;
          yield answer.event(frame);
        }
      }
      return;
    }
    const body = bodyOf(answer);
    if (answer.code >= 400) throw refusal(body, answer.code);
    throw badRequest('this request opens no watch');
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
      fence: request.fence,
      body: () => request.body,
      signal,
    };
  }
}

/** Asked anew after every pause, which a narrowed property would not be. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

function bodyOf(answer: Answer): unknown {
  switch (answer.kind) {
    case 'value':
      return answer.value;
    case 'bytes':
      return Buffer.from(answer.bytes).toString('utf8');
    case 'watch':
      throw new ApiError('BadRequest', 'a watch is opened with watch(), not with request()');
  }
}
