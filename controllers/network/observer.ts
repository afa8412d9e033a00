import { createHash } from 'node:crypto';
import type { Logger } from 'pino';
import type { Client } from '../../api/client/client.ts';
import { timestamp, type Clock } from '../../api/machinery/clock.ts';
import { isApiError } from '../../api/machinery/errors.ts';
import type { Counter } from '../../api/machinery/metrics.ts';
import type { Agent } from '../../api/v1/agent.ts';
import { phaseOf, taskResource, type Task } from '../../api/v1/task.ts';
import { CodecError } from '../../proto/mesos/errors.ts';
import type { AgentResponseGetContainersContainer } from '../../proto/mesos/generated/messages.ts';
import type { AgentClient } from '../../proto/mesos/operator-client.ts';
import { MesosRequestError, type MesosAddress } from '../../proto/mesos/transport.ts';
import { Controller } from '../runtime/controller.ts';
import type { EventRecorder } from '../runtime/event-recorder.ts';
import type { Informer } from '../runtime/informer.ts';
import { driftOf } from './drift.ts';

/** How agents are asked. */
export type AgentAccess = (address: MesosAddress) => Pick<AgentClient, 'getContainers'>;

export interface ObserverOptions {
  /** Fenced: every write is refused once somebody else leads. */
  client: Client;
  /** The informer of Tasks must have the indexers below. */
  caches: { agents: Informer<Agent>; tasks: Informer<Task> };
  agent: AgentAccess;
  /** Time between two questions to one agent, in milliseconds. */
  intervalMs: number;
  events: Pick<EventRecorder, 'record'>;
  /** Counts the differences that were mended. */
  drifts: Pick<Counter, 'inc'>;
  clock: Clock;
  logger: Logger;
}

const byAgent = 'network/agent';

/** Running Tasks with networks, by the id of their agent. */
export const observerIndexers = {
  [byAgent]: (task: Task): string[] => {
    const { mesos, networks = [] } = task.status ?? {};
    if (phaseOf(task) !== 'Running' || networks.length === 0) return [];
    return mesos?.agentId === undefined ? [] : [mesos.agentId];
  },
};

/** Agents asked at the same time. */
const concurrency = 4;

/**
 * Compares the addresses of Tasks with what their agents say, each agent once in an interval, at a time
 * of its own. A difference is told and mended. An agent that does not answer changes nothing, and
 * neither does an answer that a newer state of the Task has overtaken: the next round looks again.
 */
export function createAddressObserver(options: ObserverOptions): Controller {
  const { caches, clock, logger, intervalMs } = options;
  const scheduled = new Set<string>();
  const controller = new Controller({
    name: 'address-observer',
    waitFor: Object.values(caches),
    clock,
    logger,
    concurrency,
    reconcile: async (name, signal) => {
      const agent = caches.agents.get(name);
      if (agent === undefined) return {};
      await observe(options, agent, signal);
      return { requeueAfterMs: intervalMs };
    },
  });
  caches.agents.onChange(({ type, object: { metadata } }) => {
    const { name } = metadata;
    if (type === 'deleted') scheduled.delete(name);
    else if (!scheduled.has(name)) {
      scheduled.add(name);
      controller.enqueueAfter(name, Math.ceil(shareOf(name) * intervalMs));
    }
  });
  return controller;
}

/** A number below 1 that is the agent's own: it spreads them over the interval. */
function shareOf(name: string): number {
  return createHash('sha256').update(name).digest().readUInt32BE() / 2 ** 32;
}

async function observe(
  options: ObserverOptions,
  { metadata, status }: Agent,
  signal: AbortSignal,
): Promise<void> {
  const { caches, logger } = options;
  if (status?.id === undefined || status.address === undefined || status.active !== true) return;
  // As they are before the question: what is written meanwhile is newer than the answer.
  const tasks = caches.tasks.byIndex(byAgent, status.id);
  const hostname = status.address.ip ?? status.hostname;
  if (tasks.length === 0 || hostname === undefined) return;
  let containers: readonly AgentResponseGetContainersContainer[];
  try {
    const answer = await options
      .agent({ hostname, port: status.address.port })
      .getContainers(signal);
    containers = answer.containers ?? [];
  } catch (error) {
    if (!(error instanceof MesosRequestError || error instanceof CodecError)) throw error;
    logger.debug({ err: error, agent: metadata.name }, 'an agent did not tell its containers');
    return;
  }
  for (const task of tasks) await mend(options, task, containers);
}

async function mend(
  { client, events, drifts, clock, logger }: ObserverOptions,
  task: Task,
  containers: readonly AgentResponseGetContainersContainer[],
): Promise<void> {
  const drift = driftOf(task, containers, timestamp(clock));
  if (drift === undefined) return;
  const { namespace, name } = task.metadata;
  try {
    const mended = await client.of(taskResource).updateStatus({ ...task, status: drift.status });
    logger.warn({ task: `${namespace ?? ''}/${name}` }, drift.message);
    drifts.inc();
    events.record(mended, 'Warning', 'AddressDrift', drift.message);
  } catch (error) {
    if (!isApiError(error, 'Conflict', 'NotFound')) throw error;
    logger.debug({ task: `${namespace ?? ''}/${name}` }, 'the answer of an agent was overtaken');
  }
}
