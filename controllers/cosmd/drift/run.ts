import { findCondition } from '../../../api/machinery/conditions.ts';
import type { DriftFinding, DriftMember, DriftRun } from '../../../api/v1/drift.ts';
import { isDead, isReady, mesosTaskIds, phaseOf, type Task } from '../../../api/v1/task.ts';
import { containerOf } from '../../network/drift.ts';
import { isUnwanted } from '../../scheduler/lifecycle.ts';
import { isDeadState, isUnreachableState } from '../../scheduler/status.ts';
import {
  containerNetworks,
  type Container,
  type MasterTasks,
  type Observed,
  type Reading,
} from './observed.ts';

/** One Task beside what Mesos and ZooKeeper have of it. */
export function runOf(task: Task, observed: Observed, members: readonly DriftMember[]): DriftRun {
  const { spec, status, metadata } = task;
  const taskIds = mesosTaskIds(task).map(({ taskId }) => taskId);
  const tasks = valueOf(observed.master);
  const container = containerIn(task, observed);
  const { agentId, agentHostname } = status?.mesos ?? {};
  return {
    etcd: {
      task: metadata.name,
      uid: metadata.uid,
      phase: phaseOf(task),
      ready: isReady(task),
      stopping: isUnwanted(task),
      revision: spec.revision,
      mesosTaskIds: status?.mesos === undefined ? [] : taskIds,
      states: taskIds.flatMap((taskId) => storedState(task, taskId) ?? []),
      ...(agentId === undefined ? {} : { agentId }),
      ...(agentHostname === undefined ? {} : { agentHostname }),
      networks: (status?.networks ?? []).map(({ name, ips }) => ({ name, ips })),
    },
    mesos: {
      ...(tasks === undefined ? {} : { tasks: taskIds.flatMap((id) => tasks.get(id) ?? []) }),
      ...(container === undefined
        ? {}
        : {
            container: {
              containerId: container.container_id.value,
              networks: containerNetworks(container),
            },
          }),
    },
    zookeeper: [...members],
  };
}

/** What differs between etcd and Mesos about a Task. */
export function runFindings(task: Task, observed: Observed): DriftFinding[] {
  const master = valueOf(observed.master);
  if (isDead(task)) return master === undefined ? [] : resurrected(task, master);
  const moving = movement(task);
  if (isUnwanted(task)) return moving === undefined ? [] : [moving];
  return [
    ...(moving === undefined ? [] : [moving]),
    ...(master === undefined ? [] : masterFindings(task, master)),
    ...agentFindings(task, observed.agents),
  ];
}

/** Whether Mesos says that any task of it lives. */
export function isAlive(task: Task, master: Reading<MasterTasks>): boolean {
  const tasks = valueOf(master);
  return mesosTaskIds(task).some(({ taskId }) => {
    const state = tasks?.get(taskId)?.state;
    return state !== undefined && !isDeadState(state);
  });
}

/** The agent to ask about a task, if the answer can tell anything. */
export function agentToAsk(task: Task): { id: string; hostname: string; port: number } | undefined {
  const { agentId, agentAddress } = task.status?.mesos ?? {};
  if (phaseOf(task) !== 'Running' || isUnwanted(task)) return undefined;
  if (agentId === undefined || agentAddress === undefined) return undefined;
  return {
    id: agentId,
    hostname: agentAddress.ip ?? agentAddress.hostname,
    port: agentAddress.port,
  };
}

function valueOf<T>(reading: Reading<T>): T | undefined {
  return 'value' in reading ? reading.value : undefined;
}

function storedState({ status }: Task, taskId: string): string | undefined {
  return status?.containers?.find((one) => one.taskId === taskId)?.state ?? status?.mesos?.state;
}

/** What is under way, as etcd says. */
function movement(task: Task): DriftFinding | undefined {
  const { metadata, spec, status } = task;
  const moving = (reason: string, what: string): DriftFinding => ({
    verdict: 'Moving',
    reason,
    message: `${metadata.name} ${what}`,
  });
  if (isUnwanted(task)) return moving('Stopping', `is to stop (${spec.stop?.reason ?? 'Deleted'})`);
  switch (phaseOf(task)) {
    case 'Pending': {
      const why = findCondition(status?.conditions, 'Scheduled')?.message;
      return moving('Pending', why === undefined ? 'waits for an agent' : `is pending: ${why}`);
    }
    case 'Launching':
      return moving('Launching', 'is being launched');
    case 'Starting':
      return moving('Starting', 'is starting');
    case 'Stopping':
      return moving('Stopping', 'is being killed');
    case 'Unreachable':
      return moving('Unreachable', `is out of Mesos' sight, and may return`);
    default:
      return undefined;
  }
}

