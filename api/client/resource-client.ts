import type { KubeObject } from '../machinery/metadata.ts';
import { apiVersionOf } from '../machinery/metadata.ts';
import type { Resource } from '../machinery/resource.ts';
import { isApiError } from '../machinery/errors.ts';
import type {
  Client,
  DeleteQuery,
  ListQuery,
  ObjectRef,
  PatchType,
  ResourceClient,
  WatchQuery,
  WriteQuery,
} from './client.ts';
import { decodeEvent, decodeList, decodeObject, decodeScale, refusal } from './decode.ts';
import { SharedFields } from './shared-fields.ts';
import type { ApiRequest, ApiResponse, LeaseFence, Method, Transport } from './transport.ts';

export interface ClientOptions {
  /** Recorded with every write that names no other; the server takes the user agent if absent. */
  fieldManager?: string;
  /** Told the text of each Warning header. */
  onWarning?: (text: string) => void;
}

/** A typed client over any transport. It keeps no state and never retries: callers decide that. */
export function createClient(transport: Transport, options: ClientOptions = {}): Client {
  return clientWith({ transport, options, fence: undefined, shared: new SharedFields() });
}

function clientWith(wiring: Wiring): Client {
  return {
    of: (resource) => resourceClient(wiring, resource),
    fenced: (fence) => clientWith({ ...wiring, fence }),
  };
}

interface Wiring {
  transport: Transport;
  options: ClientOptions;
  fence: LeaseFence | undefined;
  shared: SharedFields;
}

const patchTypes: Record<PatchType, string> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
};

function resourceClient<T extends KubeObject>(
  wiring: Wiring,
  resource: Resource<T>,
): ResourceClient<T> {
  const at = (ref: ObjectRef, subresource?: string): string =>
    resourcePath(resource, ref, subresource);
  const write = (
    method: Method,
    path: string,
    query: WriteQuery | undefined,
    rest: Pick<ApiRequest, 'body' | 'contentType'> = {},
  ): Promise<ApiResponse> =>
    send(wiring, {
      method,
      path,
      query: writeParameters(query, wiring.options),
      ...rest,
      ...(wiring.fence === undefined ? {} : { fence: wiring.fence }),
    });
  const { shared } = wiring;
  const written = (answer: ApiResponse, query: WriteQuery | undefined): T =>
    decodeObject(resource, answer.body, { stored: query?.dryRun !== true, shared });

  const get = async (ref: ObjectRef): Promise<T> => {
    const answer = await send(wiring, { method: 'GET', path: at(ref) });
    return decodeObject(resource, answer.body, { shared });
  };

  return {
    resource,
    get,
    find: async (ref) => {
      try {
        return await get(ref);
      } catch (error) {
        if (isApiError(error, 'NotFound')) return undefined;
        throw error;
      }
    },
    list: async (query = {}) => {
      const path = resourcePath(resource, { namespace: query.namespace });
      const answer = await send(wiring, { method: 'GET', path, query: listParameters(query) });
      return decodeList(resource, answer.body, shared);
    },
    watch: (query, signal) => watchEvents(wiring, resource, query, signal),
    create: async (draft, query) => {
      const path = resourcePath(resource, { namespace: draft.metadata.namespace }, undefined, true);
      return written(await write('POST', path, query, { body: draft }), query);
    },
    update: async (object, query) =>
      written(await write('PUT', at(object.metadata), query, { body: object }), query),
    updateStatus: async (object, query) =>
      written(await write('PUT', at(object.metadata, 'status'), query, { body: object }), query),
    patch: async (ref, patch, { type, subresource, ...query }) =>
      written(
        await write('PATCH', at(ref, subresource), query, {
          body: patch,
          contentType: patchTypes[type],
        }),
        query,
      ),
    delete: async (ref, query = {}) => {
      await write('DELETE', at(ref), query, { body: deleteOptions(query) });
    },
    finalize: async (object, query) => {
      const path = at(object.metadata, 'finalize');
      const answer = await write('PUT', path, query, { body: object });
      // A namespace that nothing holds any more is gone with this very write.
      return decodeObject(resource, answer.body, { stored: false });
    },
    getScale: async (ref) =>
      decodeScale((await send(wiring, { method: 'GET', path: at(ref, 'scale') })).body),
    setScale: async (ref, replicas, { resourceVersion, ...query } = {}) => {
      const metadata = resourceVersion === undefined ? {} : { metadata: { resourceVersion } };
      const answer = await write('PATCH', at(ref, 'scale'), query, {
        body: { ...metadata, spec: { replicas } },
        contentType: patchTypes.merge,
      });
      return decodeScale(answer.body);
    },
  };
}

