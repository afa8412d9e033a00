import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../api/machinery/clock.ts';
import { seededRandom } from '../../api/machinery/random.ts';
import { agentApi } from '../../hack/emulator/agent/api.ts';
import { createSandbox, type AgentPaths } from '../../hack/emulator/agent/process/paths.ts';
import type { ContainerSpec } from '../../hack/emulator/agent/runtime.ts';
import type { SimulatedNetwork } from '../../hack/emulator/agent/simulated/networks.ts';
import { programOf, type Step } from '../../hack/emulator/agent/simulated/program.ts';
import type { ApiAnswer, ApiRequest } from '../../hack/emulator/http/messages.ts';
import { text } from '../../hack/emulator/http/messages.ts';
import { pong } from '../../hack/emulator/master/agents.ts';
import { masterApi } from '../../hack/emulator/master/api.ts';
import { SimulatedAgents, agentResources } from '../../hack/emulator/simulated-agents.ts';
import { ReplayMasters } from './replay-masters.ts';

/** The networks of the recorded agent. */
const networks: Record<string, SimulatedNetwork> = {
  'dev-net': { ipv4: '172.29.11.10' },
  'data-net': { ipv4: '172.29.12.10' },
  'dual-net': { ipv4: '172.29.13.10', ipv6: 'fd29:13::10' },
  'spy-net': { ipv4: '172.29.14.10' },
  'v031-net': { ipv4: '172.29.15.10', unreadable: true },
  'tiny-net': { ipv4: '172.29.16.10', capacity: 1 },
  'portmap-net': { ipv4: '172.29.17.10' },
};

export const agentPort = 5051;

/** The recorded interval lost 1.5 ms each time. */
export const allocationInterval = 1001.5;

/** The recorded cluster, emulated: masters by port, one agent with its networks. */
export class ReplayCluster {
  readonly agents: SimulatedAgents;
  readonly masters: ReplayMasters;
  /** The agent's work directory, on disk for the sake of the calls that read files. */
  readonly paths: AgentPaths;
  readonly #agentIp: string;
  readonly #root = mkdtempSync(join(tmpdir(), 'mesos-replay-'));

  constructor(scenario: string, clock: Clock, agentIp: string) {
    this.#agentIp = agentIp;
    this.paths = { workDir: join(this.#root, 'work'), runtimeDir: join(this.#root, 'run') };
    this.agents = new SimulatedAgents({
      clock,
      random: seededRandom(1),
      agents: 1,
      networks,
      agentIp: () => agentIp,
      agentInfo: () => ({
        hostname: 'agent1.test',
        port: agentPort,
        resources: agentResources({ cpus: 8, mem: 8192, disk: 20000, ports: [31000, 32000] }),
        attributes: [
          { name: 'rack', type: 'TEXT', text: { value: 'a' } },
          { name: 'zone', type: 'TEXT', text: { value: 'z1' } },
        ],
      }),
      agentTimings: {
        // A default executor took longer to leave once its agent had been away.
        executorExit: scenario.startsWith('agentloss') ? 1450 : 250,
        commandExecutorWaits: scenario.endsWith('http-command-executor'),
      },
      runtime: {
        launchDelay: ({ id, command, container }) => {
          if (id.parent !== undefined) return 200;
          if (command !== undefined && container?.network_infos === undefined) return 220;
          return container?.network_infos?.[0]?.name === 'tiny-net' ? 440 : 320;
        },
        // Mesos looks for ended processes at intervals of up to a second.
        signalDelay: ({ id }, signal) =>
          id.parent !== undefined ? 110 : signal === 'SIGTERM' ? 40 : 1050,
        probeDelay: ({ type }) => (type === 'COMMAND' ? 330 : 60),
        program: (spec) => this.#program(spec),
      },
    });
    this.masters = new ReplayMasters({
      clock,
      // The recorded masters were started with these.
      timings: { agentPingTimeout: 2000, maxAgentPingTimeouts: 3, allocationInterval },
      follow: (leader) => {
        this.agents.follow(leader);
      },
    });
  }

  start(ports: readonly number[]): void {
    for (const port of ports) this.masters.start(port);
    this.agents.startAll();
  }

  stop(): void {
    this.agents.stopAll();
    this.masters.stop();
    rmSync(this.#root, { recursive: true, force: true });
  }

  handle(port: number, request: ApiRequest): ApiAnswer {
    if (port === agentPort) {
      const agent = this.agents.at(this.#agentIp, agentPort);
      return agent === undefined
        ? text(503, 'nobody listens')
        : agentApi(agent, this.paths)(request);
    }
    const master = this.masters.get(port);
    return master === undefined ? text(503, 'nobody listens') : masterApi(master)(request);
  }

  /** A recovering agent answers pings before it registers. */
  answerPings(): void {
    for (const agent of this.masters.leading?.state.agents.values() ?? []) pong(agent);
  }

  /** What the recorded commands do and write that a reading of their shell text does not tell. */
  #program(spec: ContainerSpec): Step[] {
    const agentId = this.agents.at(this.#agentIp, agentPort)?.id;
    if (agentId !== undefined) {
      const sandbox = createSandbox(this.paths, agentId, spec);
      const printed = outputs.find(({ of }) => spec.command?.value?.includes(of))?.text ?? '';
      writeFileSync(join(sandbox, 'stdout'), printed);
      writeFileSync(join(sandbox, 'stderr'), '');
    }
    if (spec.command?.value?.includes('Buffer.alloc') === true) {
      return [{ do: 'sleep', ms: 430 }, { do: 'exhaustMemory' }];
    }
    const program = programOf(spec.command);
    const [first] = program;
    return first?.do === 'exit' || first?.do === 'signal'
      ? [{ do: 'sleep', ms: reapMs }, ...program]
      : program;
  }
}

const outputs = [
  { of: 'echo line $i', text: 'line 1\nline 2\nline 3\nline 4\nline 5\n' },
  { of: 'echo nested hello', text: 'nested hello\n' },
];

/** How long Mesos took to see that a command had ended. */
const reapMs = 160;