/** Dead in etcd is dead for good: whatever runs under its id is not ours to have. */
function resurrected(task: Task, master: MasterTasks): DriftFinding[] {
  return mesosTaskIds(task).flatMap(({ taskId }) => {
    const state = master.get(taskId)?.state;
    if (state === undefined || isDeadState(state)) return [];
    const message = `${task.metadata.name} is ${phaseOf(task)}, and Mesos says ${state} of ${taskId}`;
    return [drift('AliveInMesos', message)];
  });
}

function masterFindings(task: Task, master: MasterTasks): DriftFinding[] {
  return mesosTaskIds(task).flatMap(({ taskId }) => masterFinding(task, taskId, master) ?? []);
}

function masterFinding(task: Task, taskId: string, master: MasterTasks): DriftFinding | undefined {
  const phase = phaseOf(task);
  const found = master.get(taskId);
  const stored = storedState(task, taskId);
  if (phase === 'Pending') {
    if (found === undefined || isDeadState(found.state)) return undefined;
    const message = `${task.metadata.name} is not bound to an agent, and Mesos says ${found.state} of ${taskId}`;
    return drift('NotBound', message);
  }
  // It has been asked for, and anything may be seen of it until it has been told.
  if (phase === 'Launching' || phase === 'Starting') return undefined;
  if (phase === 'Unreachable') {
    if (found === undefined || isUnreachableState(found.state)) return undefined;
    return drift('StateDiffers', `${taskId} is unreachable in etcd, and ${found.state} in Mesos`);
  }
  // A container of a group that has ended.
  if (stored !== undefined && isDeadState(stored)) return undefined;
  if (found === undefined) {
    return drift(
      'UnknownToMesos',
      `${taskId} is ${stored ?? phase} in etcd, and Mesos has no such task`,
    );
  }
  const { agentId } = task.status?.mesos ?? {};
  if (found.state !== stored) {
    const reason = isDeadState(found.state) ? 'DeadInMesos' : 'StateDiffers';
    return drift(reason, `${taskId} is ${stored ?? phase} in etcd, and ${found.state} in Mesos`);
  }
  if (agentId === undefined || agentId === found.agentId) return undefined;
  const message = `${taskId} is on agent ${agentId} in etcd, and on ${found.agentId} in Mesos`;
  return drift('AgentDiffers', message);
}

function agentFindings(task: Task, agents: Observed['agents']): DriftFinding[] {
  const asked = agentToAsk(task);
  const reading = asked === undefined ? undefined : agents.get(asked.id);
  const { frameworkId, agentHostname = asked?.id ?? '' } = task.status?.mesos ?? {};
  if (reading === undefined || 'problem' in reading || frameworkId === undefined) return [];
  const container = containerIn(task, { agents });
  if (container === undefined) {
    const message = `${task.metadata.name} runs on ${agentHostname} in etcd, and that agent has no container of it`;
    return [drift('NoContainer', message)];
  }
  const told = new Map(containerNetworks(container).map(({ name, ips }) => [name, ips]));
  return (task.status?.networks ?? []).flatMap(({ name, cniName, ips }) => {
    const seen = told.get(cniName) ?? [];
    // What an agent does not say is not thereby otherwise.
    if (seen.length === 0 || sameSet(seen, ips)) return [];
    const message = `${task.metadata.name} has ${listed(seen)} on ${name} by its agent ${agentHostname}, and ${listed(ips)} in etcd`;
    return [drift('AddressDiffers', message)];
  });
}

function containerIn(task: Task, { agents }: Pick<Observed, 'agents'>): Container | undefined {
  const { mesos } = task.status ?? {};
  const reading = agents.get(mesos?.agentId ?? '');
  if (mesos === undefined || reading === undefined || 'problem' in reading) return undefined;
  return containerOf(task, mesos, reading.value);
}

function drift(reason: string, message: string): DriftFinding {
  return { verdict: 'Drift', reason, message };
}

function sameSet(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((item) => right.includes(item));
}

function listed(ips: readonly string[]): string {
  return ips.length === 0 ? 'no address' : ips.join(' and ');
}
