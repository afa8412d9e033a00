import type { Clock } from '../machinery/clock.ts';
import { ApiError, isApiError } from '../machinery/errors.ts';
import type { Random } from '../machinery/random.ts';
import type { AnyResource, Resource, Verb } from '../machinery/resource.ts';
import type { Storage } from '../storage/storage.ts';
import { applyRequest } from './apply-request.ts';
import type { Served } from './catalog.ts';
import { methodNotAllowed } from './errors.ts';
import { bodyFormat, negotiate, patchFormat } from './negotiation.ts';
import { patchedDocument } from './patch.ts';
import * as queries from './query.ts';
import type {
  Admission,
  Advisor,
  Budget,
  Defaulter,
  Directory,
  WriteContext,
} from './registry/context.ts';
import type { CachedItems, Item } from './registry/item.ts';
import { Lister } from './registry/lister.ts';
import { Registry } from './registry/registry.ts';
import type { StoredItems } from './registry/store.ts';
import { strategyOf } from './registry/strategy.ts';
import { Watcher } from './registry/watcher.ts';
import { itemAnswer, listAnswer, watchAnswer, viewOf, type View } from './represent.ts';
import { valueAnswer, type Answer, type AuthenticatedRequest } from './request.ts';
import type { ResourceRequestInfo } from './request-info.ts';
import { answerScale } from './scale-request.ts';
import { bodyOf, refOf, submittedObject, updateMode, writeContext } from './write-request.ts';

export interface EndpointOptions {
  resource: AnyResource;
  storage: Storage;
  store: StoredItems;
  cache: CachedItems;
  clock: Clock;
  random: Random;
  admissions: readonly Admission[];
  restrictions: readonly Admission[];
  defaulters: readonly Defaulter[];
  advisors: readonly Advisor[];
  budget: Budget;
  lookups: { cached: Directory; live: Directory };
  reporters?: Reporters;
  /** Aborted when the server stops: ends watches. */
  stopping?: AbortSignal;
  connectors?: Connectors;
}

/** Computes a report about an object that exists. Rejects with ApiError 503 if it cannot look. */
export type Reporter = (
  ref: { namespace: string | undefined; name: string },
  signal: AbortSignal,
) => Promise<object>;

/** Answers for a subresource that is neither a part of the object nor a report, such as `pods/log`. */
export type Connector = (
  verb: Verb,
  info: ResourceRequestInfo,
  request: AuthenticatedRequest,
) => Promise<Answer>;

/** By resource and subresource: `serviceaccounts/token`. */
export type Connectors = Readonly<Record<string, Connector>>;

/** By resource and subresource: `jobs/drift`. */
export type Reporters = Readonly<Record<string, Reporter>>;

/** Deletions of one deletecollection that are under way at a time. */
const deletionsAtOnce = 16;

/** Everything that can be asked of one kind, in terms of requests and answers. */
export class Endpoint implements Served {
  readonly resource: Resource;
  readonly registry: Registry;
  readonly lister: Lister;
  readonly #watcher: Watcher;
  readonly #clock: Clock;
  readonly #reporters: Reporters;
  readonly #connectors: Connectors;

  constructor(options: EndpointOptions) {
    this.registry = new Registry(options);
    this.resource = this.registry.resource;
    this.lister = new Lister({ ...options, resource: this.resource });
    this.#watcher = new Watcher({ ...options, resource: this.resource });
    this.#clock = options.clock;
    this.#reporters = options.reporters ?? {};
    this.#connectors = options.connectors ?? {};
  }

  serves(info: ResourceRequestInfo): boolean {
    const { namespaced, subresources } = this.resource;
    if (!namespaced && info.namespace !== undefined) return false;
    if (namespaced && info.namespace === undefined && info.name !== undefined) return false;
    switch (info.subresource) {
      case undefined:
        return true;
      case 'status':
        return subresources.status;
      case 'scale':
        return subresources.scale !== undefined;
      default:
        return this.#isReport(info.subresource) || this.#isConnect(info.subresource);
    }
  }

