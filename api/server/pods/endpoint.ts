import type { Clock } from '../../machinery/clock.ts';
import { ApiError, isApiError } from '../../machinery/errors.ts';
import { isObject } from '../../machinery/json.ts';
import type { Random } from '../../machinery/random.ts';
import type { Resource, Verb } from '../../machinery/resource.ts';
import type { Storage } from '../../storage/storage.ts';
import { podResource } from '../../v1/pod.ts';
import { previousRun } from '../../v1/runs.ts';
import { isDead, taskResource, type Task } from '../../v1/task.ts';
import type { Served } from '../catalog.ts';
import type { Endpoint } from '../endpoint.ts';
import { badRequest, methodNotAllowed, notFound } from '../errors.ts';
import { bodyFormat } from '../negotiation.ts';
import * as queries from '../query.ts';
import { erased } from '../registry/erase.ts';
import type { Item, ItemCache } from '../registry/item.ts';
import { listPrefix } from '../registry/keys.ts';
import { Lister } from '../registry/lister.ts';
import type { ItemStore } from '../registry/store.ts';
import { Watcher } from '../registry/watcher.ts';
import { itemAnswer, listAnswer, watchAnswer, viewOf, type View } from '../represent.ts';
import type { Answer, AuthenticatedRequest, ChannelConnection, Ending } from '../request.ts';
import type { ResourceRequestInfo } from '../request-info.ts';
import { bodyOf, refOf, writeContext } from '../write-request.ts';
import { agentsIn, PodAgents, type AgentAccess } from './agents.ts';
import { parseAttachOptions, parseExecOptions } from './exec-options.ts';
import { chosenContainer, openLog, sandboxOf } from './log.ts';
import { parseLogOptions } from './log-options.ts';
import { runAttach, runExec, runningContainer } from './session.ts';
import { PodItems, taskOf, tasksAsPods } from './task-source.ts';

export interface PodsOptions {
  /** Tasks, of which Pods are made. */
  tasks: Endpoint;
  storage: Storage;
  store: ItemStore;
  cache: ItemCache;
  clock: Clock;
  random: Random;
  /** How agents are asked for logs and sessions, which answer 503 without it. */
  agents?: AgentAccess | undefined;
  /** Ends watches. */
  stopping?: AbortSignal;
}

/** Pods, if there are Tasks to make them of. */
export function podsOf(
  endpoints: readonly Endpoint[],
  options: Omit<PodsOptions, 'tasks'>,
): PodsEndpoint[] {
  return endpoints
    .filter(({ resource }) => isSameKind(resource, taskResource))
    .map((tasks) => new PodsEndpoint({ ...options, tasks }));
}

function isSameKind(one: Pick<Resource, 'gvk'>, other: Pick<Resource, 'gvk'>): boolean {
  return one.gvk.group === other.gvk.group && one.gvk.kind === other.gvk.kind;
}

/** Tasks as Pods: what clients of Kubernetes read, follow and enter. They are written as Jobs. */
export class PodsEndpoint implements Served {
  readonly resource: Resource = erased(podResource);
  readonly #options: PodsOptions;
  readonly #lister: Lister;
  readonly #watcher: Watcher;
  readonly #pods = new PodItems();
  readonly #agents: PodAgents;

  constructor(options: PodsOptions) {
    this.#options = options;
    const source = { ...options, resource: tasksAsPods(options.tasks.resource) };
    this.#lister = new Lister(source);
    this.#watcher = new Watcher(source);
    const { cache, clock } = options;
    this.#agents = new PodAgents({ access: options.agents, clock, agents: agentsIn(cache) });
  }

  serves({ namespace, name, subresource }: ResourceRequestInfo): boolean {
    if (namespace === undefined && name !== undefined) return false;
    if (subresource === undefined) return true;
    const { connects = [] } = this.resource.subresources;
    return name !== undefined && connects.some((connect) => connect.name === subresource);
  }

  handle(verb: Verb, info: ResourceRequestInfo, request: AuthenticatedRequest): Promise<Answer> {
    if (info.subresource === 'log') return this.#log(info, request);
    // Over WebSocket it is a GET, but the dispatcher has asked for the right to create.
    if (info.subresource !== undefined) return this.#connect(info, request);
    switch (verb) {
      case 'get':
        return this.#get(info, request);
      case 'list':
        return this.#list(info, request);
      case 'watch':
        return this.#watch(info, request);
      case 'delete':
        return this.#delete(info, request);
      default:
        throw methodNotAllowed(this.resource, verb);
    }
  }

  #view(request: AuthenticatedRequest): View {
    return viewOf(this.resource, request, this.#options.clock);
  }

