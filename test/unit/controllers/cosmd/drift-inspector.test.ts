import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Client } from '../../../../api/client/client.ts';
import { createClient } from '../../../../api/client/resource-client.ts';
import { systemClock } from '../../../../api/machinery/clock.ts';
import { namespaceResource } from '../../../../api/v1/core.ts';
import { frameworkResource } from '../../../../api/v1/framework.ts';
import { jobResource } from '../../../../api/v1/job.ts';
import { taskResource, type Task } from '../../../../api/v1/task.ts';
import { DriftInspector } from '../../../../controllers/cosmd/drift/inspector.ts';
import type { DriftSources } from '../../../../controllers/cosmd/drift/sources.ts';
import { startHarness, type Harness } from '../../api/server/support/harness.ts';
import { clusterName } from '../serverset/objects.ts';
import { containerOf, run, world } from './drift-world.ts';

let api: Harness;
let client: Client;
/** What was asked, in order. */
let asked: string[];
/** Whether Mesos has the task, by how often it was asked. */
let mesosHas: (look: number) => boolean;
/** Something that happens while the others are read. */
let meanwhile: () => Promise<void>;

const signal = new AbortController().signal;
const ref = { namespace: 'prod', name: 'web' };
// Nothing about members here: they have tests of their own.
const made = run({ spec: { networks: [] }, status: { networks: [] } });
const task = { ...made, metadata: { ...made.metadata, name: 'web-0-a' } };

beforeEach(async () => {
  api = await startHarness();
  client = createClient(api.transport);
  asked = [];
  mesosHas = () => true;
  meanwhile = () => Promise.resolve();
  const { job } = world(1);
  await client.of(namespaceResource).create({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'prod' },
  });
  const container = {
    name: 'main',
    script: 'x',
    resources: { requests: { cpu: 1, memory: '1Mi' } },
  };
  const created = await client.of(jobResource).create({
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Job',
    metadata: ref,
    spec: { replicas: 1, template: { spec: { containers: [container] } } },
  });
  const { generation } = created.metadata;
  await client
    .of(jobResource)
    .updateStatus({ ...created, status: { ...job.status, observedGeneration: generation } });
  const framework = await client.of(frameworkResource).create({
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Framework',
    metadata: { name: 'east' },
    spec: {},
  });
  const registered = { id: 'F1', state: 'Subscribed' as const };
  await client.of(frameworkResource).updateStatus({ ...framework, status: registered });
  await launch(task);
});
afterEach(() => api.stop());

async function launch({ metadata, spec, status }: Task): Promise<void> {
  const { name, namespace, labels } = metadata;
  const resources = { requests: { cpu: 1, memory: '1Mi' } };
  const containers = spec.containers.map((container) => ({ ...container, resources }));
  const created = await client.of(taskResource).create({
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Task',
    metadata: { name, namespace, labels },
    spec: { ...spec, containers },
  });
  const taskId = `prod.${name}`;
  const stored: Task['status'] = {
    ...(status ?? { phase: 'Running' as const }),
    mesos: { ...status?.mesos, taskId, containerId: `C-${name}` },
    containers: [{ name: 'main', taskId, state: 'TASK_RUNNING' }],
  };
  await client.of(taskResource).updateStatus({ ...created, status: stored });
}

const sources: DriftSources = {
  tasks: async (maxAgeMs) => {
    asked.push(`master ${maxAgeMs}`);
    const look = asked.filter((each) => each.startsWith('master')).length;
    await meanwhile();
    const one = {
      name: 'x',
      task_id: { value: 'prod.web-0-a' },
      framework_id: { value: 'F1' },
      agent_id: { value: 'S0' },
      state: 'TASK_RUNNING' as const,
    };
    return { value: { tasks: mesosHas(look) ? [one] : [] } };
  },
  containers: ({ hostname }) => {
    asked.push(hostname);
    return Promise.resolve({ value: [containerOf(task)] });
  },
  members: (path) => {
    asked.push(path);
    return Promise.resolve({ value: [] });
  },
};

function inspector(): DriftInspector {
  return new DriftInspector({ client, sources, clusterName, clock: systemClock() });
}

describe('an inspection', () => {
  it('asks the master, and the agents of the tasks in question, once', async () => {
    expect(await inspector().job(ref, signal)).toMatchObject({
      kind: 'JobDrift',
      metadata: { ...ref, uid: expect.any(String) as string },
      verdict: 'Agrees',
    });
    expect(asked).toEqual(['master 1000', 's0.test']);
  });

  it('looks a second time, at nothing old, before it tells of drift', async () => {
    mesosHas = (look) => look > 1;
    expect(await inspector().job(ref, signal)).toMatchObject({ verdict: 'Agrees' });
    expect(asked).toEqual(['master 1000', 's0.test', 'master 0', 's0.test']);
    mesosHas = () => false;
    expect(await inspector().job(ref, signal)).toMatchObject({ verdict: 'Drift' });
  });

  it('takes what was written meanwhile for the reason', async () => {
    mesosHas = () => false;
    meanwhile = async () => {
      const patch = { metadata: { annotations: { touched: String(asked.length) } } };
      const named = { namespace: 'prod', name: 'web-0-a' };
      await client.of(taskResource).patch(named, patch, { type: 'merge' });
    };
    expect(await inspector().job(ref, signal)).toMatchObject({
      verdict: 'Moving',
      instances: [{ findings: [{ verdict: 'Moving', reason: 'UnknownToMesos' }] }],
    });
  });

  it('refuses a Job that there is not', async () => {
    await expect(inspector().job({ ...ref, name: 'nope' }, signal)).rejects.toMatchObject({
      reason: 'NotFound',
    });
  });

  it('finds what no Job explains', async () => {
    await client.of(jobResource).delete(ref);
    const named = { namespace: 'prod', name: 'web-0-a' };
    await client.of(taskResource).delete(named);
    expect(await inspector().framework('east', signal)).toMatchObject({
      kind: 'FrameworkDrift',
      metadata: { name: 'east' },
      verdict: 'Drift',
      unexplained: [{ reason: 'Orphan', mesosTask: { taskId: 'prod.web-0-a' } }],
    });
  });
});
