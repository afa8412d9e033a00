import type {
  FrameworkInfo,
  OfferOperation,
  SchedulerCall,
  SchedulerCallReconcileTask,
  SchedulerCallKill,
  TaskStatus,
} from '../../proto/mesos/generated/messages.ts';

/** The calls of the scheduler API that we make. TEARDOWN is none of them: it would kill every task. */

export interface FrameworkConfig {
  clusterName: string;
  /** Unix user that tasks run as. */
  user: string;
  roles: readonly string[];
  principal?: string | undefined;
  failoverTimeoutSeconds: number;
  /** Host name of this process, for people who look at the master's page. */
  hostname?: string | undefined;
}

const capabilities = [
  'PARTITION_AWARE',
  'TASK_KILLING_STATE',
  'MULTI_ROLE',
  'RESERVATION_REFINEMENT',
  'REGION_AWARE',
] as const;

export function frameworkInfo(config: FrameworkConfig, id: string | undefined): FrameworkInfo {
  const { clusterName, user, roles, principal, failoverTimeoutSeconds, hostname } = config;
  return {
    name: `mesocosm-${clusterName}`,
    user,
    roles: [...roles],
    checkpoint: true,
    failover_timeout: failoverTimeoutSeconds,
    capabilities: capabilities.map((type) => ({ type })),
    ...(id === undefined ? {} : { id: { value: id } }),
    ...(principal === undefined ? {} : { principal }),
    ...(hostname === undefined ? {} : { hostname }),
  };
}

/** `suppressed`: no offers, for now; REVIVE asks for them. */
export function subscribeCall(
  config: FrameworkConfig,
  id: string | undefined,
  suppressed: boolean,
): SchedulerCall {
  return {
    type: 'SUBSCRIBE',
    ...(id === undefined ? {} : { framework_id: { value: id } }),
    subscribe: {
      framework_info: frameworkInfo(config, id),
      ...(suppressed ? { suppressed_roles: [...config.roles] } : {}),
    },
  };
}

const offerIdsOf = (ids: readonly string[]): { value: string }[] => ids.map((value) => ({ value }));

/** What the operations leave over is not refused: it is offered again at once. */
export function acceptCall(offers: readonly string[], operations: OfferOperation[]): SchedulerCall {
  return {
    type: 'ACCEPT',
    accept: { offer_ids: offerIdsOf(offers), operations, filters: { refuse_seconds: 0 } },
  };
}

export function declineCall(offers: readonly string[], refuseSeconds: number): SchedulerCall {
  return {
    type: 'DECLINE',
    decline: { offer_ids: offerIdsOf(offers), filters: { refuse_seconds: refuseSeconds } },
  };
}

/** We agree to leave: the tasks go as the budgets of their Jobs allow. */
export function acceptInverseCall(offers: readonly string[]): SchedulerCall {
  return {
    type: 'ACCEPT_INVERSE_OFFERS',
    accept_inverse_offers: { inverse_offer_ids: offerIdsOf(offers) },
  };
}

export function reviveCall(roles: readonly string[]): SchedulerCall {
  return { type: 'REVIVE', revive: { roles: [...roles] } };
}

export function suppressCall(roles: readonly string[]): SchedulerCall {
  return { type: 'SUPPRESS', suppress: { roles: [...roles] } };
}

export function killCall(kill: SchedulerCallKill): SchedulerCall {
  return { type: 'KILL', kill };
}

/** Without tasks it is implicit: the master reports every task that it knows to live. */
export function reconcileCall(tasks: readonly SchedulerCallReconcileTask[]): SchedulerCall {
  return { type: 'RECONCILE', reconcile: tasks.length === 0 ? {} : { tasks: [...tasks] } };
}

/** Undefined for an update that must not be acknowledged: the master made it. */
export function acknowledgeCall(update: TaskStatus): SchedulerCall | undefined {
  const { uuid, agent_id, task_id } = update;
  if (uuid === undefined || agent_id === undefined) return undefined;
  return { type: 'ACKNOWLEDGE', acknowledge: { uuid, agent_id, task_id } };
}