  #isReport(subresource: string | undefined): boolean {
    const { reports = [] } = this.resource.subresources;
    return reports.some(({ name }) => name === subresource);
  }

  #isConnect(subresource: string | undefined): boolean {
    const { connects = [] } = this.resource.subresources;
    return connects.some(({ name }) => name === subresource);
  }

  handle(
    verb: Verb,
    info: ResourceRequestInfo,
    request: AuthenticatedRequest,
    authorize: (verb: Verb) => Promise<void>,
  ): Promise<Answer> {
    if (info.subresource === 'scale') {
      const { resource, registry, lister } = this;
      return answerScale({ resource, registry, lister, clock: this.#clock }, verb, info, request);
    }
    if (this.#isReport(info.subresource)) return this.#report(verb, info, request);
    const connector = this.#connectors[`${this.resource.plural}/${info.subresource ?? ''}`];
    if (connector !== undefined) return connector(verb, info, request);
    switch (verb) {
      case 'get':
        return this.#get(info, request);
      case 'list':
        return this.#list(info, request);
      case 'watch':
        return this.#watch(info, request);
      case 'create':
        return this.#create(info, request);
      case 'update':
        return this.#update(info, request);
      case 'patch':
        return this.#patch(info, request, () => authorize('create'));
      case 'delete':
        return this.#delete(info, request);
      case 'deletecollection':
        return this.#deleteCollection(info, request);
    }
  }

  #view(request: AuthenticatedRequest): View {
    return viewOf(this.resource, request, this.#clock);
  }

  async #get(info: ResourceRequestInfo, request: AuthenticatedRequest): Promise<Answer> {
    const view = this.#view(request);
    const version = queries.parseResourceVersion(queries.text(request.query, 'resourceVersion'));
    return itemAnswer(view, await this.lister.get(refOf(info), version), 200);
  }

  async #list(info: ResourceRequestInfo, request: AuthenticatedRequest): Promise<Answer> {
    const view = this.#view(request);
    const options = queries.parseListOptions(request.query);
    return listAnswer(view, await this.lister.list(info.namespace, options));
  }

  async #watch(info: ResourceRequestInfo, request: AuthenticatedRequest): Promise<Answer> {
    const view = this.#view(request);
    const options = queries.parseWatchOptions(request.query);
    const { name } = info;
    const fields =
      name === undefined
        ? options.fields
        : [...options.fields, { path: 'metadata.name', value: name, equal: true }];
    const selected = { ...options, fields };
    const frames = await this.#watcher.open(info.namespace, selected, request.signal);
    return watchAnswer(view, frames, this.#clock);
  }

  async #create(info: ResourceRequestInfo, request: AuthenticatedRequest): Promise<Answer> {
    if (info.name !== undefined || (this.resource.namespaced && info.namespace === undefined)) {
      throw methodNotAllowed(this.resource, 'create');
    }
    const view = this.#view(request);
    const { context, warnings } = writeContext(request, 'CreateOptions');
    const body = bodyOf(request, bodyFormat(request.contentType), this.resource);
    const item = await this.registry.create(info.namespace, body, context);
    return itemAnswer(view, item, 201, warnings);
  }

  async #update(info: ResourceRequestInfo, request: AuthenticatedRequest): Promise<Answer> {
    const view = this.#view(request);
    const { context, warnings } = writeContext(request, 'UpdateOptions');
    const body = bodyOf(request, bodyFormat(request.contentType), this.resource);
    const change = () => submittedObject(body);
    const mode = updateMode(info.subresource);
    return itemAnswer(
      view,
      await this.registry.update(refOf(info), change, mode, context),
      200,
      warnings,
    );
  }

  async #patch(
    info: ResourceRequestInfo,
    request: AuthenticatedRequest,
    mayCreate: () => Promise<void>,
  ): Promise<Answer> {
    const view = this.#view(request);
    const { context, warnings } = writeContext(request, 'PatchOptions');
    const format = patchFormat(request.contentType, this.resource.strategicMerge);
    const subresource = info.subresource === 'status' ? 'status' : undefined;
    if (format === 'apply') {
      const { config, force } = applyRequest(request, this.resource);
      const options = { subresource, force, mayCreate } as const;
      const { created, item } = await this.registry.apply(refOf(info), config, options, context);
      return itemAnswer(view, item, created ? 201 : 200, warnings);
    }
    queries.parseForce(request.query, false);
    const patch = bodyOf(request, 'json', this.resource);
    const item = await this.registry.update(
      refOf(info),
      (stored) => patchedDocument(format, { ...stored }, patch, this.registry.schema),
      { verb: 'patch', subresource },
      context,
    );
    return itemAnswer(view, item, 200, warnings);
  }

  async #delete(info: ResourceRequestInfo, request: AuthenticatedRequest): Promise<Answer> {
    if (info.subresource !== undefined) throw methodNotAllowed(this.resource, 'delete');
    const view = this.#view(request);
    const options = queries.parseDeleteOptions(
      bodyOf(request, bodyFormat(request.contentType), this.resource),
      request.query,
    );
    const { context, warnings } = writeContext(request, 'DeleteOptions', options.dryRun);
    const { deleted, item } = await this.registry.delete(refOf(info), options, context);
    if (!deleted || strategyOf(this.resource).showsDeleted) {
      return itemAnswer(view, item, 200, warnings);
    }
    const { name, uid } = item.object.metadata;
    const { group } = this.resource.gvk;
    return valueAnswer(
      {
        kind: 'Status',
        apiVersion: 'v1',
        metadata: {},
        status: 'Success',
        details: {
          name,
          ...(group === '' ? {} : { group }),
          kind: this.resource.plural,
          uid,
        },
      },
      { warnings },
    );
  }

  async #deleteCollection(
    info: ResourceRequestInfo,
    request: AuthenticatedRequest,
  ): Promise<Answer> {
    const view = this.#view(request);
    const options = queries.parseDeleteOptions(
      bodyOf(request, bodyFormat(request.contentType), this.resource),
      request.query,
    );
    const { context, warnings } = writeContext(request, 'DeleteOptions', options.dryRun);
    const list = await this.lister.list(info.namespace, queries.parseListOptions(request.query));
    const pending = [...list.items];
    const work = async (): Promise<void> => {
      for (let item = pending.pop(); item !== undefined; item = pending.pop()) {
        await this.#deleteListed(item, options, context);
      }
    };
    await Promise.all(Array.from({ length: deletionsAtOnce }, work));
    return { ...listAnswer(view, list), warnings };
  }

  /** Somebody else may have deleted it since it was listed; that is what was wanted. */
  async #deleteListed(
    { object }: Item,
    options: queries.ParsedDeleteOptions,
    context: WriteContext,
  ): Promise<void> {
    const { name, namespace, uid } = object.metadata;
    const preconditions = { ...options.preconditions, uid };
    try {
      await this.registry.delete({ name, namespace }, { ...options, preconditions }, context);
    } catch (error) {
      const recreated =
        isApiError(error, 'Conflict') && options.preconditions?.resourceVersion === undefined;
      if (!recreated && !isApiError(error, 'NotFound')) throw error;
    }
  }

  async #report(
    verb: Verb,
    info: ResourceRequestInfo,
    request: AuthenticatedRequest,
  ): Promise<Answer> {
    if (verb !== 'get') throw methodNotAllowed(this.resource, verb);
    const { format } = negotiate(request.accept);
    const { object } = await this.lister.get(refOf(info), undefined);
    const name = `${this.resource.plural}/${info.subresource ?? ''}`;
    const reporter = this.#reporters[name];
    if (reporter === undefined) {
      throw new ApiError(
        'ServiceUnavailable',
        `${name}: this server is not configured to look at Mesos and ZooKeeper`,
      );
    }
    const { metadata } = object;
    const ref = { namespace: metadata.namespace, name: metadata.name };
    return valueAnswer(await reporter(ref, request.signal), { format });
  }
}
