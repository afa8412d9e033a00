import type { MachineID, Unavailability } from '../../../proto/mesos/generated/messages.ts';
import type { AgentRecord, MasterState } from './state.ts';

/** A machine of the maintenance schedule. */
export interface ScheduledMachine {
  readonly id: MachineID;
  readonly unavailability: Unavailability;
}

/** The scheduled machine that an agent runs on; undefined if none is scheduled. */
export function findMachine(m: MasterState, agent: AgentRecord): ScheduledMachine | undefined {
  return scheduledMachines(m).find(({ id }) => sameMachine(id, machineOf(agent)));
}

export function scheduledMachines(m: MasterState): ScheduledMachine[] {
  return (m.maintenance.schedule.windows ?? []).flatMap(({ machine_ids, unavailability }) =>
    (machine_ids ?? []).map((id) => ({ id, unavailability })),
  );
}

export function machineOf({ info, ip }: AgentRecord): MachineID {
  return { hostname: info.hostname, ip };
}

export function sameMachine(a: MachineID, b: MachineID): boolean {
  return (
    (a.hostname ?? '').toLowerCase() === (b.hostname ?? '').toLowerCase() &&
    (a.ip ?? '') === (b.ip ?? '')
  );
}

export function isDown(m: MasterState, id: MachineID): boolean {
  return m.maintenance.down.some((other) => sameMachine(id, other));
}