  async #find(info: ResourceRequestInfo, version?: number): Promise<Item> {
    const ref = refOf(info);
    return this.#named(ref.name, () => this.#lister.get(ref, version));
  }

  /** Not found are pods, whatever they are made of. */
  async #named<T>(name: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw isApiError(error, 'NotFound') ? notFound(this.resource, name) : error;
    }
  }

  async #get(info: ResourceRequestInfo, request: AuthenticatedRequest): Promise<Answer> {
    const view = this.#view(request);
    const version = queries.parseResourceVersion(queries.text(request.query, 'resourceVersion'));
    return itemAnswer(view, this.#pods.of(await this.#find(info, version)), 200);
  }

  async #list(info: ResourceRequestInfo, request: AuthenticatedRequest): Promise<Answer> {
    const view = this.#view(request);
    const options = queries.parseListOptions(request.query);
    const list = await this.#lister.list(info.namespace, options);
    const items = await this.#pods.ofAll(list.items, this.#options.clock);
    return listAnswer(view, { ...list, items });
  }

  async #watch(info: ResourceRequestInfo, request: AuthenticatedRequest): Promise<Answer> {
    const view = this.#view(request);
    const options = queries.parseWatchOptions(request.query);
    const { name } = info;
    const named = name === undefined ? [] : [{ path: 'metadata.name', value: name, equal: true }];
    const frames = await this.#watcher.open(
      info.namespace,
      { ...options, fields: [...options.fields, ...named] },
      request.signal,
    );
    return watchAnswer(view, this.#pods.frames(frames), this.#options.clock);
  }

  /** Deletes the Task: it is stopped as always, and its Job starts another run if it wants one. */
  async #delete(info: ResourceRequestInfo, request: AuthenticatedRequest): Promise<Answer> {
    const view = this.#view(request);
    const body = bodyOf(request, bodyFormat(request.contentType), this.resource);
    const grace = isObject(body) ? body['gracePeriodSeconds'] : undefined;
    if (typeof grace === 'number' || request.query.has('gracePeriodSeconds')) {
      throw badRequest(
        'gracePeriodSeconds cannot be chosen: a task has the terminationGracePeriodSeconds of its template. Leave it out (--grace-period, --force, --now)',
      );
    }
    const options = queries.parseDeleteOptions(body, request.query);
    const { context, warnings } = writeContext(request, 'DeleteOptions', options.dryRun);
    const ref = refOf(info);
    const { registry } = this.#options.tasks;
    const { item } = await this.#named(ref.name, () => registry.delete(ref, options, context));
    return itemAnswer(view, this.#pods.of(item), 200, warnings);
  }

  async #log(info: ResourceRequestInfo, request: AuthenticatedRequest): Promise<Answer> {
    const options = parseLogOptions(request.query, this.#options.clock.now());
    const present = taskOf((await this.#find(info)).object);
    const task = options.previous ? this.#previous(present, options.container) : present;
    const leave = this.#agents.enter();
    try {
      const log = await openLog(task, options, {
        ...this.#following(task),
        signal: request.signal,
      });
      const close = async (): Promise<void> => {
        leave();
        await log.close();
      };
      const contentType = 'text/plain';
      const { chunks } = log;
      return { kind: 'stream', code: 200, headers: {}, warnings: [], contentType, chunks, close };
    } catch (error) {
      leave();
      throw error;
    }
  }

  #previous(task: Task, named: string | undefined): Task {
    const container = chosenContainer(task, named);
    const { cache, tasks } = this.#options;
    const prefix = listPrefix(tasks.resource, task.metadata.namespace);
    const previous = previousRun(task, tasksIn(cache, prefix));
    if (previous !== undefined) return previous;
    throw badRequest(
      `previous terminated container "${container}" in pod "${task.metadata.name}" not found`,
    );
  }

  async #connect(info: ResourceRequestInfo, request: AuthenticatedRequest): Promise<Answer> {
    const task = taskOf((await this.#find(info)).object);
    if (info.subresource === 'portforward') throw noForwarding(task);
    const run =
      info.subresource === 'exec' ? this.#exec(task, request) : this.#attach(task, request);
    const leave = this.#agents.enter();
    return {
      kind: 'connect',
      code: 101,
      headers: {},
      warnings: [],
      abandon: leave,
      run: (connection) => run(connection).finally(leave),
    };
  }

  #exec(task: Task, { query }: AuthenticatedRequest): Session {
    const options = parseExecOptions(query);
    const container = runningContainer(task, options.container);
    const context = { agents: this.#agents, random: this.#options.random };
    return (connection) => runExec(container, options, context, connection);
  }

  #attach(task: Task, { query }: AuthenticatedRequest): Session {
    const options = parseAttachOptions(query);
    sandboxOf(task, chosenContainer(task, options.container));
    return (connection) => runAttach(task, options, this.#following(task), connection);
  }

  #following(task: Task): { agents: PodAgents; clock: Clock; ended: () => Promise<boolean> } {
    const { namespace, name, uid } = task.metadata;
    const ended = async (): Promise<boolean> => {
      try {
        const { object } = await this.#lister.get({ namespace, name }, 0);
        return object.metadata.uid !== uid || isDead(taskOf(object));
      } catch (error) {
        if (isApiError(error, 'NotFound')) return true;
        throw error;
      }
    };
    return { agents: this.#agents, clock: this.#options.clock, ended };
  }
}

/** In whatever protocol it is asked for: kubectl prints the message. */
function noForwarding({ metadata, status }: Task): ApiError {
  const { ip } = status ?? {};
  const address = ip === undefined ? 'its own address' : ip;
  return new ApiError(
    'MethodNotAllowed',
    `ports are not forwarded: tasks have addresses of their own. Connect to ${address}, or from inside: cosm exec ${metadata.name} -n ${metadata.namespace ?? ''} -- COMMAND`,
  );
}

type Session = (connection: ChannelConnection) => Promise<Ending>;

function* tasksIn(cache: ItemCache, prefix: string): Generator<Task> {
  for (const { object } of cache.snapshot(prefix).entries()) yield taskOf(object);
}
