import { closeSync, fstatSync, openSync, readSync, readdirSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { codec, contentTypes } from '../../../proto/mesos/codec.ts';
import type {
  AgentCall,
  AgentResponse,
  AgentResponseGetContainersContainer,
  FileInfo,
} from '../../../proto/mesos/generated/messages.ts';
import {
  acceptedFormat,
  decodeCall,
  methodNotAllowed,
  requestFormat,
  respond,
  text,
  type ApiAnswer,
  type ApiRequest,
} from '../http/messages.ts';
import { isTerminal } from '../master/state.ts';
import { versionInfo } from '../master/version.ts';
import type { Agent } from './agent.ts';
import type { Executor } from './command-executor.ts';
import { DefaultExecutor } from './default-executor.ts';
import { resolveFile, type AgentPaths } from './process/paths.ts';

/** Answers the agent's operator API. Without `paths` (simulated agents) there are no files. */
export function agentApi(agent: Agent, paths?: AgentPaths): (request: ApiRequest) => ApiAnswer {
  return (request) => {
    const [path = '/'] = request.target.split('?', 1);
    const route = path.replace(/^\/slave\(\d+\)/, '');
    if (route === '/health') return respond(200);
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
    const result = agentCall(agent, paths, decoded.call);
    if (result === 'not found') return text(404, '');
    if (typeof result === 'string') return text(400, result);
    return respond(
      200,
      { 'Content-Type': contentTypes[accepted] },
      codec('mesos.v1.agent.Response', accepted).encode(result),
    );
  };
}

/** The answer to one call; a text if it is refused. */
export function agentCall(
  agent: Agent,
  paths: AgentPaths | undefined,
  call: AgentCall,
): AgentResponse | string {
  const executors = [...agent.executors.values()];
  switch (call.type) {
    case 'GET_HEALTH':
      return { type: 'GET_HEALTH', get_health: { healthy: true } };
    case 'GET_VERSION':
      return { type: 'GET_VERSION', get_version: { version_info: versionInfo } };
    case 'GET_AGENT': {
      const id = agent.id === undefined ? {} : { id: { value: agent.id } };
      return { type: 'GET_AGENT', get_agent: { agent_info: { ...agent.info, ...id } } };
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
    case 'GET_CONTAINERS': {
      const nested = call.get_containers?.show_nested === true;
      const containers = executors.flatMap((executor) => containersOf(executor, nested));
      return { type: 'GET_CONTAINERS', get_containers: { containers } };
    }
    case 'LIST_FILES':
      return listFiles(agent, paths, call.list_files?.path ?? '');
    case 'READ_FILE': {
      const { path = '', offset = 0, length } = call.read_file ?? {};
      return readFile(agent, paths, path, offset, length);
    }
    default:
      return "Failed to validate agent::Call: Expecting 'type' to be present";
  }
}

function getTasks(agent: Agent): NonNullable<AgentResponse['get_tasks']> {
  const tasks = agent.tasks();
  return {
    launched_tasks: tasks.filter(({ state }) => !isTerminal(state)),
    terminated_tasks: tasks.filter(({ state }) => isTerminal(state)),
  };
}

function getFrameworks(agent: Agent): NonNullable<AgentResponse['get_frameworks']> {
  return { frameworks: [...agent.frameworks.values()].map((info) => ({ framework_info: info })) };
}

function getExecutors(executors: readonly Executor[]): NonNullable<AgentResponse['get_executors']> {
  return {
    executors: executors.map(({ executorId, frameworkId, ...executor }) => ({
      executor_info:
        'info' in executor && executor instanceof DefaultExecutor
          ? executor.info
          : { executor_id: { value: executorId }, framework_id: { value: frameworkId } },
    })),
  };
}

function containersOf(executor: Executor, nested: boolean): AgentResponseGetContainersContainer[] {
  const started = executor.started();
  if (started === undefined) return [];
  const { id } = executor.spec();
  const own: AgentResponseGetContainersContainer = {
    framework_id: { value: executor.frameworkId },
    executor_id: { value: executor.executorId },
    executor_name: executorName(executor),
    container_id: id,
    container_status: {
      container_id: id,
      network_infos: [...started.networks],
      executor_pid: started.pid,
    },
  };
  if (!nested || !(executor instanceof DefaultExecutor)) return [own];
  const inner = executor.runs.flatMap(({ containerId, started: container, over }) =>
    container === undefined || over
      ? []
      : [
          {
            container_id: containerId,
            container_status: {
              container_id: containerId,
              network_infos: [...container.networks],
              executor_pid: container.pid,
            },
          },
        ],
  );
  return [own, ...inner];
}

function executorName(executor: Executor): string {
  if (executor instanceof DefaultExecutor) return executor.info.name ?? '';
  const value = executor.spec().command?.value ?? '';
  const shown = value.length > 15 ? `${value.slice(0, 12)}...` : value;
  return `Command Executor (Task: ${executor.executorId}) (Command: sh -c '${shown}')`;
}

function listFiles(
  agent: Agent,
  paths: AgentPaths | undefined,
  path: string,
): AgentResponse | string {
  const directory = paths && resolveFile(paths, agent.id ?? '', path);
  if (directory === undefined || !statSync(directory).isDirectory()) return 'not found';
  const { username } = userInfo();
  const infos = readdirSync(directory)
    .sort()
    .map((name): FileInfo => {
      const stat = statSync(join(directory, name));
      return {
        path: join(path, name),
        nlink: stat.nlink,
        size: stat.size,
        mtime: { nanoseconds: Math.floor(stat.mtimeMs / 1000) * 1e9 },
        mode: stat.mode,
        uid: username,
        gid: username,
      };
    });
  return { type: 'LIST_FILES', list_files: { file_infos: infos } };
}

/** Mesos gives at most this much of a file at once. */
const maxRead = 16 * 2 ** 20;

function readFile(
  agent: Agent,
  paths: AgentPaths | undefined,
  path: string,
  offset: number,
  length: number | undefined,
): AgentResponse | string {
  const file = paths && resolveFile(paths, agent.id ?? '', path);
  if (file === undefined) return 'not found';
  if (statSync(file).isDirectory()) return 'Cannot read a directory';
  const descriptor = openSync(file, 'r');
  try {
    const { size } = fstatSync(descriptor);
    const wanted = Math.max(0, Math.min(length ?? maxRead, maxRead, size - offset));
    const buffer = Buffer.alloc(wanted);
    const read = readSync(descriptor, buffer, 0, wanted, offset);
    const data = buffer.subarray(0, read).toString('base64');
    return { type: 'READ_FILE', read_file: { size, data } };
  } finally {
    closeSync(descriptor);
  }
}
