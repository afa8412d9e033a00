import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../../api/machinery/clock.ts';
import type { Random } from '../../../api/machinery/random.ts';
import type { AgentInfo } from '../../../proto/mesos/generated/messages.ts';
import type { CniOptions } from '../cni/plugin.ts';
import { serve, type ListeningServer } from '../http/server.ts';
import { AgentConnector } from '../link-socket.ts';
import { Agent, type AgentOptions } from './agent.ts';
import { agentApi } from './api.ts';
import { fileCheckpoint } from './checkpoint.ts';
import { nestedApi } from './nested/api.ts';
import { NestedContainers } from './nested/containers.ts';
import type { AgentPaths } from './process/paths.ts';
import { ProcessRuntime } from './process/runtime.ts';

export interface AgentServerOptions {
  clock: Clock;
  random: Random;
  info: Omit<AgentInfo, 'port'>;
  /** Advertised, and where the API listens. */
  ip: string;
  port: number;
  masters: readonly string[];
  workDir: string;
  runtimeDir: string;
  cni: CniOptions;
  cgroupRoot: string;
  timings?: NonNullable<AgentOptions['timings']>;
  /** The master does not want the agent any more. */
  exit: () => void;
  log: (message: string) => void;
}

/** One agent process: its containers, its API, and its connection to the leading master. */
export class AgentServer {
  readonly #options: AgentServerOptions;
  readonly #paths: AgentPaths;
  #runtime: ProcessRuntime | undefined;
  #agent: Agent | undefined;
  #server: ListeningServer | undefined;
  #connector: AgentConnector | undefined;

  constructor(options: AgentServerOptions) {
    this.#options = options;
    this.#paths = { workDir: options.workDir, runtimeDir: options.runtimeDir };
  }

  async start(): Promise<void> {
    const { clock, random, info, ip, port, masters, cni, cgroupRoot, timings, exit, log } =
      this.#options;
    mkdirSync(this.#paths.workDir, { recursive: true });
    this.#server = await serve((request) => this.#handle(request), { host: ip, port });
    const runtime = new ProcessRuntime({
      paths: this.#paths,
      cni,
      ip,
      port: this.#server.port,
      agentId: () => this.#agent?.id ?? '',
      cgroupRoot,
      log,
    });
    this.#runtime = runtime;
    const agent = new Agent({
      clock,
      random,
      info: { ...info, port: this.#server.port },
      ip,
      runtime,
      checkpoint: fileCheckpoint(join(this.#paths.workDir, 'meta', 'agent.json')),
      ...(timings === undefined ? {} : { timings }),
      onShutdown: exit,
    });
    this.#agent = agent;
    const nested = new NestedContainers(
      {
        networksOf: (root) =>
          [...agent.executors.values()]
            .find((executor) => executor.spec().id.value === root)
            ?.started()?.networks,
      },
      runtime,
    );
    this.#handle = nestedApi(nested, clock, agentApi(agent, this.#paths, nested));
    await runtime.cleanLeftovers();
    this.#connector = new AgentConnector(agent, masters);
    this.#connector.start();
  }

  get port(): number {
    return this.#server?.port ?? this.#options.port;
  }

  /** SIGUSR1: tasks end, the master is told that the agent leaves. */
  unregister(): Promise<void> {
    return this.#end((done) => this.#agent?.unregister(done));
  }

  /** The end of the emulator: tasks end, nobody is told. */
  terminate(): Promise<void> {
    return this.#end((done) => this.#agent?.terminate(done));
  }

  #handle: ReturnType<typeof nestedApi> = () => {
    throw new Error('the agent is recovering');
  };

  async #end(how: (done: () => void) => void): Promise<void> {
    await new Promise<void>((resolve) => {
      how(resolve);
    });
    this.#connector?.stop();
    this.#runtime?.stop();
    await this.#runtime?.cleanLeftovers();
    await this.#server?.close();
  }
}
