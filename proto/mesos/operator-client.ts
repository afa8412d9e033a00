/** The operator APIs of the leading master and of agents. */
import { codec } from './codec.ts';
import type { MasterDetector } from './detector.ts';
import type {
  AgentCall,
  AgentResponse,
  AgentResponseGetContainers,
  AgentResponseReadFile,
  FileInfo,
  MasterCall,
  MasterResponse,
  MasterResponseGetAgents,
  MasterResponseGetFrameworks,
  MasterResponseGetTasks,
} from './generated/messages.ts';
import { httpClient, refusal, requestError } from './http.ts';
import type { HttpClient, HttpOptions, Redirect } from './http.ts';
import { MesosRequestError } from './transport.ts';
import type { MesosAddress } from './transport.ts';

/** Every method rejects with MesosRequestError, or with CodecError if the answer does not decode. */
export interface MasterClient {
  /** Resolves with the answer, undefined if it has no body (calls that change something). */
  call(call: MasterCall, signal?: AbortSignal): Promise<MasterResponse | undefined>;
  getAgents(signal?: AbortSignal): Promise<MasterResponseGetAgents>;
  getFrameworks(signal?: AbortSignal): Promise<MasterResponseGetFrameworks>;
  getTasks(signal?: AbortSignal): Promise<MasterResponseGetTasks>;
}

/** As MasterClient, of one agent. */
export interface AgentClient {
  call(call: AgentCall, signal?: AbortSignal): Promise<AgentResponse | undefined>;
  /** container_status.network_infos of each has the current addresses. */
  getContainers(signal?: AbortSignal): Promise<AgentResponseGetContainers>;
  /** A path that does not exist is Refused with status 404. */
  listFiles(path: string, signal?: AbortSignal): Promise<FileInfo[]>;
  /**
   * `size` of the answer is the file's; data is empty at its end. The virtual path
   * /frameworks/<id>/executors/<id>/runs/latest/stdout needs no container id.
   */
  readFile(
    file: { path: string; offset: number; length?: number },
    signal?: AbortSignal,
  ): Promise<AgentResponseReadFile>;
}

const path = '/api/v1';

export function masterClient(options: HttpOptions & { detector: MasterDetector }): MasterClient {
  const http = httpClient(options);
  const calls = codec('mesos.v1.master.Call', http.format);
  const responses = codec('mesos.v1.master.Response', http.format);

  const call: MasterClient['call'] = async (message, signal) => {
    const leader = await options.detector.detect(signal ?? new AbortController().signal);
    const body = calls.encode(message);
    const answer = await http.follow(leader, (master) => ask(http, master, body, signal));
    return answer.length === 0 ? undefined : responses.decode(answer);
  };
  return {
    call,
    getAgents: async (signal) =>
      part('get_agents', (await call({ type: 'GET_AGENTS' }, signal))?.get_agents),
    getFrameworks: async (signal) =>
      part('get_frameworks', (await call({ type: 'GET_FRAMEWORKS' }, signal))?.get_frameworks),
    getTasks: async (signal) =>
      part('get_tasks', (await call({ type: 'GET_TASKS' }, signal))?.get_tasks),
  };
}

export function agentClient(options: HttpOptions & { agent: MesosAddress }): AgentClient {
  const http = httpClient(options);
  const calls = codec('mesos.v1.agent.Call', http.format);
  const responses = codec('mesos.v1.agent.Response', http.format);

  const call: AgentClient['call'] = async (message, signal) => {
    const body = calls.encode(message);
    const answer = await http.follow(options.agent, (agent) => ask(http, agent, body, signal));
    return answer.length === 0 ? undefined : responses.decode(answer);
  };
  return {
    call,
    getContainers: async (signal) =>
      part('get_containers', (await call({ type: 'GET_CONTAINERS' }, signal))?.get_containers),
    listFiles: async (file, signal) => {
      const response = await call({ type: 'LIST_FILES', list_files: { path: file } }, signal);
      return part('list_files', response?.list_files).file_infos ?? [];
    },
    readFile: async (file, signal) => {
      const response = await call({ type: 'READ_FILE', read_file: file }, signal);
      return part('read_file', response?.read_file);
    },
  };
}

/** One request on a connection of its own; the body of its answer, or where to ask instead. */
async function ask(
  http: HttpClient,
  address: MesosAddress,
  body: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | Redirect> {
  const client = http.connect(address);
  try {
    return await http.withDeadline(signal, async (deadline) => {
      const answer = await http.post(client, path, body, { signal: deadline });
      const redirect = http.redirection(answer, address);
      if (redirect !== undefined) return redirect;
      if (answer.status < 200 || answer.status > 299) throw await refusal(http, answer, address);
      return await http.read(answer);
    });
  } catch (error) {
    throw signal?.aborted === true ? signal.reason : requestError(error, address);
  } finally {
    await client.destroy();
  }
}

function part<T>(name: string, value: T | undefined): T {
  if (value !== undefined) return value;
  throw new MesosRequestError('BadAnswer', `the answer has no ${name}`);
}
