import { ApiError } from '../machinery/errors.ts';
import type { Metrics } from '../machinery/metrics.ts';
import type { Random } from '../machinery/random.ts';
import type { Verb } from '../machinery/resource.ts';
import { StorageError } from '../storage/storage.ts';
import type { Auditor, AuditTrail } from './audit/auditor.ts';
import { impersonate } from './authentication/impersonation.ts';
import type { IssuerDocuments } from './authentication/issuer-documents.ts';
import type { Authorizer } from './authorizer.ts';
import { attributesOf } from './attributes.ts';
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
import { parsePath, type RequestInfo, type ResourceRequestInfo } from './request-info.ts';
import {
  valueAnswer,
  type Answer,
  type AuthenticatedRequest,
  type ServerRequest,
} from './request.ts';
import { verbOf, verbsOf, verbToAuthorize } from './verbs.ts';
import type { VersionInfo } from './version.ts';

export interface DispatcherOptions {
  catalog: Catalog;
  authorizer: Authorizer;
  discovery: Discovery;
  openApi: OpenApi;
  version: VersionInfo;
  livez: readonly HealthCheck[];
  readyz: readonly HealthCheck[];
  healthz: readonly HealthCheck[];
  /** What /metrics tells; there is no such path if absent. */
  metrics?: Metrics | undefined;
  /** What others need to verify the tokens of our ServiceAccounts; absent if we issue none. */
  issuer?: IssuerDocuments | undefined;
  /** Writes down who did what; absent: nobody wants to know. */
  auditor?: Auditor | undefined;
  random: Random;
  /** Told of every fault of the server itself; the client only learns that there was one. */
  onFault: (error: unknown, request: { method: string; path: string }) => void;
}

/** What a request is about, before anybody asks who sent it. */
interface Asked {
  /** undefined: the path is malformed. */
  info: RequestInfo | undefined;
  served: Served | undefined;
  verb: string;
}

/** From a request to its answer: who asks, what it means, whether it is allowed, who handles it. */
export class Dispatcher {
  readonly #options: DispatcherOptions;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /** Never rejects: every error becomes the Status that says it. */
  async answer(request: ServerRequest): Promise<Answer> {
    const { auditor } = this.#options;
    const { remote } = request;
    if (remote === undefined && auditor === undefined) return this.#settle(request, undefined);
    const { id, trail } = this.#begin(request);
    const answer = await this.#settle(trail?.listening(request) ?? request, trail);
    return told(answer, id, trail);
  }

  /** The answer to what is refused before anybody looks at it; it is written down like any other. */
  refused(request: ServerRequest, error: ApiError): Answer {
    const { id, trail } = this.#begin(request);
    return told(statusAnswer(error), id, trail);
  }

