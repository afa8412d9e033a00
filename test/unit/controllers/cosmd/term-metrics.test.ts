import { afterEach, beforeEach, expect, it } from 'vitest';
import { Metrics } from '../../../../api/machinery/metrics.ts';
import { addressClaimResource } from '../../../../api/v1/address-claim.ts';
import { taskResource, type TaskStatus } from '../../../../api/v1/task.ts';
import { registerTermMetrics } from '../../../../controllers/cosmd/term-metrics.ts';
import { Controller } from '../../../../controllers/runtime/controller.ts';
import { Informer } from '../../../../controllers/runtime/informer.ts';
import { runAll } from '../../../../controllers/runtime/manager.ts';
import { claimOf } from '../network/claim-objects.ts';
import { silent, startApi, until, type TestApi } from '../runtime/api.ts';
import { draftTask, offerNetworks } from '../scheduler/harness.ts';

let api: TestApi;
let metrics: Metrics;
let term: AbortController;
let loop: Controller;
let running: Promise<void>;

beforeEach(async () => {
  api = await startApi();
  await offerNetworks(api.client, 'dev-net');
  metrics = new Metrics();
  term = new AbortController();
  const { clock, random, client } = api;
  const common = { clock, random, logger: silent };
  const informers = {
    tasks: new Informer({ client: client.of(taskResource), ...common }),
    claims: new Informer({ client: client.of(addressClaimResource), ...common }),
  };
  loop = new Controller({
    name: 'loop',
    reconcile: (key) => (key === 'bad' ? Promise.reject(new Error(key)) : Promise.resolve({})),
    waitFor: [],
    rateLimits: { baseMs: 3_600_000, capMs: 3_600_000, perSecond: 1, burst: 1 },
    ...common,
  });
  registerTermMetrics({
    metrics,
    informers,
    controllers: [loop],
    duplicates: () => new Map([['dev-net', 2]]),
    signal: term.signal,
  });
  running = runAll([...Object.values(informers), loop], term.signal, silent);
});
afterEach(async () => {
  term.abort();
  await running;
  await api.stop();
});

const told = (line: string): Promise<void> =>
  until(api.clock, () => metrics.text().includes(`\n${line}\n`));

async function become(name: string, status: TaskStatus): Promise<void> {
  const tasks = api.client.of(taskResource);
  await tasks.updateStatus({ ...(await tasks.get({ namespace: 'prod', name })), status });
}

it('a leader tells tasks by phase, claims by state and who waits, as they are now', async () => {
  for (const name of ['web-0-b', 'web-1-c']) {
    await api.client.of(taskResource).create(draftTask(name));
  }
  await told('mesocosm_tasks{phase="Pending"} 2');
  await become('web-0-b', { phase: 'Running' });
  const scheduled = {
    type: 'Scheduled',
    status: 'False' as const,
    reason: 'AddressTaken',
    message: 'somebody has it',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  };
  await become('web-1-c', { phase: 'Pending', conditions: [scheduled] });
  await told('mesocosm_tasks_waiting_for_address{reason="AddressTaken"} 1');
  expect(metrics.text()).toContain('mesocosm_tasks{phase="Running"} 1\n');
  await become('web-1-c', { phase: 'Killed', conditions: [scheduled] });
  await told('mesocosm_tasks_waiting_for_address{reason="AddressTaken"} 0');
  const { apiVersion, kind, metadata, spec } = claimOf('10.0.0.5', 'web-0-b', 'web');
  const { name, finalizers } = metadata;
  const claims = api.client.of(addressClaimResource);
  await claims.create({
    apiVersion,
    kind,
    metadata: { name, ...(finalizers === undefined ? {} : { finalizers }) },
    spec,
  });
  await told('mesocosm_address_claims{state="Held"} 1');
  expect(metrics.text()).toContain('mesocosm_duplicate_addresses{network="dev-net"} 2\n');
});

it('a leader tells how its loops fare', async () => {
  for (const key of ['good', 'bad']) loop.enqueue(key);
  await told('workqueue_retries_total{name="loop"} 1');
  expect(metrics.text()).toContain('workqueue_adds_total{name="loop"} 2\n');
  expect(metrics.text()).toContain('workqueue_depth{name="loop"} 0\n');
});

it('who leads no more tells nothing of it', () => {
  expect(metrics.text()).toContain('mesocosm_leading 1\n');
  term.abort();
  expect(metrics.text()).toBe('');
});
