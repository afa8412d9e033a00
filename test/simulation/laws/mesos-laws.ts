import type {
  SchedulerCall,
  SchedulerEvent,
  TaskStatus,
} from '../../../proto/mesos/generated/messages.ts';
import {
  isDead,
  isUnwanted,
  mesosIdsOf,
  memberFacts,
  isMemberPath,
  prefixes,
  taskKeyOf,
  type TaskFacts,
} from '../views.ts';
import type { LawBook, Truth } from './law-book.ts';
import type { TaskLaws } from './task-laws.ts';

const order = ['TASK_STAGING', 'TASK_STARTING', 'TASK_RUNNING', 'TASK_KILLING'];

/** Laws about what is asked of Mesos, held against the store and ZooKeeper at that very moment. */
export class MesosLaws {
  readonly #book: LawBook;
  readonly #truth: Truth;
  readonly #tasks: TaskLaws;
  readonly #launched = new Set<string>();
  readonly #said = new Map<string, TaskStatus>();

  constructor(book: LawBook, truth: Truth, tasks: TaskLaws) {
    this.#book = book;
    this.#truth = truth;
    this.#tasks = tasks;
  }

  said(event: SchedulerEvent): void {
    const status = event.update?.status;
    if (status?.uuid !== undefined) this.#said.set(status.uuid, status);
  }

  /** `process` has decided on the call. */
  left(process: string, call: SchedulerCall): void {
    const ids = launchesOf(call);
    // One that is right when it leaves may arrive when nothing is left to kill.
    if (call.kill !== undefined) this.#kill(call.kill.task_id.value);
    if (ids.length === 0 && call.kill === undefined) return;
    if (this.#truth.holder() === process) return;
    this.#book.broken(
      'a deposed leader launches and kills nothing',
      `${process} calls ${call.type ?? ''} (${ids.join(', ')}${call.kill?.task_id.value ?? ''}) while ${this.#truth.holder() ?? 'nobody'} leads`,
    );
  }

  /** The master has taken it. */
  arrived(call: SchedulerCall): void {
    for (const { id, agent } of launchesWithAgents(call)) this.#launch(id, agent);
    if (call.acknowledge !== undefined) {
      this.#acknowledged(call.acknowledge.task_id.value, call.acknowledge.uuid);
    }
  }

  #taskOf(id: string): TaskFacts | undefined {
    const object = this.#truth.store.get(taskKeyOf(id));
    return object === undefined ? undefined : this.#truth.store.taskOf(object);
  }

  #launch(id: string, agent: string): void {
    if (this.#launched.has(id)) {
      this.#book.broken('no Mesos task id is used twice', `${id} is launched again`);
    }
    this.#launched.add(id);
    const task = this.#taskOf(id);
    if (task === undefined || isDead(task) || task.status?.mesos?.agentId !== agent) {
      const stored =
        task === undefined
          ? 'nothing'
          : `${task.status?.phase ?? 'Pending'} on ${task.status?.mesos?.agentId ?? 'no agent'}`;
      this.#book.broken(
        'no task is launched that the store does not know',
        `${id} on ${agent}; the store has ${stored}`,
      );
      return;
    }
    this.#alone(task);
  }

  /** Two live runs of an instance only where the other one was unreachable. */
  #alone(task: TaskFacts): void {
    const running = this.#truth.runningTasks();
    const { namespace, uid } = task.metadata;
    for (const [, object] of this.#truth.store.list(`${prefixes.tasks}${namespace}/`)) {
      const other = this.#truth.store.taskOf(object);
      if (other.metadata.uid === uid || other.spec.job !== task.spec.job) continue;
      if (other.spec.instance !== task.spec.instance) continue;
      if (!mesosIdsOf(other).some((id) => running.has(id))) continue;
      if (this.#tasks.wasUnreachable(other.metadata.uid)) continue;
      this.#book.broken(
        'two live runs only in the unreachable case',
        `${task.metadata.name} is launched while ${other.metadata.name} runs`,
      );
    }
  }

  #kill(id: string): void {
    const task = this.#taskOf(id);
    if (task === undefined) {
      // The call waited for others while the task ended and its Task was removed.
      if (this.#tasks.wasBuried(taskKeyOf(id))) return;
      this.#book.broken('silence kills nobody', `${id} is killed, and no Task stands for it`);
      return;
    }
    if (!isUnwanted(task) && !isDead(task)) {
      this.#book.broken('silence kills nobody', `${id} is killed, and nobody wants it to stop`);
    }
    if (isDead(task) || task.metadata.annotations['mesocosm.dev/force-delete'] === 'true') return;
    const { tree } = this.#truth.ensemble;
    for (const path of tree.paths()) {
      if (!isMemberPath(path)) continue;
      const member = memberFacts(tree.get(path)?.data ?? Buffer.alloc(0));
      if (member?.task === task.metadata.uid) {
        this.#book.broken(
          'a task is killed only after its member is withdrawn',
          `${id} is killed while ${path} is ${member.status}`,
        );
      }
    }
  }

  #acknowledged(id: string, uuid: string): void {
    const status = this.#said.get(uuid);
    const task = this.#taskOf(id);
    if (status === undefined || task === undefined) return;
    const container = task.status?.containers.find(({ taskId }) => taskId === id);
    const stored = container?.state ?? '';
    const ahead =
      order.includes(stored) &&
      order.indexOf(stored) > order.indexOf(status.state) &&
      order.includes(status.state);
    const terminal = !order.includes(stored) && stored !== '';
    if (
      stored !== status.state &&
      !ahead &&
      !(terminal && order.includes(status.state)) &&
      !isDead(task)
    ) {
      this.#book.broken(
        'no update is acknowledged before it is stored',
        `${status.state} of ${id} is acknowledged, ${stored === '' ? 'nothing' : stored} is stored`,
      );
    }
    this.#addressesAreStored(id, task, status);
  }

  #addressesAreStored(id: string, task: TaskFacts, status: TaskStatus): void {
    if (status.state !== 'TASK_RUNNING' || task.status?.phase !== 'Running') return;
    for (const { name, ip_addresses: ips = [] } of status.container_status?.network_infos ?? []) {
      if (name === undefined || ips.length === 0) continue;
      const network = task.status.networks.find(({ cniName }) => cniName === name);
      if (network === undefined || network.ips.length > 0) continue;
      this.#book.broken(
        'no update is acknowledged before it is stored',
        `the address of ${id} on ${name} is acknowledged and not stored`,
      );
    }
  }
}

function launchesOf(call: SchedulerCall): string[] {
  return launchesWithAgents(call).map(({ id }) => id);
}

function launchesWithAgents(call: SchedulerCall): { id: string; agent: string }[] {
  return (call.accept?.operations ?? []).flatMap(({ launch, launch_group: group }) =>
    [...(launch?.task_infos ?? []), ...(group?.task_group.tasks ?? [])].map((info) => ({
      id: info.task_id.value,
      agent: info.agent_id.value,
    })),
  );
}
