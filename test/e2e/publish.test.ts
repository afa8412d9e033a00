import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { isIPv4, isIPv6 } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { jobResource } from '../../api/v1/job.ts';
import { mesosTaskId, type Task } from '../../api/v1/task.ts';
import type { NetworkAttachment } from '../../api/v1/template.ts';
import { eventually, TestCluster } from '../support/cluster.ts';
import { change, pathOf, remove, running, service, tasksOf } from './support/jobs.ts';
import { aliveOverTime, membersOf, mesosTasks, mirrored, taskOf } from './support/laws.ts';
import { zookeeperHistory } from './support/zookeeper-history.ts';

// Real processes in real network namespaces, made by real CNI plugins.
let cluster: TestCluster;
let notes: string;

beforeAll(async () => {
  notes = mkdtempSync(join(tmpdir(), 'mesocosm-notes-'));
  cluster = await TestCluster.start({ emulator: { mode: 'process', agents: 2 } });
});
afterAll(async () => {
  await cluster.stop();
  rmSync(notes, { recursive: true, force: true });
});

const networks: NetworkAttachment[] = [
  { name: 'dev-net' },
  { name: 'data-net', ipFamilies: ['IPv4', 'IPv6'] },
];

/** Answers with its name and addresses; writes down when it was told to end. */
const program = `exec node -e '
  const { COSM_TASK, COSM_IPS, NOTES } = process.env;
  const answer = COSM_TASK + " at " + COSM_IPS;
  require("node:http").createServer((_, response) => response.end(answer)).listen(8080, "::");
  process.on("SIGTERM", () => {
    require("node:fs").writeFileSync(NOTES + "/" + COSM_TASK, String(Date.now()));
    process.exit(0);
  });
'`;

const web = (name: string, replicas: number, drainSeconds = 0) =>
  service(name, {
    replicas,
    published: { drainSeconds },
    template: { networks },
    container: {
      script: program,
      env: [{ name: 'NOTES', value: notes }],
      resources: { requests: { cpu: '100m', memory: '96Mi' } },
      readinessProbe: { httpGet: { port: 'http', path: '/' }, periodSeconds: 0.5 },
    },
  });

/** What the machine has on behalf of the emulated cluster. */
function leftovers(): { namespaces: string[]; links: string[] } {
  const { bridges } = z
    .object({ bridges: z.array(z.string()) })
    .parse(JSON.parse(readFileSync(join(cluster.emulator.workDir, 'cni/networks.json'), 'utf8')));
  const links = bridges.flatMap((bridge) =>
    z
      .array(z.object({ ifname: z.string() }))
      .parse(JSON.parse(execFileSync('ip', ['-j', 'link', 'show', 'master', bridge]).toString()))
      .map(({ ifname }) => ifname),
  );
  const namespaces = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('nsfs ') && line.includes(cluster.emulator.workDir));
  return { namespaces, links };
}

function addressesOf(task: Task): { dev: string[]; data: string[] } {
  const on = (name: string): string[] =>
    task.status?.networks?.find((network) => network.name === name)?.ips ?? [];
  return { dev: on('dev-net'), data: on('data-net') };
}

async function answerOf(ip: string, port: number): Promise<string> {
  const url = `http://${isIPv6(ip) ? `[${ip}]` : ip}:${port}/`;
  return (await fetch(url, { signal: AbortSignal.timeout(5_000) })).text();
}

