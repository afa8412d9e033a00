import type {
  FrameworkInfo,
  MasterEvent,
  SchedulerCallSubscribe,
} from '../../../proto/mesos/generated/messages.ts';
import { allocateSoon, clearFilters } from './allocator.ts';
import { forgetInverseOffers } from './inverse-offers.ts';
import {
  frameworkRoles,
  hasCapability,
  newFramework,
  type EventStream,
  type FrameworkRecord,
  type MasterState,
} from './state.ts';
import { frameworkEventView } from './views.ts';

/**
 * SUBSCRIBE on a stream whose response head is already sent: a refusal is an ERROR event and the
 * end of the stream. Returns the id of the framework that now owns the stream, if any.
 */
export function subscribe(
  m: MasterState,
  stream: EventStream,
  { framework_info: info, suppressed_roles }: SchedulerCallSubscribe,
): string | undefined {
  const id = info.id?.value;
  const problem =
    validateFrameworkInfo(info) ??
    (id !== undefined && m.completedFrameworks.has(id) ? 'Framework has been removed' : undefined);
  if (problem !== undefined) {
    stream.send({ type: 'ERROR', error: { message: problem } });
    stream.end();
    return undefined;
  }
  const known = id === undefined ? undefined : m.frameworks.get(id);
  const framework = known ?? newFramework(id ?? m.nextFrameworkId(), info, m.clock.now());
  if (known === undefined) m.frameworks.set(framework.id, framework);
  else takeOver(m, known, info);
  m.count(`messages_${known === undefined ? '' : 're'}register_framework`);
  attach(m, framework, stream);
  setSuppressed(framework, suppressed_roles ?? []);
  m.publish(() =>
    known === undefined
      ? { type: 'FRAMEWORK_ADDED', framework_added: { framework: frameworkEventView(framework) } }
      : frameworkUpdated(framework),
  );
  if (known !== undefined) {
    for (const { link } of m.agents.values()) {
      link?.send({ type: 'UPDATE_FRAMEWORK', framework_id: framework.id });
    }
  }
  return framework.id;
}

export function frameworkUpdated(framework: FrameworkRecord): MasterEvent {
  return {
    type: 'FRAMEWORK_UPDATED',
    framework_updated: { framework: frameworkEventView(framework) },
  };
}

function takeOver(m: MasterState, framework: FrameworkRecord, info: FrameworkInfo): void {
  const { stream } = framework;
  if (stream !== undefined) {
    framework.stream = undefined;
    stream.send({ type: 'ERROR', error: { message: 'Framework failed over' } });
    stream.end();
  }
  recoverOffers(m, framework);
  updateInfo(framework, info);
  framework.recovered = false;
  framework.reregistered = m.clock.now();
}

function attach(m: MasterState, framework: FrameworkRecord, stream: EventStream): void {
  framework.heartbeat?.cancel();
  framework.removal?.cancel();
  framework.removal = undefined;
  framework.stream = stream;
  stream.send({
    type: 'SUBSCRIBED',
    subscribed: {
      framework_id: { value: framework.id },
      heartbeat_interval_seconds: m.timings.heartbeatInterval / 1000,
      master_info: m.info,
    },
  });
  stream.send({ type: 'HEARTBEAT' });
  const beat = (): void => {
    framework.heartbeat = m.clock.after(m.timings.heartbeatInterval, () => {
      if (framework.stream !== stream) return;
      stream.send({ type: 'HEARTBEAT' });
      beat();
    });
  };
  beat();
  allocateSoon(m);
}

/** Name, user, checkpoint and principal stay as they were first: changes are silently ignored. */
export function updateInfo(framework: FrameworkRecord, info: FrameworkInfo): void {
  const { user, name, id, checkpoint, principal } = framework.info;
  framework.info = {
    ...info,
    user,
    name,
    ...(id === undefined ? {} : { id }),
    ...(checkpoint === undefined ? {} : { checkpoint }),
    ...(principal === undefined ? {} : { principal }),
  };
}

/** The framework's end of the stream is gone: it keeps its tasks for failover_timeout. */
export function streamClosed(m: MasterState, id: string, stream: EventStream): void {
  const framework = m.frameworks.get(id);
  if (framework?.stream !== stream) return;
  framework.stream = undefined;
  framework.heartbeat?.cancel();
  recoverOffers(m, framework);
  framework.filters.clear();
  scheduleRemoval(m, framework);
}