  #begin(request: ServerRequest): { id: string; trail: AuditTrail | undefined } {
    const { auditor, random } = this.#options;
    const id = request.remote?.auditId ?? random.uuid();
    if (auditor === undefined) return { id, trail: undefined };
    const asked = this.#asked(request);
    const resource = asked.served?.resource;
    return { id, trail: auditor.begin(id, request, { ...asked, resource }) };
  }

  async #settle(request: ServerRequest, trail: AuditTrail | undefined): Promise<Answer> {
    try {
      return await this.#handle(request, trail);
    } catch (error) {
      return statusAnswer(this.#refusal(error, request));
    }
  }

  #asked({ method, path, query }: ServerRequest): Asked {
    const info = parsePath(path);
    const verb = method.toLowerCase();
    if (info?.kind !== 'resource') return { info, served: undefined, verb };
    const served = this.#options.catalog.find(info);
    return { info, served, verb: verbOf(method, info, flag(query, 'watch')) ?? verb };
  }

  #refusal(error: unknown, { method, path }: ServerRequest): ApiError {
    const known = toApiError(error);
    if (known === undefined || known.code === 500) this.#options.onFault(error, { method, path });
    return (
      known ??
      new ApiError('InternalError', 'Internal error occurred: the log of the server says more')
    );
  }

  async #handle(request: ServerRequest, trail: AuditTrail | undefined): Promise<Answer> {
    const open = await this.#open(request);
    if (open !== undefined) return open;
    const user = await this.#acting(request, trail);
    const info = parsePath(request.path);
    if (info === undefined)
      throw badRequest(`the path ${JSON.stringify(request.path)} is malformed`);
    const authenticated: AuthenticatedRequest = { ...request, user };
    if (info.kind === 'resource') return this.#resource(info, authenticated, trail);
    await this.#authorizePath(authenticated, trail);
    if (/^\/healthz(?:\/|$)/.test(request.path) && request.method === 'GET') {
      return healthAnswer('healthz', this.#options.healthz, request.path, request.query);
    }
    const { metrics, issuer, discovery, openApi } = this.#options;
    if (metrics !== undefined && /^\/metrics\/?$/.test(request.path)) {
      return metricsAnswer(metrics, request);
    }
    if (/^\/(?:apis?|openapi)(?:\/|$)/.test(request.path)) await this.#describe();
    const found = discovery.answer(request) ?? openApi.answer(request) ?? issuer?.answer(request);
    if (found === undefined) throw noSuchPath();
    return found;
  }

  /** Who sent it, or whom the sender may act as. Throws 401, 403. */
  async #acting(
    { user, path, remote }: ServerRequest,
    trail: AuditTrail | undefined,
  ): Promise<User> {
    if (user === undefined) throw unauthorized();
    if (remote?.impersonation === undefined) return user;
    const { authorizer } = this.#options;
    const acting = await impersonate(user, remote.impersonation, authorizer, path);
    trail?.impersonates(acting);
    return acting;
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

  async #authorizePath(
    { user, method, path }: AuthenticatedRequest,
    trail: AuditTrail | undefined,
  ): Promise<void> {
    const verb = method.toLowerCase();
    const decision = await this.#options.authorizer.authorize({ user, verb, path });
    trail?.decided(decision);
    if (decision.allowed) return;
    throw new ApiError(
      'Forbidden',
      `forbidden: User ${JSON.stringify(user.name)} cannot ${verb} path ${JSON.stringify(path)}${because(decision)}`,
      { details: {} },
    );
  }

  async #resource(
    info: ResourceRequestInfo,
    request: AuthenticatedRequest,
    trail: AuditTrail | undefined,
  ): Promise<Answer> {
    const { method } = request;
    const verb = verbOf(method, info, flag(request.query, 'watch'));
    const authorize = (wanted: string): Promise<void> =>
      this.#authorize(wanted, info, request, trail);
    const known = this.#options.catalog.find(info);
    // Before anything is said of what there is, or looked up.
    await authorize(
      verb === undefined
        ? (unnamedVerbs[method] ?? method.toLowerCase())
        : verbToAuthorize(verb, known?.resource, info.subresource),
    );
    const served = known ?? (await this.#arrived(info));
    const { resource } = served;
    if (!served.serves(info)) {
      if (info.subresource === undefined || info.name === undefined) throw noSuchPath();
      throw notFound(resource, info.name);
    }
    if (verb === undefined) {
      if (method in unnamedVerbs) throw badRequest('name must be provided');
      throw methodNotAllowed(resource, method.toLowerCase());
    }
    if (!verbsOf(resource, info.subresource).includes(verb)) throw methodNotAllowed(resource, verb);
    return served.handle(verb, info, request, authorize);
  }

  /** What is described is of now; of what was known last, if the store cannot be asked. */
  async #describe(): Promise<void> {
    try {
      await this.#options.catalog.refresh();
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
    }
  }

  /** Who answers for a kind that came a moment ago, on whichever server. Throws 404, 503. */
  async #arrived(info: ResourceRequestInfo): Promise<Served> {
    const { catalog } = this.#options;
    await catalog.refresh();
    const served = catalog.find(info);
    if (served === undefined) throw noSuchPath();
    return served;
  }

  async #authorize(
    verb: string,
    info: ResourceRequestInfo,
    request: AuthenticatedRequest,
    trail: AuditTrail | undefined,
  ): Promise<void> {
    const attributes = attributesOf(verb, info, request);
    const { namespace, name, group, resource: named } = attributes.resource;
    const decision = await this.#options.authorizer.authorize(attributes);
    trail?.decided(decision);
    if (decision.allowed) return;
    const scope =
      namespace === undefined ? 'at the cluster scope' : `in the namespace "${namespace}"`;
    throw forbidden(
      { gvk: { group, version: info.version, kind: '' }, plural: info.plural },
      name ?? '',
      `User ${JSON.stringify(request.user.name)} cannot ${verb} resource "${named}" in API group "${group}" ${scope}${because(decision)}`,
    );
  }
}

/** What comes without a name to somebody's collection that needs one, as Kubernetes authorizes it. */
const unnamedVerbs: Readonly<Record<string, Verb>> = { PUT: 'update', PATCH: 'patch' };

function told(answer: Answer, id: string, trail: AuditTrail | undefined): Answer {
  const known = trail?.answered(answer) ?? answer;
  return { ...known, headers: { ...known.headers, 'Audit-ID': id } };
}

function because({ reason }: { reason: string }): string {
  return reason === '' ? '' : `: ${reason}`;
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
