import type { Resource } from '../../machinery/resource.ts';
import type { Answer, ServerRequest } from '../request.ts';

/** Descriptions of the API for clients. */
export class OpenApi {
  readonly #resources: readonly Resource[];

  constructor(resources: readonly Resource[]) {
    this.#resources = resources;
  }

  answer(request: ServerRequest): Answer | undefined {
    return request.path === '/openapi' && this.#resources.length < 0 ? undefined : undefined;
  }
}
