import { ApiError } from '../../machinery/errors.ts';
import type { Resource, Verb } from '../../machinery/resource.ts';
import type { Served } from '../catalog.ts';
import type { Endpoint } from '../endpoint.ts';
import { groupResource } from '../errors.ts';
import type { Answer, AuthenticatedRequest } from '../request.ts';
import type { ResourceRequestInfo } from '../request-info.ts';
import type { CustomKind } from './custom-kind.ts';

/** One version of a kind of users. */
export class CustomEndpoint implements Served {
  readonly #kind: CustomKind;
  readonly #endpoint: Endpoint;
  readonly #replaced = new AbortController();

  constructor(kind: CustomKind, endpoint: Endpoint) {
    this.#kind = kind;
    this.#endpoint = endpoint;
  }

  get resource(): Resource {
    return this.#endpoint.resource;
  }

  /** Ends the watches: what they would go on showing is not what the kind looks like now. */
  close(): void {
    this.#replaced.abort();
  }

  serves(info: ResourceRequestInfo): boolean {
    return this.#endpoint.serves(info);
  }

  async handle(
    verb: Verb,
    info: ResourceRequestInfo,
    request: AuthenticatedRequest,
    authorize: (verb: Verb) => Promise<void>,
  ): Promise<Answer> {
    if (verb === 'create') this.#refuseNew();
    // An apply asks whether it may create once it knows that it has to.
    const allowed = async (other: Verb): Promise<void> => {
      if (other === 'create') this.#refuseNew();
      await authorize(other);
    };
    const lasting =
      verb === 'watch'
        ? { ...request, signal: AbortSignal.any([request.signal, this.#replaced.signal]) }
        : request;
    const answer = await this.#endpoint.handle(verb, info, lasting, allowed);
    const { warning } = this.#kind;
    return warning === undefined ? answer : { ...answer, warnings: [...answer.warnings, warning] };
  }

  /** Throws 405 while the kind is about to go. */
  #refuseNew(): void {
    if (this.#kind.definition.metadata.deletionTimestamp === undefined) return;
    throw new ApiError(
      'MethodNotAllowed',
      'create not allowed while custom resource definition is terminating',
      { details: { group: this.resource.gvk.group, kind: groupResource(this.resource) } },
    );
  }
}
