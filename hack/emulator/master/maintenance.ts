import type {
  AllocatorInverseOfferStatus,
  MachineID,
  MaintenanceClusterStatus,
  MaintenanceSchedule,
} from '../../../proto/mesos/generated/messages.ts';
import { removeAgent, withdrawOffers } from './agent-removal.ts';
import { allocateSoon } from './allocator.ts';
import { rescindInverseOffers } from './inverse-offers.ts';
import { isDown, machineOf, sameMachine, scheduledMachines } from './machines.ts';
import type { MasterState } from './state.ts';

/** UPDATE_MAINTENANCE_SCHEDULE. The text of a 400 if refused. */
export function updateSchedule(m: MasterState, schedule: MaintenanceSchedule): string | undefined {
  const problem = scheduleProblem(m, schedule);
  if (problem !== undefined) return problem;
  m.setMaintenance({ schedule, down: m.maintenance.down });
  // All offers are withdrawn, also those of machines that the schedule does not name.
  for (const agent of m.agents.values()) {
    withdrawOffers(m, agent);
    rescindInverseOffers(m, agent);
    agent.inverseStatuses.clear();
  }
  allocateSoon(m);
  return undefined;
}

/** START_MAINTENANCE: the agents on the machines are shut down, their tasks are lost. */
export function startMaintenance(
  m: MasterState,
  machines: readonly MachineID[],
): string | undefined {
  const problem = machinesProblem(machines) ?? modeProblem(m, machines, 'DRAINING');
  if (problem !== undefined) return problem;
  const why = "Operator initiated 'Machine DOWN'";
  for (const agent of [...m.agents.values()]) {
    if (!machines.some((id) => sameMachine(id, machineOf(agent)))) continue;
    agent.link?.send({ type: 'SHUTDOWN', message: why });
    removeAgent(m, agent, why);
  }
  const { schedule, down } = m.maintenance;
  m.setMaintenance({ schedule, down: [...down, ...machines] });
  return undefined;
}

/** STOP_MAINTENANCE: the machines leave the schedule, their agents may register again. */
export function stopMaintenance(
  m: MasterState,
  machines: readonly MachineID[],
): string | undefined {
  const problem = machinesProblem(machines) ?? modeProblem(m, machines, 'DOWN');
  if (problem !== undefined) return problem;
  const up = (id: MachineID): boolean => machines.some((other) => sameMachine(id, other));
  const { schedule, down } = m.maintenance;
  const windows = (schedule.windows ?? [])
    .map((window) => ({
      ...window,
      machine_ids: (window.machine_ids ?? []).filter((id) => !up(id)),
    }))
    .filter(({ machine_ids }) => machine_ids.length > 0);
  m.setMaintenance({
    schedule: windows.length === 0 ? {} : { windows },
    down: down.filter((id) => !up(id)),
  });
  return undefined;
}

export function maintenanceStatus(m: MasterState): MaintenanceClusterStatus {
  const { down } = m.maintenance;
  const draining = scheduledMachines(m).filter(({ id }) => !isDown(m, id));
  return {
    ...(draining.length === 0
      ? {}
      : {
          draining_machines: draining.map(({ id }) => {
            const statuses = statusesOf(m, id);
            return { id, ...(statuses.length === 0 ? {} : { statuses }) };
          }),
        }),
    ...(down.length === 0 ? {} : { down_machines: [...down] }),
  };
}

function statusesOf(m: MasterState, id: MachineID): AllocatorInverseOfferStatus[] {
  return [...m.agents.values()]
    .filter((agent) => sameMachine(id, machineOf(agent)))
    .flatMap(({ inverseStatuses }) => [...inverseStatuses.values()]);
}

function scheduleProblem(m: MasterState, { windows }: MaintenanceSchedule): string | undefined {
  const named: MachineID[] = [];
  for (const { machine_ids, unavailability } of windows ?? []) {
    if ((machine_ids ?? []).length === 0)
      return 'List of machines in the maintenance window is empty';
    if ((unavailability.duration?.nanoseconds ?? 0) < 0) {
      return "Unavailability 'duration' is negative";
    }
    named.push(...(machine_ids ?? []));
  }
  const problem = named.length === 0 ? undefined : machinesProblem(named);
  if (problem !== undefined) return problem;
  const removed = m.maintenance.down.find((id) => !named.some((other) => sameMachine(id, other)));
  return removed === undefined
    ? undefined
    : `Machine '${JSON.stringify(removed)}' is deactivated and cannot be removed from the schedule`;
}

function machinesProblem(machines: readonly MachineID[]): string | undefined {
  if (machines.length === 0) return 'List of machines is empty';
  for (const [index, id] of machines.entries()) {
    if ((id.hostname ?? '') === '' && (id.ip ?? '') === '') {
      return "Both 'hostname' and 'ip' for a machine are empty";
    }
    if (machines.slice(0, index).some((other) => sameMachine(id, other))) {
      return `Machine '${JSON.stringify(id)}' appears more than once in the schedule`;
    }
  }
  return undefined;
}

function modeProblem(
  m: MasterState,
  machines: readonly MachineID[],
  mode: 'DRAINING' | 'DOWN',
): string | undefined {
  const scheduled = scheduledMachines(m);
  for (const id of machines) {
    const name = `Machine '${JSON.stringify(id)}'`;
    if (!scheduled.some((other) => sameMachine(id, other.id))) {
      return `${name} is not part of a maintenance schedule`;
    }
    if (isDown(m, id) !== (mode === 'DOWN')) {
      const end = mode === 'DOWN' ? 'brought up' : 'brought down';
      return `${name} is not in ${mode} mode and cannot be ${end}`;
    }
  }
  return undefined;
}
