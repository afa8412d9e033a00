import { ApiError } from '../machinery/errors.ts';
import type { Metrics } from '../machinery/metrics.ts';
import type { Verb } from '../machinery/resource.ts';
import type { Authorizer } from './authorizer.ts';
import type { Catalog, Served } from './catalog.ts';
import type { Discovery } from './discovery.ts';
import {
  badRequest,
  forbidden,
  methodNotAllowed,
  notFound,
  toApiError,
  unauthorized,
} from './errors.ts';
import { healthAnswer, type HealthCheck } from './health.ts';
import { metricsAnswer } from './metrics.ts';
import type { OpenApi } from './openapi/openapi.ts';
import { flag } from './query.ts';
import type { User } from './registry/context.ts';
import { parsePath, type ResourceRequestInfo } from './request-info.ts';
import {
  valueAnswer,
  type Answer,
  type AuthenticatedRequest,
  type ServerRequest,
} from './request.ts';
import { verbOf, verbsOf } from './verbs.ts';
import type { VersionInfo } from './version.ts';

export interface DispatcherOptions {
  catalog: Catalog;
  authorizer: Authorizer;
  discovery: Discovery;
  openApi: OpenApi;
  version: VersionInfo;
  livez: readonly HealthCheck[];
  readyz: readonly HealthCheck[];
  /** What /metrics tells; there is no such path if absent. */
  metrics?: Metrics | undefined;
  /** Told of every fault of the server itself; the client only learns that there was one. */
  onFault: (error: unknown, request: { method: string; path: string }) => void;
}

/** From a request to its answer: who asks, what it means, whether it is allowed, who handles it. */
export class Dispatcher {
  readonly #options: DispatcherOptions;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /** Never rejects: every error becomes the Status that says it. */
  async answer(request: ServerRequest): Promise<Answer> {
    try {
      return await this.#handle(request);
    } catch (error) {
      return statusAnswer(this.#refusal(error, request));
    }
  }

  #refusal(error: unknown, { method, path }: ServerRequest): ApiError {
    const known = toApiError(error);
    if (known === undefined || known.code === 500) this.#options.onFault(error, { method, path });
    return (
      known ??
      new ApiError('InternalError', 'Internal error occurred: the log of the server says more')
    );
  }

  async #handle(request: ServerRequest): Promise<Answer> {
    const open = await this.#open(request);
    if (open !== undefined) return open;
    const { user } = request;
    if (user === undefined) throw unauthorized();
    const info = parsePath(request.path);
    if (info === undefined)
      throw badRequest(`the path ${JSON.stringify(request.path)} is malformed`);
    const authenticated: AuthenticatedRequest = { ...request, user };
    if (info.kind === 'resource') return this.#resource(info, authenticated);
    await this.#authorizePath(user, request);
    if (/^\/healthz(?:\/|$)/.test(request.path) && request.method === 'GET') {
      return healthAnswer('healthz', this.#options.livez, request.path, request.query);
    }
    const { metrics } = this.#options;
    if (metrics !== undefined && /^\/metrics\/?$/.test(request.path)) {
      return metricsAnswer(metrics, request);
    }
    const found = this.#options.discovery.answer(request) ?? this.#options.openApi.answer(request);
    if (found === undefined) throw noSuchPath();
    return found;
  }

  /** What anybody may ask. */
  async #open({ path, query, method }: ServerRequest): Promise<Answer | undefined> {
    const [, root] = path.split('/', 2);
    if (root !== 'livez' && root !== 'readyz' && !/^\/version\/?$/.test(path)) return undefined;
    if (method !== 'GET')
      throw new ApiError('MethodNotAllowed', `${method} is not supported on ${path}`);
    if (root === 'livez' || root === 'readyz') {
      return healthAnswer(root, this.#options[root], path, query);
    }
    return valueAnswer(this.#options.version);
  }

  async #authorizePath(user: User, { method, path }: ServerRequest): Promise<void> {
    const verb = method.toLowerCase();
    const decision = await this.#options.authorizer.authorize({ user, verb, path });
    if (decision.allowed) return;
    throw new ApiError(
      'Forbidden',
      `forbidden: User ${JSON.stringify(user.name)} cannot ${verb} path ${JSON.stringify(path)}`,
      { details: {} },
    );
  }

  async #resource(info: ResourceRequestInfo, request: AuthenticatedRequest): Promise<Answer> {
    const served = this.#options.catalog.find(info);
    if (served === undefined) throw noSuchPath();
    const { resource } = served;
    if (!served.serves(info)) {
      if (info.subresource === undefined || info.name === undefined) throw noSuchPath();
      throw notFound(resource, info.name);
    }
    const verb = verbOf(request.method, info, flag(request.query, 'watch'));
    if (verb === undefined) {
      if (request.method === 'PUT' || request.method === 'PATCH')
        throw badRequest('name must be provided');
      throw methodNotAllowed(resource, request.method.toLowerCase());
    }
    if (!verbsOf(resource, info.subresource).includes(verb)) throw methodNotAllowed(resource, verb);
    await this.#authorize(verb, info, served, request);
    return served.handle(verb, info, request, (other) =>
      this.#authorize(other, info, served, request),
    );
  }

  async #authorize(
    verb: Verb,
    info: ResourceRequestInfo,
    { resource }: Served,
    { user, path }: AuthenticatedRequest,
  ): Promise<void> {
    const { group, version, plural, subresource, namespace, name } = info;
    const named = subresource === undefined ? plural : `${plural}/${subresource}`;
    const decision = await this.#options.authorizer.authorize({
      user,
      verb,
      path,
      resource: { group, version, resource: named, namespace, name },
    });
    if (decision.allowed) return;
    const scope =
      namespace === undefined ? 'at the cluster scope' : `in the namespace "${namespace}"`;
    throw forbidden(
      resource,
      name ?? '',
      `User ${JSON.stringify(user.name)} cannot ${verb} resource "${named}" in API group "${group}" ${scope}`,
    );
  }
}

/** The Status that an error travels as. */
export function statusAnswer(error: ApiError): Answer {
  const retry = error.details?.retryAfterSeconds;
  const headers = retry === undefined ? {} : { 'Retry-After': String(retry) };
  return valueAnswer(error.toStatus(), { code: error.code, headers });
}

function noSuchPath(): ApiError {
  return new ApiError('NotFound', 'the server could not find the requested resource', {
    details: {},
  });
}
