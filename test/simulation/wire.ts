import type { Random } from '../../api/machinery/random.ts';
import type {
  AgentResponseGetContainers,
  SchedulerEvent,
  TaskStatus,
} from '../../proto/mesos/generated/messages.ts';

/** What Mesos may do with what it says, without telling anything that is not so. */
export const wireFaults = [
  'updates repeated',
  'addresses left out',
  'container status left out',
  'networks in another order',
  'agents silent',
  'agents late',
  'agents terse',
] as const;
export type WireFault = (typeof wireFaults)[number];

/** After so many milliseconds it arrives, or nothing does and the question is given up. */
export interface AgentAnswer {
  answer: AgentResponseGetContainers | undefined;
  delayMs: number;
}

/** Share of what is said that a disturbance strikes. */
const strikingShare = 0.5;
const silentMs = 15_000;
const lateMs = 12_000;

/** The way from Mesos to the controllers, disturbed for a while. */
export class Wire {
  readonly #random: Random;
  readonly #now: () => number;
  readonly #until = new Map<WireFault, number>();

  constructor(random: Random, now: () => number) {
    this.#random = random;
    this.#now = now;
  }

  disturb(fault: WireFault, ms: number): void {
    this.#until.set(fault, this.#now() + ms);
  }

  heal(): void {
    this.#until.clear();
  }

  /** What the scheduler hears in place of an event. */
  events(event: SchedulerEvent): readonly SchedulerEvent[] {
    const status = event.update?.status;
    if (status === undefined || this.#until.size === 0) return [event];
    const told = { ...event, update: { status: this.#told(status) } };
    const repeated = status.uuid !== undefined && this.#strikes('updates repeated');
    return repeated ? [told, told] : [told];
  }

  answer(answer: AgentResponseGetContainers): AgentAnswer {
    if (this.#strikes('agents silent')) return { answer: undefined, delayMs: silentMs };
    const told = this.#strikes('agents terse') ? this.#terse(answer) : answer;
    const delayMs = this.#strikes('agents late') ? this.#random.next() * lateMs : 0;
    return { answer: told, delayMs };
  }

  #told(status: TaskStatus): TaskStatus {
    const { container_status: container, ...rest } = status;
    if (container === undefined || this.#strikes('container status left out')) return rest;
    const { network_infos: infos, ...others } = container;
    if (infos === undefined || this.#strikes('addresses left out')) {
      return { ...rest, container_status: others };
    }
    if (!this.#strikes('networks in another order')) return status;
    return { ...rest, container_status: { ...others, network_infos: infos.toReversed() } };
  }

  /** Containers that the agent does not know yet, or no more about than that they are there. */
  #terse({ containers = [] }: AgentResponseGetContainers): AgentResponseGetContainers {
    const kept = containers.filter(() => this.#random.next() < strikingShare);
    return {
      containers: kept.map(({ container_status: status, ...rest }) => {
        if (status === undefined || this.#random.next() < strikingShare) return rest;
        return { ...rest, container_status: { ...status, network_infos: [] } };
      }),
    };
  }

  #strikes(fault: WireFault): boolean {
    if (this.#now() >= (this.#until.get(fault) ?? 0)) return false;
    return this.#random.next() < strikingShare;
  }
}
