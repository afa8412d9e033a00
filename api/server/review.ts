import { without, type JsonObject } from '../machinery/json.ts';
import type { KubeObject } from '../machinery/metadata.ts';
import type { Resource, SchemaNode, Verb } from '../machinery/resource.ts';
import type { Served } from './catalog.ts';
import { badRequest, invalid, methodNotAllowed } from './errors.ts';
import { bodyFormat, negotiate } from './negotiation.ts';
import { asSubmitted, parseDocument } from './registry/document.ts';
import { erased } from './registry/erase.ts';
import { wholeSchema } from './registry/object-meta.ts';
import { valueAnswer, type Answer, type AuthenticatedRequest } from './request.ts';
import type { ResourceRequestInfo } from './request-info.ts';
import { bodyOf, writeContext } from './write-request.ts';

/** A question that is created and answered at once: nothing of it is stored. */
export interface ReviewOptions<T extends KubeObject> {
  resource: Resource<T>;
  /** The answer: its `status`, and its `spec` where that is not as it was asked. Throws ApiError. */
  answer: (review: T, request: AuthenticatedRequest) => Promise<{ spec?: object; status: object }>;
}

/** Serves a kind of questions. */
export class Review<T extends KubeObject> implements Served {
  readonly resource: Resource;
  readonly #schema: SchemaNode;
  readonly #asked: Resource<T>;
  readonly #answer: ReviewOptions<T>['answer'];

  constructor({ resource, answer }: ReviewOptions<T>) {
    this.resource = erased(resource);
    this.#schema = wholeSchema(resource);
    this.#asked = resource;
    this.#answer = answer;
  }

  serves({ namespace, name, subresource }: ResourceRequestInfo): boolean {
    const placed = this.resource.namespaced === (namespace !== undefined);
    return placed && name === undefined && subresource === undefined;
  }

  async handle(
    verb: Verb,
    { namespace }: ResourceRequestInfo,
    request: AuthenticatedRequest,
  ): Promise<Answer> {
    const { resource } = this;
    if (verb !== 'create') throw methodNotAllowed(resource, verb);
    const { format } = negotiate(request.accept);
    const { context, warnings } = writeContext(request, 'CreateOptions');
    const body = bodyOf(request, bodyFormat(request.contentType), resource);
    const { document, metadata } = asSubmitted(resource, body);
    checkMetadata(resource, metadata, namespace);
    // Typed clients send an empty status along.
    const asked = without(document, 'status');
    const draft = { ...asked, metadata: namespace === undefined ? {} : { namespace } };
    const review = this.#typed(parseDocument(resource, this.#schema, draft, context));
    const errors = this.#asked.validate(review, {});
    if (errors.length > 0) throw invalid(resource, '', errors);
    const { spec, status } = await this.#answer(review, request);
    const answered = { creationTimestamp: null, ...draft.metadata };
    const value = {
      ...review,
      metadata: answered,
      ...(spec === undefined ? {} : { spec }),
      status,
    };
    return valueAnswer(value, { code: 201, warnings, format });
  }

  #typed(checked: KubeObject): T {
    const parsed = this.#asked.parse(checked);
    if (parsed.ok) return parsed.value;
    throw invalid(this.resource, '', parsed.errors);
  }
}

/** A question is no object: it has nothing but a namespace, if its kind has. Throws 400, 422. */
function checkMetadata(
  resource: Resource,
  metadata: JsonObject,
  namespace: string | undefined,
): void {
  const { namespace: given, managedFields, ...rest } = metadata;
  if (typeof given === 'string' && given !== '' && given !== (namespace ?? '')) {
    throw badRequest(
      'the namespace of the provided object does not match the namespace sent on the request',
    );
  }
  const empty = [rest, managedFields ?? []].every(isEmpty);
  if (empty) return;
  const why = `Invalid value: ${JSON.stringify(metadata).slice(0, 200)}: must be empty`;
  throw invalid(resource, '', [{ field: 'metadata', message: why, reason: 'FieldValueInvalid' }]);
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === '') return true;
  return typeof value === 'object' && Object.values(value).every(isEmpty);
}