describe('a job of real processes on two CNI networks', { timeout: 180_000 }, () => {
  it('runs, has the addresses that CNI gave, answers on each, and is published by the right one', async () => {
    await cluster.client.of(jobResource).create(web('web', 3));
    const tasks = await running(cluster.client, 'web', 3);
    for (const task of tasks) {
      const { dev, data } = addressesOf(task);
      expect(dev).toEqual([expect.stringMatching(/^10\./)]);
      expect([data.filter((ip) => isIPv4(ip)), data.filter((ip) => isIPv6(ip))]).toEqual([
        [expect.any(String)],
        [expect.stringMatching(/^fd/)],
      ]);
      expect(task.status).toMatchObject({ ip: dev[0], ips: [...dev, ...data] });
      expect(task.status?.networks?.map(({ verdict, interface: name }) => [name, verdict])).toEqual(
        [
          ['eth0', 'Assigned'],
          ['eth1', 'Assigned'],
        ],
      );
      for (const ip of [...dev, ...data]) {
        const answer = `${task.metadata.name} at ${[...dev, ...data].join(' ')}`;
        expect(await answerOf(ip, 8080)).toBe(answer);
      }
    }
    expect(new Set(tasks.flatMap(({ status }) => status?.ips ?? [])).size).toBe(9);

    const members = await mirrored(cluster, 'web');
    for (const task of tasks) {
      const { dev, data } = addressesOf(task);
      const member = members.find((one) => taskOf(one) === task.metadata.uid);
      const [v4, v6] = [data.find((ip) => isIPv4(ip)), data.find((ip) => isIPv6(ip))];
      expect(member).toEqual({
        serviceEndpoint: { host: dev[0], port: 8080 },
        additionalEndpoints: {
          http: { host: dev[0], port: 8080, inet: dev[0] },
          'http.data-net': { host: v4, port: 8080, inet: v4 },
          'http.data-net.ipv6': { host: v6, port: 8080, inet6: v6 },
        },
        status: 'ALIVE',
        shard: task.spec.instance,
        metadata: { 'mesocosm.dev/cluster': 'test', 'mesocosm.dev/task': task.metadata.uid },
      });
    }
  });

  it('replaces a task that somebody else killed, and its member', async () => {
    const before = await running(cluster.client, 'web', 3);
    const victim = before[1];
    if (victim === undefined) throw new Error('there is no second task');
    await cluster.emulator.killTask(mesosTaskId(victim));
    const after = await eventually('another run of instance 1', async () => {
      const tasks = await running(cluster.client, 'web', 3);
      return tasks[1]?.metadata.uid !== victim.metadata.uid && tasks;
    });
    expect([after[0]?.metadata.uid, after[2]?.metadata.uid]).toEqual([
      before[0]?.metadata.uid,
      before[2]?.metadata.uid,
    ]);
    expect(after[1]?.spec).toMatchObject({ instance: 1, restarts: 1 });
    const dead = (await tasksOf(cluster.client, 'web')).find(
      ({ metadata }) => metadata.uid === victim.metadata.uid,
    );
    expect(dead?.status).toMatchObject({
      phase: 'Failed',
      mesos: { state: 'TASK_FAILED', message: 'Command terminated with signal Killed' },
    });
    expect(dead?.status?.ips ?? []).toEqual([]);
    const members = await mirrored(cluster, 'web');
    expect(members.map(taskOf)).not.toContain(victim.metadata.uid);
    expect(await answerOf(after[1]?.status?.ip ?? '', 8080)).toContain(after[1]?.metadata.name);
  });

  it('withdraws the members of a scaled down job before it ends their tasks', async () => {
    await cluster.client.of(jobResource).create(web('shrink', 3, 1));
    const tasks = await running(cluster.client, 'shrink', 3);
    await mirrored(cluster, 'shrink');
    await change(cluster.client, 'shrink', { replicas: 1 });
    const [kept] = await running(cluster.client, 'shrink', 1);
    expect(kept?.metadata.uid).toBe(tasks[0]?.metadata.uid);
    await mirrored(cluster, 'shrink');

    const history = aliveOverTime(await zookeeperHistory(cluster.zookeeper), pathOf('shrink'));
    for (const task of tasks.slice(1)) {
      const node = history.find(({ write }) => write.data?.includes(task.metadata.uid))?.write.path;
      const writes = history.map(({ write }) => write).filter(({ path }) => path === node);
      expect(
        writes.map(({ type, data }) => [type, /"status":"(\w+)"/.exec(data ?? '')?.[1]]),
      ).toEqual([
        ['create', 'ALIVE'],
        ['setData', 'STOPPING'],
        ['delete', undefined],
      ]);
      const [, stopping, gone] = writes;
      const told = Number(readFileSync(join(notes, task.metadata.name), 'utf8'));
      // drainSeconds: 1, by the clock that ZooKeeper and the task share.
      expect((gone?.at ?? 0) - (stopping?.at ?? 0)).toBeGreaterThanOrEqual(990);
      expect(told).toBeGreaterThanOrEqual(gone?.at ?? Infinity);
    }
  });

  it('publishes a group of containers by their shared address', async () => {
    const resources = { requests: { cpu: '100m', memory: '64Mi' } };
    await cluster.client.of(jobResource).create(
      service('ledger', {
        published: true,
        template: {
          networks: [{ name: 'data-net' }],
          containers: [
            {
              name: 'ledger',
              script: program,
              env: [{ name: 'NOTES', value: notes }],
              resources,
              ports: [{ name: 'http', containerPort: 8080 }],
              readinessProbe: { tcpSocket: { port: 'http' }, periodSeconds: 0.5 },
            },
            { name: 'auditor', script: 'while true; do sleep 1; done', resources },
          ],
        },
      }),
    );
    const [task] = await running(cluster.client, 'ledger', 1);
    expect(task?.status?.containers?.map(({ name, state }) => [name, state])).toEqual([
      ['ledger', 'TASK_RUNNING'],
      ['auditor', 'TASK_RUNNING'],
    ]);
    const ip = task?.status?.ip ?? '';
    expect(addressesOf(task as Task).data).toContain(ip);
    const [member] = await mirrored(cluster, 'ledger');
    expect(member?.serviceEndpoint).toEqual({ host: ip, port: 8080 });
    expect(await answerOf(ip, 8080)).toContain(task?.metadata.name);
  });

  it('publishes a job on the network of its agent by host and port of the agent', async () => {
    await cluster.client.of(jobResource).create(
      service('edge', {
        published: true,
        template: {
          networks: [],
          containers: [
            {
              name: 'edge',
              script: `exec node -e 'require("node:http").createServer((_, response) => response.end("edge")).listen(process.env.COSM_PORT_HTTP)'`,
              resources: { requests: { cpu: '100m', memory: '64Mi' } },
              ports: [{ name: 'http', hostPort: 0 }],
              readinessProbe: { tcpSocket: { port: 'http' }, periodSeconds: 0.5 },
            },
          ],
        },
      }),
    );
    const [task] = await running(cluster.client, 'edge', 1);
    const port = task?.status?.ports?.[0]?.hostPort ?? 0;
    expect(port).toBeGreaterThanOrEqual(31_000);
    expect(task?.status).toMatchObject({ ports: [{ name: 'http', hostPort: port }] });
    const [member] = await eventually('edge is published', async () => {
      const members = [...(await membersOf(cluster, 'edge')).values()];
      return members.length > 0 && members;
    });
    const { agentHostname = '', agentAddress } = task?.status?.mesos ?? {};
    expect(member).toMatchObject({
      serviceEndpoint: { host: agentHostname, port },
      additionalEndpoints: { http: { host: agentHostname, port, inet: agentAddress?.ip } },
      status: 'ALIVE',
    });
    expect(await answerOf(agentAddress?.ip ?? '', port)).toBe('edge');
  });

  it('leaves nothing of a deleted job: no task, no member, no namespace, no interface', async () => {
    expect(leftovers().namespaces.length).toBeGreaterThan(0);
    expect(leftovers().links.length).toBeGreaterThan(0);
    await remove(cluster.client, 'web', 'shrink', 'ledger', 'edge');
    for (const job of ['web', 'shrink', 'ledger', 'edge']) {
      expect((await mesosTasks(cluster, job)).live).toEqual([]);
      await eventually(
        `no Task of ${job} is stored`,
        async () => (await tasksOf(cluster.client, job)).length === 0,
      );
      await eventually(
        `no member of ${job}`,
        async () => (await membersOf(cluster, job)).size === 0,
      );
    }
    // The agents clean up after they have said that the tasks are over.
    await eventually('no namespace and no interface is left', () => {
      const left = leftovers();
      if (left.namespaces.length + left.links.length === 0) return true;
      throw new Error(JSON.stringify(left));
    });
  });
});
