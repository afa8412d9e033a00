import type {
  MasterCall,
  MasterCallType,
  MasterResponse,
} from '../../../proto/mesos/generated/messages.ts';
import { markGone } from './agent-removal.ts';
import { deactivateAgent, drainAgent, reactivateAgent } from './drain.ts';
import { masterFlags } from './flags.ts';
import { removeFramework } from './frameworks.ts';
import {
  maintenanceStatus,
  startMaintenance,
  stopMaintenance,
  updateSchedule,
} from './maintenance.ts';
import { masterMetrics } from './metrics.ts';
import type { MasterState } from './state.ts';
import { versionInfo } from './version.ts';
import { getAgents, getExecutors, getFrameworks, getRoles, getState, getTasks } from './views.ts';

/** The member that a call of each type must carry. */
const members: Partial<Record<MasterCallType, keyof MasterCall>> = {
  GET_METRICS: 'get_metrics',
  UPDATE_MAINTENANCE_SCHEDULE: 'update_maintenance_schedule',
  START_MAINTENANCE: 'start_maintenance',
  STOP_MAINTENANCE: 'stop_maintenance',
  TEARDOWN: 'teardown',
  MARK_AGENT_GONE: 'mark_agent_gone',
  DRAIN_AGENT: 'drain_agent',
  DEACTIVATE_AGENT: 'deactivate_agent',
  REACTIVATE_AGENT: 'reactivate_agent',
};

/** A response, nothing for an empty 200, or the text of a 400. */
export function operatorCall(
  m: MasterState,
  call: MasterCall,
): MasterResponse | string | undefined {
  const member = members[call.type ?? 'UNKNOWN'];
  if (member !== undefined && call[member] === undefined) {
    return `Failed to validate master::Call: Expecting '${member}' to be present`;
  }
  switch (call.type) {
    case 'GET_HEALTH':
      return { type: 'GET_HEALTH', get_health: { healthy: true } };
    case 'GET_VERSION':
      return { type: 'GET_VERSION', get_version: { version_info: versionInfo } };
    case 'GET_AGENTS':
      return { type: 'GET_AGENTS', get_agents: getAgents(m) };
    case 'GET_FRAMEWORKS':
      return { type: 'GET_FRAMEWORKS', get_frameworks: getFrameworks(m) };
    case 'GET_TASKS':
      return { type: 'GET_TASKS', get_tasks: getTasks(m) };
    case 'GET_EXECUTORS':
      return { type: 'GET_EXECUTORS', get_executors: getExecutors(m) };
    case 'GET_STATE':
      return { type: 'GET_STATE', get_state: getState(m) };
    case 'GET_MASTER':
      return {
        type: 'GET_MASTER',
        get_master: { master_info: m.info, start_time: m.startTime, elected_time: m.startTime },
      };
    case 'GET_ROLES':
      return { type: 'GET_ROLES', get_roles: { roles: getRoles(m) } };
    case 'GET_OPERATIONS':
      return { type: 'GET_OPERATIONS', get_operations: {} };
    case 'GET_MAINTENANCE_STATUS':
      return {
        type: 'GET_MAINTENANCE_STATUS',
        get_maintenance_status: { status: maintenanceStatus(m) },
      };
    case 'GET_MAINTENANCE_SCHEDULE':
      return {
        type: 'GET_MAINTENANCE_SCHEDULE',
        get_maintenance_schedule: { schedule: m.maintenance.schedule },
      };
    case 'GET_FLAGS':
      return {
        type: 'GET_FLAGS',
        get_flags: {
          flags: Object.entries(masterFlags(m)).map(([name, value]) => ({ name, value })),
        },
      };
    case 'GET_METRICS':
      return {
        type: 'GET_METRICS',
        get_metrics: {
          metrics: Object.entries(masterMetrics(m)).map(([name, value]) => ({ name, value })),
        },
      };
    case 'GET_LOGGING_LEVEL':
      return { type: 'GET_LOGGING_LEVEL', get_logging_level: { level: 0 } };
    case 'GET_QUOTA':
      return { type: 'GET_QUOTA', get_quota: { status: {} } };
    case 'GET_WEIGHTS':
      return { type: 'GET_WEIGHTS' };
    case 'UPDATE_MAINTENANCE_SCHEDULE':
      return updateSchedule(m, call.update_maintenance_schedule?.schedule ?? {});
    case 'START_MAINTENANCE':
      return startMaintenance(m, call.start_maintenance?.machines ?? []);
    case 'STOP_MAINTENANCE':
      return stopMaintenance(m, call.stop_maintenance?.machines ?? []);
    case 'DRAIN_AGENT':
      return drainAgent(m, call.drain_agent ?? { agent_id: { value: '' } });
    case 'DEACTIVATE_AGENT':
      return deactivateAgent(m, call.deactivate_agent?.agent_id.value ?? '');
    case 'REACTIVATE_AGENT':
      return reactivateAgent(m, call.reactivate_agent?.agent_id.value ?? '');
    case 'TEARDOWN': {
      const framework = m.frameworks.get(call.teardown?.framework_id.value ?? '');
      if (framework === undefined) return 'No framework found with specified ID';
      removeFramework(m, framework);
      return undefined;
    }
    case 'MARK_AGENT_GONE':
      return markGone(m, call.mark_agent_gone?.agent_id.value ?? '')
        ? undefined
        : 'Agent not found';
    default:
      // What is not emulated is answered as a call that Mesos does not know.
      return "Failed to validate master::Call: Expecting 'type' to be present";
  }
}
