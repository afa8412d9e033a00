import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { httpsTransport, type HttpsTransport } from '../../api/client/https.ts';
import { loadKubeconfig } from '../../api/client/kubeconfig.ts';
import { systemClock } from '../../api/machinery/clock.ts';
import { findCondition } from '../../api/machinery/conditions.ts';
import { agentResource } from '../../api/v1/agent.ts';
import { eventResource } from '../../api/v1/core.ts';
import { jobResource } from '../../api/v1/job.ts';
import { networkResource } from '../../api/v1/network.ts';
import type { Task } from '../../api/v1/task.ts';
import { eventually, TestCluster } from '../support/cluster.ts';
import { change, liveTasksOf, namespace, remove, running, service } from './support/jobs.ts';
import { mirrored } from './support/laws.ts';

// Real processes in real network namespaces. twin-net's IPAM gives one address to everybody; agent2
// does not have it, which its operator says.
let cluster: TestCluster;
let http: HttpsTransport;
let twinAddress: string;

const listed = (networks: string) => ({ cni_networks: networks, cni_networks_complete: 'true' });

beforeAll(async () => {
  cluster = await TestCluster.start({
    emulator: {
      mode: 'process',
      agents: [
        { hostname: 'agent1.test', attributes: listed('dev-net,data-net,twin-net') },
        { hostname: 'agent2.test', attributes: listed('dev-net') },
      ],
    },
  });
  twinAddress = writeTwinNetwork(join(cluster.emulator.workDir, 'cni/conf'));
  for (const name of ['twin-net', 'edge-net']) {
    await cluster.client.of(networkResource).create({
      apiVersion: 'mesocosm.dev/v1',
      kind: 'Network',
      metadata: { name },
      spec: {},
    });
  }
  const { access } = await loadKubeconfig({ path: cluster.kubeconfig, home: '/' });
  http = httpsTransport({ access, clock: systemClock(), userAgent: 'test' });
});
afterAll(async () => {
  await http.close();
  await cluster.stop();
});

const bridge = z.looseObject({ ipam: z.object({ subnet: z.string() }) });

/** dev-net with another IPAM; answers with its only address. */
function writeTwinNetwork(directory: string): string {
  const config = bridge.parse(JSON.parse(readFileSync(join(directory, 'dev-net.json'), 'utf8')));
  const address = config.ipam.subnet.replace('.0/24', '.251');
  const ipam = { type: 'static', addresses: [{ address: `${address}/24` }] };
  writeFileSync(
    join(directory, 'twin-net.json'),
    JSON.stringify({ ...config, name: 'twin-net', ipam }),
  );
  return address;
}

const on = (...networks: string[]) => ({
  template: {
    networks: networks.map((name) => ({ name })),
    terminationGracePeriodSeconds: 2,
  },
  container: {
    script: `exec node -e 'require("node:http").createServer((_, r) => r.end()).listen(8080, "::")'`,
    resources: { requests: { cpu: '100m', memory: '96Mi' } },
  },
});

const conflictOf = ({ status }: Task) => findCondition(status?.conditions, 'AddressConflict');

async function metric(line: string): Promise<boolean> {
  const { code, body } = await http.request({ method: 'GET', path: '/metrics' });
  return code === 200 && String(body).includes(`\n${line}\n`);
}

const hostsOf = (tasks: readonly Task[]): (string | undefined)[] =>
  tasks.map(({ status }) => status?.mesos?.agentHostname);

describe('an IPAM that gives one address twice', { timeout: 180_000 }, () => {
  it('is told on both tasks, in Events and in the metrics, until it is over', async () => {
    const jobs = cluster.client.of(jobResource);
    await jobs.create(service('twins', { replicas: 2, published: true, ...on('twin-net') }));
    const twins = await eventually('both say so', async () => {
      const tasks = await running(cluster.client, 'twins', 2);
      return tasks.every((task) => conflictOf(task)?.status === 'True') && tasks;
    });
    for (const [task, other] of [twins, [...twins].reverse()]) {
      if (task === undefined || other === undefined) throw new Error('there are not two');
      expect(task.status?.ips).toEqual([twinAddress]);
      expect(conflictOf(task)?.message).toBe(
        `${namespace}/${other.metadata.name} on agent agent1.test has ${twinAddress} on CNI network "twin-net" too`,
      );
      const events = await eventually('an Event', async () => {
        const { items } = await cluster.client.of(eventResource).list({ namespace });
        const found = items.filter(
          ({ involvedObject, reason }) =>
            involvedObject.uid === task.metadata.uid && reason === 'AddressConflict',
        );
        return found.length > 0 && found;
      });
      expect(events).toMatchObject([{ type: 'Warning', count: 1 }]);
    }
    await expect
      .poll(() => metric('mesocosm_duplicate_addresses{network="twin-net"} 1'))
      .toBe(true);
    await expect.poll(() => metric('mesocosm_tasks{phase="Running"} 2')).toBe(true);
    await mirrored(cluster, 'twins');

    await change(cluster.client, 'twins', { replicas: 1 });
    await eventually('it is over', async () => {
      const [task, ...rest] = await liveTasksOf(cluster.client, 'twins');
      return rest.length === 0 && task !== undefined && conflictOf(task)?.status === 'False';
    });
    await expect
      .poll(() => metric('mesocosm_duplicate_addresses{network="twin-net"} 1'))
      .toBe(false);
    await remove(cluster.client, 'twins');
  });

  it('keeps its metrics from whoever has no certificate', async () => {
    const { access } = await loadKubeconfig({ path: cluster.kubeconfig, home: '/' });
    const { server, ca } = access;
    const stranger = httpsTransport({
      access: { server, ...(ca === undefined ? {} : { ca }) },
      clock: systemClock(),
      userAgent: 'stranger',
    });
    expect((await stranger.request({ method: 'GET', path: '/metrics' })).code).toBe(401);
    await stranger.close();
  });
});

describe('agents that do not have all networks', { timeout: 180_000 }, () => {
  it('get the tasks whose networks they have, and show them', async () => {
    const jobs = cluster.client.of(jobResource);
    await jobs.create(service('some', { replicas: 2, ...on('dev-net', 'data-net') }));
    const tasks = await running(cluster.client, 'some', 2);
    expect(hostsOf(tasks)).toEqual(['agent1.test', 'agent1.test']);
    const dev = on('dev-net');
    const apart = { constraints: [{ attribute: 'hostname', operator: 'Unique' as const }] };
    const template = { ...dev.template, ...apart };
    await jobs.create(service('both', { replicas: 2, ...dev, template }));
    expect(hostsOf(await running(cluster.client, 'both', 2)).sort()).toEqual([
      'agent1.test',
      'agent2.test',
    ]);
    const { status } = await cluster.client.of(agentResource).get({ name: 'agent2.test' });
    expect(status?.networks).toEqual([{ cniName: 'dev-net', source: 'Attribute' }]);
  });

  it('are named to a task that finds no other', async () => {
    await cluster.client.of(jobResource).create(service('nowhere', on('edge-net')));
    await eventually('it says so', async () => {
      const [task] = await liveTasksOf(cluster.client, 'nowhere');
      const message = findCondition(task?.status?.conditions, 'Scheduled')?.message ?? '';
      // Until there is an offer it can only say that there is none.
      if (/without network edge-net \(agent[12]\.test(, agent2\.test)?\)/.test(message))
        return true;
      throw new Error(`it says: ${message}`);
    });
  });
});
