import { sleep } from '../../api/machinery/clock.ts';
import { agentCall } from '../../hack/emulator/agent/api.ts';
import { operatorCall } from '../../hack/emulator/master/operator.ts';
import type { SimulatedCluster } from '../../hack/emulator/cluster.ts';
import { inMemoryTransport } from '../../hack/emulator/transport.ts';
import type {
  AgentResponseGetContainers,
  MasterResponseGetAgents,
  SchedulerCall,
  SchedulerEvent,
} from '../../proto/mesos/generated/messages.ts';
import type { AgentClient } from '../../proto/mesos/operator-client.ts';
import {
  MesosRequestError,
  type MesosAddress,
  type SchedulerTransport,
  type Subscription,
} from '../../proto/mesos/transport.ts';
import { travel, type ArmedFaults, type NetworkOptions } from './faults.ts';
import type { Gate } from './gate.ts';
import { LinkedSubscription, type MesosObserver } from './mesos-subscription.ts';
import type { AgentAnswer } from './wire.ts';

export interface MesosLinkOptions {
  cluster: SimulatedCluster;
  gate: Gate;
  network: NetworkOptions;
  faults: ArmedFaults;
  observer: MesosObserver;
  /** What the master sends in place of an event, as the wire allows: it may repeat, or leave out. */
  perturb: (event: SchedulerEvent) => readonly SchedulerEvent[];
  /** What becomes of an answer of an agent. */
  ofAgents: (answer: AgentResponseGetContainers) => AgentAnswer;
}

/** How one process reaches the master: with delays, and over connections that break. */
export class MesosLink implements SchedulerTransport {
  readonly #options: MesosLinkOptions;
  readonly #open = new Set<LinkedSubscription>();
  #away = false;

  constructor(options: MesosLinkOptions) {
    this.#options = options;
    options.gate.onDeath(() => this.cutStreams());
  }

  async subscribe(call: SchedulerCall, signal: AbortSignal): Promise<Subscription> {
    const { gate, network, cluster } = this.#options;
    return gate.act('SUBSCRIBE', async () => {
      await travel(network);
      if (this.#away) throw new MesosRequestError('Unreachable', 'simulated: no way there');
      const inner = await inMemoryTransport(cluster).subscribe(call, new AbortController().signal);
      const subscription = new LinkedSubscription(inner, this.#options, () =>
        this.#open.delete(subscription),
      );
      this.#open.add(subscription);
      if (signal.aborted) subscription.close();
      else signal.addEventListener('abort', () => subscription.close(), { once: true });
      await travel(network);
      return subscription;
    });
  }

  async getAgents(): Promise<MasterResponseGetAgents> {
    const { gate, network, cluster } = this.#options;
    await gate.enter();
    await travel(network);
    const leader = cluster.leading;
    if (leader === undefined || this.#away) {
      await sleep(network.clock, 100);
      throw new MesosRequestError('NoLeader', 'No leader elected', { status: 503 });
    }
    const answer = operatorCall(leader.state, { type: 'GET_AGENTS' });
    await gate.enter();
    return structuredClone((typeof answer === 'object' ? answer.get_agents : undefined) ?? {});
  }

  /** The operator API of an agent: what it tells, unless the way there or the agent is down. */
  agent({ hostname, port }: MesosAddress): Pick<AgentClient, 'getContainers'> {
    const { gate, network, cluster, ofAgents } = this.#options;
    return {
      getContainers: async () => {
        await gate.enter();
        await travel(network);
        const agent = cluster.agents.at(hostname, port);
        if (agent === undefined || this.#away) {
          throw new MesosRequestError('Unreachable', 'simulated: no way there');
        }
        const told = agentCall(agent, undefined, { type: 'GET_CONTAINERS' });
        const { answer, delayMs } = ofAgents(
          structuredClone((typeof told === 'object' ? told.get_containers : undefined) ?? {}),
        );
        await travel(network);
        await sleep(network.clock, delayMs);
        await gate.enter();
        if (answer === undefined) throw new MesosRequestError('Unanswered', 'simulated');
        return answer;
      },
    };
  }

  /** The connections break, and both ends see it. */
  cutStreams(): void {
    for (const subscription of [...this.#open]) subscription.cut();
  }

  /** The connections go dead without a word. */
  hangStreams(): void {
    for (const subscription of [...this.#open]) subscription.hang();
  }

  partition(): void {
    this.#away = true;
    this.hangStreams();
  }

  mend(): void {
    this.#away = false;
  }
}
