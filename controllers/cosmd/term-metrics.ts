import { findCondition } from '../../api/machinery/conditions.ts';
import type { Metrics, Sample } from '../../api/machinery/metrics.ts';
import type { AddressClaim } from '../../api/v1/address-claim.ts';
import { phaseOf, taskPhases, type Task } from '../../api/v1/task.ts';
import { Census } from '../runtime/census.ts';
import type { Controller } from '../runtime/controller.ts';
import type { Informer } from '../runtime/informer.ts';

export interface TermMetricsOptions {
  metrics: Metrics;
  informers: {
    tasks: Pick<Informer<Task>, 'onChange'>;
    claims: Pick<Informer<AddressClaim>, 'onChange'>;
  };
  controllers: readonly Controller[];
  /** Addresses that several live tasks have, by CNI network. */
  duplicates: () => ReadonlyMap<string, number>;
  /** Aborts when the term ends: what a leader alone knows is then not told any more. */
  signal: AbortSignal;
}

/** What only the leader can tell. */
export function registerTermMetrics(options: TermMetricsOptions): void {
  const { metrics, informers, controllers, duplicates, signal } = options;
  const phases = new Census(informers.tasks, phaseOf);
  const claims = new Census(informers.claims, ({ status }) => status?.state ?? 'Held');
  const waiting = new Census(informers.tasks, waitsFor);
  const queues = (value: (controller: Controller) => number) => (): Sample[] =>
    controllers.map((one) => ({ labels: { name: one.name }, value: value(one) }));
  const gauge = (name: string, help: string, read: () => Iterable<Sample>): (() => void) =>
    metrics.collect('gauge', name, help, read);
  const count = (name: string, help: string, read: () => Iterable<Sample>): (() => void) =>
    metrics.collect('counter', name, help, read);
  const remove = [
    gauge('mesocosm_leading', 'Present in the process that leads.', () => [{ value: 1 }]),
    gauge('mesocosm_tasks', 'Tasks that there are, dead ones that are kept too.', () =>
      taskPhases.map((phase) => ({ labels: { phase }, value: phases.counts.get(phase) ?? 0 })),
    ),
    gauge('mesocosm_address_claims', 'AddressClaims that there are.', () =>
      samplesOf('state', claims.counts),
    ),
    gauge(
      'mesocosm_tasks_waiting_for_address',
      'Tasks that are not launched because they do not hold a claim yet.',
      () => samplesOf('reason', waiting.counts),
    ),
    gauge(
      'mesocosm_duplicate_addresses',
      'Addresses that several live tasks have at once, by CNI network.',
      () => samplesOf('network', duplicates()),
    ),
    gauge(
      'workqueue_depth',
      'Keys that wait.',
      queues(({ depth }) => depth),
    ),
    count(
      'workqueue_adds_total',
      'Keys that came to be worked on, in this term.',
      queues(({ added }) => added),
    ),
    count(
      'workqueue_retries_total',
      'Reconciliations that failed, in this term.',
      queues(({ retried }) => retried),
    ),
  ];
  const end = (): void => remove.forEach((one) => one());
  if (signal.aborted) end();
  else signal.addEventListener('abort', end, { once: true });
}

function samplesOf(label: string, counts: ReadonlyMap<string, number>): Sample[] {
  return [...counts].map(([key, value]) => ({ labels: { [label]: key }, value }));
}

function waitsFor(task: Task): string | undefined {
  if (phaseOf(task) !== 'Pending') return undefined;
  const reason = findCondition(task.status?.conditions, 'Scheduled')?.reason;
  return reason === 'AddressTaken' || reason === 'ClaimPending' ? reason : undefined;
}