async function send(wiring: Wiring, request: ApiRequest): Promise<ApiResponse> {
  const answer = await wiring.transport.request(request);
  for (const warning of answer.warnings) wiring.options.onWarning?.(warning);
  if (answer.code >= 400) throw refusal(answer.body, answer.code);
  return answer;
}

async function* watchEvents<T extends KubeObject>(
  wiring: Wiring,
  resource: Resource<T>,
  query: WatchQuery,
  signal: AbortSignal,
): AsyncGenerator<ReturnType<typeof decodeEvent<T>>, void, undefined> {
  const request: ApiRequest = {
    method: 'GET',
    path: resourcePath(resource, { namespace: query.namespace }),
    query: watchParameters(query),
  };
  for await (const frame of wiring.transport.watch(request, signal)) {
    const event = decodeEvent(resource, frame, wiring.shared);
    if (event.type !== 'BOOKMARK' || query.allowBookmarks === true) yield event;
  }
}

/**
 * Path of an object, of its subresource, or (without a name) of the collection.
 * `inNamespace` refuses a namespaced collection without its namespace, as a create must.
 */
export function resourcePath(
  resource: Pick<Resource, 'gvk' | 'plural' | 'namespaced'>,
  of: { namespace?: string | undefined; name?: string },
  subresource?: string,
  inNamespace = of.name !== undefined,
): string {
  const version = apiVersionOf(resource.gvk);
  const segments = [resource.gvk.group === '' ? `/api/${version}` : `/apis/${version}`];
  if (resource.namespaced && of.namespace !== undefined && of.namespace !== '') {
    segments.push('namespaces', encodeURIComponent(of.namespace));
  } else if (resource.namespaced && inNamespace) {
    throw new TypeError(`a ${resource.gvk.kind} is addressed with its namespace`);
  }
  segments.push(resource.plural);
  if (of.name === '') throw new TypeError(`a ${resource.gvk.kind} is addressed with its name`);
  if (of.name !== undefined) segments.push(encodeURIComponent(of.name));
  if (subresource !== undefined) segments.push(subresource);
  return segments.join('/');
}

function listParameters(query: ListQuery): Record<string, string> {
  return defined({
    labelSelector: query.labelSelector,
    fieldSelector: query.fieldSelector,
    resourceVersion: query.resourceVersion,
    limit: query.limit?.toString(),
    continue: query.continue,
  });
}

function watchParameters(query: WatchQuery): Record<string, string> {
  return defined({
    watch: 'true',
    // Always asked for: between rare events they are what shows that the link lives.
    allowWatchBookmarks: 'true',
    labelSelector: query.labelSelector,
    fieldSelector: query.fieldSelector,
    resourceVersion: query.resourceVersion,
    timeoutSeconds: query.timeoutSeconds?.toString(),
  });
}

function writeParameters(
  query: WriteQuery | undefined,
  options: ClientOptions,
): Record<string, string> {
  return defined({
    fieldManager: query?.fieldManager ?? options.fieldManager,
    dryRun: query?.dryRun === true ? 'All' : undefined,
  });
}

function deleteOptions(query: DeleteQuery): Record<string, unknown> {
  const { propagationPolicy, preconditions } = query;
  return {
    kind: 'DeleteOptions',
    apiVersion: 'v1',
    ...(propagationPolicy === undefined ? {} : { propagationPolicy }),
    ...(preconditions === undefined ? {} : { preconditions }),
  };
}

function defined(parameters: Record<string, string | undefined>): Record<string, string> {
  const present: Record<string, string> = {};
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) present[name] = value;
  }
  return present;
}