export function scheduleRemoval(m: MasterState, framework: FrameworkRecord): void {
  const seconds = framework.info.failover_timeout ?? 0;
  if (!(seconds > 0)) {
    removeFramework(m, framework);
    return;
  }
  framework.removal?.cancel();
  framework.removal = m.clock.after(Math.min(seconds * 1000, longestTimer), () => {
    removeFramework(m, framework);
  });
}

/** Node's timers take 31 bits of milliseconds: 24 days, longer than any emulated cluster lives. */
const longestTimer = 2 ** 31 - 1;

/** TEARDOWN or failover timeout: the tasks are killed and nobody hears of them any more. */
export function removeFramework(m: MasterState, framework: FrameworkRecord): void {
  const { stream } = framework;
  framework.stream = undefined;
  framework.heartbeat?.cancel();
  framework.removal?.cancel();
  stream?.end();
  recoverOffers(m, framework);
  for (const agent of m.agents.values()) {
    agent.link?.send({ type: 'SHUTDOWN_FRAMEWORK', framework_id: framework.id });
    for (const [key, executor] of agent.executors) {
      if (executor.frameworkId !== framework.id) continue;
      agent.executors.delete(key);
      m.recover(framework, agent, executor.resources);
    }
  }
  for (const record of [...framework.tasks.values()]) {
    m.removeTask(record, 'completed');
    record.task.state = 'TASK_KILLED';
  }
  framework.unregistered = m.clock.now();
  m.frameworks.delete(framework.id);
  m.completedFrameworks.set(framework.id, framework);
  m.publish(() => ({
    type: 'FRAMEWORK_REMOVED',
    framework_removed: { framework_info: framework.info },
  }));
}

export function revive(m: MasterState, framework: FrameworkRecord, roles: readonly string[]): void {
  clearFilters(framework, roles);
  for (const role of roles.length === 0 ? [...framework.suppressed] : roles) {
    framework.suppressed.delete(role);
  }
  allocateSoon(m);
}

export function suppress(framework: FrameworkRecord, roles: readonly string[]): void {
  for (const role of roles.length === 0 ? frameworkRoles(framework.info) : roles) {
    framework.suppressed.add(role);
  }
}

export function setSuppressed(framework: FrameworkRecord, roles: readonly string[]): void {
  framework.suppressed.clear();
  for (const role of roles) framework.suppressed.add(role);
}

function recoverOffers(m: MasterState, framework: FrameworkRecord): void {
  forgetInverseOffers(m, framework);
  for (const offer of [...framework.offers]) {
    m.removeOffer(offer);
    m.recover(framework, offer.agent, offer.resources);
  }
}

/** Longer than this (in seconds) does not fit Mesos' nanoseconds. */
const longestDuration = 2 ** 63 / 1e9;

function validateFrameworkInfo(info: FrameworkInfo): string | undefined {
  const multi = hasCapability(info, 'MULTI_ROLE');
  if (multi && info.role !== undefined) {
    return "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable";
  }
  if (!multi && info.roles !== undefined && info.roles.length > 0) {
    return "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable";
  }
  const seen = new Set<string>();
  for (const role of info.roles ?? []) {
    if (seen.has(role)) return `'FrameworkInfo.roles' contains duplicate items: ${role}`;
    seen.add(role);
    const problem = validateRole(role);
    if (problem !== undefined) return `'FrameworkInfo.roles' contains invalid role: ${problem}`;
  }
  const problem = info.role === undefined ? undefined : validateRole(info.role);
  if (problem !== undefined) return `'FrameworkInfo.role' is not a valid role: ${problem}`;
  const timeout = info.failover_timeout ?? 0;
  if (!Number.isFinite(timeout) || Math.abs(timeout) >= longestDuration) {
    return `The framework failover_timeout (${String(timeout)}) is invalid`;
  }
  return undefined;
}

function validateRole(role: string): string | undefined {
  if (role === '*') return undefined;
  if (role === '') return 'Empty role name is invalid';
  if (role.startsWith('/')) return `Role '${role}' cannot start with a slash`;
  if (role.endsWith('/')) return `Role '${role}' cannot end with a slash`;
  for (const part of role.split('/')) {
    if (part === '') return `Role '${role}' cannot contain two adjacent slashes`;
    if (part === '.' || part === '..' || part === '*') {
      return `Role '${role}' cannot include '${part}' as a component`;
    }
    if (part.startsWith('-'))
      return `Role component '${part}' is invalid because it begins with a dash`;
    if (/[\t\n\v\f\r \b\\]/.test(part)) {
      return `Role component '${part}' is invalid because it contains backspace or whitespace`;
    }
  }
  return undefined;
}
