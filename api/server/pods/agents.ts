import { ApiError } from '../../machinery/errors.ts';
import type { Clock } from '../../machinery/clock.ts';
import { valueAt } from '../../machinery/json.ts';
import { agentResource, type Agent } from '../../v1/agent.ts';
import { agentFiles, type AgentFiles } from '../../../proto/mesos/agent-files.ts';
import { runSession, type SessionOptions } from '../../../proto/mesos/agent-session.ts';
import { CodecError } from '../../../proto/mesos/errors.ts';
import type { AgentResponseGetContainersContainer } from '../../../proto/mesos/generated/messages.ts';
import type { HttpOptions } from '../../../proto/mesos/http.ts';
import { agentClient } from '../../../proto/mesos/operator-client.ts';
import { MesosRequestError, type MesosAddress } from '../../../proto/mesos/transport.ts';
import type { ItemCache } from '../registry/item.ts';
import { resourcePrefix } from '../registry/keys.ts';

/** How agents are asked, and as whom. */
export type AgentAccess = Omit<HttpOptions, 'clock'>;

type AgentsById = (ids: ReadonlySet<string>) => Iterable<Agent>;

/** Every bound of what is relayed between clients and agents. */
export const relayLimits = {
  /** Logs that are read, commands and attachments, all together. */
  streams: 500,
  /** Until an agent that does not answer for a file counts as out of reach. */
  fileMs: 10_000,
} as const;

/**
 * The agents of Mesos, by their ids. Addresses come from Agent objects alone: whoever can write the
 * status of a task must not be able to have our credentials sent anywhere.
 */
export class PodAgents {
  readonly #access: AgentAccess | undefined;
  readonly #clock: Clock;
  readonly #agents: AgentsById;
  #open = 0;

  constructor(options: { access: AgentAccess | undefined; clock: Clock; agents: AgentsById }) {
    this.#access = options.access;
    this.#clock = options.clock;
    this.#agents = options.agents;
  }

  /** Takes one of the places for streams; returns what gives it back, once. Throws 429. */
  enter(): () => void {
    if (this.#open >= relayLimits.streams) {
      throw new ApiError(
        'TooManyRequests',
        `this server relays ${relayLimits.streams} logs and sessions already: try again later`,
        { details: { retryAfterSeconds: 5 } },
      );
    }
    this.#open += 1;
    let left = false;
    return () => {
      if (!left) this.#open -= 1;
      left = true;
    };
  }

  /** Throws 503. */
  files(agentId: string, signal: AbortSignal): AgentFiles {
    const options = { requestTimeoutMs: relayLimits.fileMs, ...this.#options() };
    return agentFiles({ ...options, agent: this.#addressOf(agentId), signal });
  }

  /** Runs a command and resolves with its raw wait status. Throws 503; rejects with MesosRequestError. */
  session(
    agentId: string,
    options: Omit<SessionOptions, keyof HttpOptions | 'agent'>,
  ): Promise<number> {
    return runSession({ ...this.#options(), ...options, agent: this.#addressOf(agentId) });
  }

  /** Where agents are; those that no Agent object has the address of are absent. Throws 503. */
  addresses(ids: ReadonlySet<string>): Map<string, MesosAddress> {
    this.#options();
    const found = new Map<string, MesosAddress>();
    for (const { status } of this.#agents(ids)) {
      const hostname = status?.address?.ip ?? status?.hostname;
      if (status?.id === undefined || status.address === undefined || hostname === undefined) {
        continue;
      }
      found.set(status.id, { hostname, port: status.address.port });
    }
    return found;
  }

  /** What an agent tells of its containers, those within containers too. */
  async containers(
    agent: MesosAddress,
    signal: AbortSignal,
  ): Promise<readonly AgentResponseGetContainersContainer[]> {
    const client = agentClient({ ...this.#options(), agent });
    const answer = await client.call(
      { type: 'GET_CONTAINERS', get_containers: { show_nested: true } },
      signal,
    );
    if (answer?.get_containers === undefined) {
      throw new MesosRequestError('BadAnswer', 'the answer has no get_containers');
    }
    return answer.get_containers.containers ?? [];
  }

  #options(): HttpOptions {
    if (this.#access === undefined) {
      throw new ApiError(
        'ServiceUnavailable',
        'this server is not configured to reach agents: configure mesos where the API runs',
      );
    }
    return { ...this.#access, clock: this.#clock };
  }

  #addressOf(agentId: string): MesosAddress {
    const address = this.addresses(new Set([agentId])).get(agentId);
    if (address !== undefined) return address;
    throw new ApiError(
      'ServiceUnavailable',
      `no Agent object has the address of agent ${agentId}: it has left, or has not been seen yet`,
    );
  }
}

/** The Agent objects with these ids of Mesos. */
export function agentsIn(cache: ItemCache): AgentsById {
  return function* (ids) {
    for (const { object } of cache.snapshot(resourcePrefix(agentResource)).entries()) {
      const id = valueAt(object, ['status', 'id']);
      if (typeof id !== 'string' || !ids.has(id)) continue;
      const parsed = agentResource.parse(object);
      if (parsed.ok) yield parsed.value;
    }
  };
}

/** What a client is told of an agent that did not answer, or not well. */
export function agentFailure(error: unknown): ApiError | undefined {
  if (error instanceof ApiError) return error;
  if (error instanceof MesosRequestError) {
    const mend =
      error.status === 401 || error.status === 403
        ? '. Check mesos.principal of the server, and what it may do'
        : '';
    const reason = error.code === 'Refused' ? 'InternalError' : 'ServiceUnavailable';
    return new ApiError(reason, `the agent ${said(error)}${mend}`, { cause: error });
  }
  if (error instanceof CodecError) {
    return new ApiError('ServiceUnavailable', 'the agent does not answer as one of Mesos does', {
      cause: error,
    });
  }
  return undefined;
}

function said({ code, message }: MesosRequestError): string {
  return code === 'Unreachable' ? `cannot be reached: ${message}` : message;
}
