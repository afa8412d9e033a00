import { codec, contentTypes } from '../../../proto/mesos/codec.ts';
import type { AgentCall, AgentResponse } from '../../../proto/mesos/generated/messages.ts';
import { withEmptyLists, type ShownLists } from '../http/empty-lists.ts';
import {
  acceptedFormat,
  decodeCall,
  json,
  methodNotAllowed,
  requestFormat,
  respond,
  text,
  type ApiAnswer,
  type ApiRequest,
} from '../http/messages.ts';
import { versionInfo } from '../master/version.ts';
import type { Agent } from './agent.ts';
import { filesPage, listFiles, readFile } from './files.ts';
import { agentMetrics, legacyContainers, legacyState } from './legacy.ts';
import type { NestedContainers } from './nested/containers.ts';
import type { AgentPaths } from './process/paths.ts';
import { containersOf, getExecutors, getFrameworks, getTasks } from './views.ts';

/**
 * Answers the agent's operator API. Without `paths` (simulated agents) there are no files; `nested`
 * are the containers that operators have launched.
 */
export function agentApi(
  agent: Agent,
  paths?: AgentPaths,
  nested?: NestedContainers,
): (request: ApiRequest) => ApiAnswer {
  return (request) => {
    const [path = '/', query = ''] = request.target.split('?', 2);
    const route = path.replace(/^\/slave\(\d+\)/, '');
    if (route === '/health') return respond(200);
    const page = pages[route];
    if (page !== undefined) return json(page(agent, paths));
    const files = { paths, agentId: agent.id ?? '' };
    const file = filesPage(files, route, new URLSearchParams(query));
    if (file !== undefined) return file;
    if (route !== '/api/v1') return text(404, '404 Not Found.');
    if (request.method !== 'POST') return methodNotAllowed(request.method, 'POST');
    const format = requestFormat(request);
    if (typeof format !== 'string') return format;
    const decoded = decodeCall('mesos.v1.agent.Call', format, request);
    if (!('call' in decoded)) return decoded;
    const accepted = acceptedFormat(request);
    if (accepted === undefined) {
      return text(
        406,
        `Expecting 'Accept' to allow '${contentTypes.protobuf}' or '${contentTypes.json}'`,
      );
    }
    const result = agentCall(agent, paths, decoded.call, nested);
    if (result === 'not found') return text(404, '');
    if (typeof result === 'string') return text(400, result);
    const written = accepted === 'json' ? result : withCheckpoint(result);
    const body = codec('mesos.v1.agent.Response', accepted).encode(written);
    return respond(
      200,
      { 'Content-Type': contentTypes[accepted] },
      accepted === 'json' ? withEmptyLists(body, shownLists) : body,
    );
  };
}

/** In protobuf, a field of the unversioned interface comes through. */
function withCheckpoint(response: AgentResponse): AgentResponse {
  const info = response.get_agent?.agent_info;
  if (info === undefined) return response;
  const agent_info = { ...info, checkpoint: true };
  return { ...response, get_agent: { ...response.get_agent, agent_info } };
}

const shownLists: ShownLists = {
  get_tasks: [
    'pending_tasks',
    'queued_tasks',
    'launched_tasks',
    'terminated_tasks',
    'completed_tasks',
  ],
  get_frameworks: ['frameworks', 'completed_frameworks'],
  get_executors: ['executors', 'completed_executors'],
};

/** What a GET shows. */
const pages: Readonly<Record<string, (agent: Agent, paths: AgentPaths | undefined) => object>> = {
  '/state': legacyState,
  '/containers': legacyContainers,
  '/metrics/snapshot': agentMetrics,
  '/version': () => versionInfo,
};

/** The answer to one call; a text if it is refused. */
export function agentCall(
  agent: Agent,
  paths: AgentPaths | undefined,
  call: AgentCall,
  operators?: NestedContainers,
): AgentResponse | string {
  const executors = [...agent.executors.values()];
  switch (call.type) {
    case 'GET_HEALTH':
      return { type: 'GET_HEALTH', get_health: { healthy: true } };
    case 'GET_VERSION':
      return { type: 'GET_VERSION', get_version: { version_info: versionInfo } };
    case 'GET_AGENT': {
      const id = agent.id === undefined ? {} : { id: { value: agent.id } };
      return {
        type: 'GET_AGENT',
        get_agent: { agent_info: { ...agent.info, ...id }, ...drainOf(agent) },
      };
    }
    case 'GET_TASKS':
      return { type: 'GET_TASKS', get_tasks: getTasks(agent) };
    case 'GET_FRAMEWORKS':
      return { type: 'GET_FRAMEWORKS', get_frameworks: getFrameworks(agent) };
    case 'GET_EXECUTORS':
      return { type: 'GET_EXECUTORS', get_executors: getExecutors(executors) };
    case 'GET_STATE':
      return {
        type: 'GET_STATE',
        get_state: {
          get_tasks: getTasks(agent),
          get_frameworks: getFrameworks(agent),
          get_executors: getExecutors(executors),
        },
      };
    case 'GET_OPERATIONS':
      return { type: 'GET_OPERATIONS', get_operations: {} };
    case 'GET_RESOURCE_PROVIDERS':
      return { type: 'GET_RESOURCE_PROVIDERS', get_resource_providers: {} };
    case 'GET_LOGGING_LEVEL':
      return { type: 'GET_LOGGING_LEVEL', get_logging_level: { level: 0 } };
    case 'GET_METRICS':
      return {
        type: 'GET_METRICS',
        get_metrics: {
          metrics: Object.entries(agentMetrics(agent)).map(([name, value]) => ({ name, value })),
        },
      };
    case 'GET_CONTAINERS': {
      const nested = call.get_containers?.show_nested === true;
      const containers = executors.flatMap((executor) => containersOf(executor, nested, operators));
      return { type: 'GET_CONTAINERS', get_containers: { containers } };
    }
    case 'LIST_FILES':
      return listFiles({ paths, agentId: agent.id ?? '' }, call.list_files?.path ?? '');
    case 'READ_FILE': {
      const { path = '', offset = 0, length } = call.read_file ?? {};
      return readFile({ paths, agentId: agent.id ?? '' }, path, offset, length);
    }
    default:
      return "Failed to validate agent::Call: Expecting 'type' to be present";
  }
}

function drainOf(agent: Agent): Partial<NonNullable<AgentResponse['get_agent']>> {
  const { draining } = agent;
  if (draining === undefined) return {};
  return {
    drain_config: draining.config,
    estimated_drain_start_time: { nanoseconds: Math.floor(draining.since / 1000) * 1e9 },
  };
}
