import {
  setCondition,
  type Condition,
  type ConditionInput,
} from '../../api/machinery/conditions.ts';
import type { ContainerStatus, Task, TaskStatus } from '../../api/v1/task.ts';
import type { Container } from '../../api/v1/template.ts';
import { noAnswer } from './check-result.ts';
import { describeProbe, loopbackHint, portNumbers } from './checks.ts';

/** Whether a Task may get traffic, and what people are told if not: pure functions. */

/** Ready and AddressesReady of a status whose other fields are final. */
export function conditionsOf(task: Task, status: TaskStatus, now: string): Condition[] {
  const addresses = addressesReady(status);
  const withAddresses = setCondition(status.conditions, addresses, now);
  return setCondition(withAddresses, readiness(task, status, addresses), now);
}

function addressesReady(status: TaskStatus): ConditionInput {
  const networks = status.networks ?? [];
  const type = 'AddressesReady';
  if (networks.length === 0) {
    return {
      type,
      status: 'True',
      reason: 'AgentNetwork',
      message: 'the task uses the network of its agent',
    };
  }
  const waiting = networks.filter(({ verdict }) => verdict !== 'Assigned');
  const [first] = waiting;
  if (first === undefined) {
    return {
      type,
      status: 'True',
      reason: 'Assigned',
      message: 'every network has assigned an address',
    };
  }
  const words = waiting.map(({ name, verdict, message }) => `${name}: ${message ?? verdict}`);
  return { type, status: 'False', reason: first.verdict, message: words.join('; ') };
}

interface Because {
  reason: string;
  message: string;
}

function readiness(task: Task, status: TaskStatus, addresses: ConditionInput): ConditionInput {
  const why = whyNotReady(task, status, addresses);
  if (why !== undefined) return { type: 'Ready', status: 'False', ...why };
  return {
    type: 'Ready',
    status: 'True',
    reason: 'Running',
    message: 'the task runs and its probes succeed',
  };
}

function whyNotReady(
  task: Task,
  status: TaskStatus,
  addresses: ConditionInput,
): Because | undefined {
  const killed = killedAsUnhealthy(task, status);
  if (killed !== undefined) return { reason: 'Unhealthy', message: unhealthyText(task, killed) };
  if (status.phase !== 'Running') {
    return { reason: status.phase, message: `the task is ${status.phase}` };
  }
  for (const container of task.spec.containers) {
    const seen = status.containers?.find(({ name }) => name === container.name);
    const why = containerNotReady(task, status, container, seen);
    if (why !== undefined) return why;
  }
  return addresses.status === 'True'
    ? undefined
    : { reason: 'AddressesMissing', message: addresses.message };
}

function containerNotReady(
  task: Task,
  status: TaskStatus,
  container: Container,
  seen: ContainerStatus | undefined,
): Because | undefined {
  const { name, livenessProbe, readinessProbe } = container;
  if (seen?.state !== 'TASK_RUNNING') {
    return {
      reason: 'ContainerNotRunning',
      message: `container ${name} is ${seen?.state ?? 'not reported'}`,
    };
  }
  const ports = portNumbers(task, status.ports ?? []);
  if (seen.healthy === false) {
    const what =
      livenessProbe === undefined
        ? ''
        : `: ${describeProbe(livenessProbe, ports)} does not succeed${loopbackHint(livenessProbe)}`;
    return { reason: 'Unhealthy', message: `the livenessProbe of container ${name} fails${what}` };
  }
  if (readinessProbe === undefined || seen.probe === 'Succeeded') return undefined;
  const what = describeProbe(readinessProbe, ports);
  if (seen.probe === undefined) {
    const message = `the readinessProbe of container ${name} has not succeeded yet: ${what}${loopbackHint(readinessProbe)}`;
    return { reason: 'ProbePending', message };
  }
  // A server that has once answered on loopback is bound to it, so the hint would mislead.
  const { probeMessage = 'failed' } = seen;
  const isUnheard = probeMessage === noAnswer || readinessProbe.grpc !== undefined;
  const hint = isUnheard ? loopbackHint(readinessProbe) : '';
  const message = `the readinessProbe of container ${name} fails: ${what} ${probeMessage}${hint}`;
  return { reason: 'ProbeFailing', message };
}

/**
 * The container that Mesos has ended over its livenessProbe, of a Task whose end nobody asked for before:
 * the last that was heard of it alive is that it was unhealthy. The others of a group end with it, later,
 * and Mesos says of all of them that they were unhealthy.
 */
export function killedAsUnhealthy(
  { spec }: Task,
  { containers = [] }: TaskStatus,
): string | undefined {
  if (spec.stop !== undefined && spec.stop.reason !== 'Unhealthy') return undefined;
  const probed = new Set(
    spec.containers
      .filter(({ livenessProbe }) => livenessProbe !== undefined)
      .map(({ name }) => name),
  );
  const [first] = containers
    .filter(
      ({ name, state, healthy, reason }) =>
        probed.has(name) &&
        (state === 'TASK_KILLING' || state === 'TASK_KILLED') &&
        healthy === false &&
        reason !== 'REASON_AGENT_DRAINING',
    )
    .sort((left, right) => (left.endingTimestamp ?? 0) - (right.endingTimestamp ?? 0));
  return first?.name;
}

export function unhealthyText({ spec }: Task, container: string): string {
  const rest = spec.containers.length > 1 ? ', and with it the whole group' : '';
  return `the livenessProbe of container ${container} failed: Mesos has killed it${rest}`;
}
