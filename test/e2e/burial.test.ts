import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findCondition } from '../../api/machinery/conditions.ts';
import { jobResource } from '../../api/v1/job.ts';
import { serverSetResource } from '../../api/v1/serverset.ts';
import { mesosTaskId, phaseOf } from '../../api/v1/task.ts';
import { eventually, TestCluster } from '../support/cluster.ts';
import { liveTasksOf, namespace, pathOf, running, service } from './support/jobs.ts';
import { mirrored } from './support/laws.ts';

const run = promisify(execFile);
const program = fileURLToPath(new URL('../../.local/bin/cosm', import.meta.url));

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start({
    emulator: { agents: 2, timings: { agentPingTimeout: 500, maxAgentPingTimeouts: 2 } },
  });
});
afterAll(() => cluster.stop());

describe('a Job of which a task is unreachable for ever', { timeout: 180_000 }, () => {
  it('is deleted once an operator declares the task dead, which is killed if it returns', async () => {
    const constraints = [{ attribute: 'hostname', operator: 'Unique' as const }];
    const job = service('lost', { replicas: 2, published: true, template: { constraints } });
    await cluster.client.of(jobResource).create(job);
    const [task] = await running(cluster.client, 'lost', 2);
    if (task === undefined) throw new Error('there is no task');
    await mirrored(cluster, 'lost');
    const hostname = task.status?.mesos?.agentHostname;
    const agent = cluster.emulator.agents.findIndex((each) => each.hostname === hostname);
    await cluster.emulator.pauseAgent(agent);
    await eventually('the task is Unreachable', async () =>
      (await liveTasksOf(cluster.client, 'lost')).some((each) => phaseOf(each) === 'Unreachable'),
    );

    await cluster.client.of(jobResource).delete({ namespace, name: 'lost' });
    const message = await eventually('the Job waits for it, and says so', async () => {
      const found = await cluster.client.of(jobResource).get({ namespace, name: 'lost' });
      const stalled = findCondition(found.status?.conditions, 'Stalled');
      return stalled?.status === 'True' && stalled.message;
    });
    expect(message).toContain('cosm delete task NAME --confirm-dead');
    const env = { ...process.env, KUBECONFIG: cluster.kubeconfig };
    await run(program, ['delete', `task/${task.metadata.name}`, '--confirm-dead'], { env });
    await eventually('Job and ServerSet are gone', async () => {
      const found = await cluster.client.of(jobResource).find({ namespace, name: 'lost' });
      const set = await cluster.client.of(serverSetResource).find({ namespace, name: 'lost' });
      return found === undefined && set === undefined;
    });
    expect((await cluster.members(pathOf('lost'))).size).toBe(0);

    await cluster.emulator.resumeAgent(agent);
    const id = mesosTaskId(task);
    await eventually('Mesos has killed what returned', async () => {
      const { completed_tasks: ended = [] } = await cluster.mesos.getTasks();
      return ended.some(({ task_id, state }) => task_id.value === id && state === 'TASK_KILLED');
    });
  });
});
