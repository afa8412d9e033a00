import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findCondition } from '../../api/machinery/conditions.ts';
import { eventResource } from '../../api/v1/core.ts';
import { jobResource } from '../../api/v1/job.ts';
import { isDead, phaseOf, type Task } from '../../api/v1/task.ts';
import type { Container } from '../../api/v1/template.ts';
import { eventually, TestCluster } from '../support/cluster.ts';
import { namespace, remove, running, service, tasksOf } from './support/jobs.ts';

// Probes of real processes in real network namespaces.
let cluster: TestCluster;
let notes: string;

beforeAll(async () => {
  notes = mkdtempSync(join(tmpdir(), 'mesocosm-notes-'));
  cluster = await TestCluster.start({ emulator: { mode: 'process', agents: 1 } });
});
afterAll(async () => {
  await cluster.stop();
  rmSync(notes, { recursive: true, force: true });
});

const resources = { requests: { cpu: '100m', memory: '64Mi' } };

/** An HTTP server on one address of its task, after a while. */
const serverOn = (address: string, afterSeconds = 0): string =>
  `sleep ${afterSeconds}; exec node -e 'require("node:http").createServer((_, response) => response.end()).listen(8080, ${address})'`;

async function create(name: string, container: Partial<Container>): Promise<void> {
  const job = service(name, {
    replicas: 1,
    container: { resources, ...container },
    template: { terminationGracePeriodSeconds: 1 },
  });
  await cluster.client.of(jobResource).create(job);
}

/** Ready of the one task of a Job, once it has this reason. */
async function notReady(job: string, reason: string): Promise<string> {
  return eventually(`${job} is not ready: ${reason}`, async () => {
    const [task] = await tasksOf(cluster.client, job);
    const ready = findCondition(task?.status?.conditions, 'Ready');
    return ready?.reason === reason && ready.message;
  });
}

async function eventsOf(kind: string, name: string, reason: string): Promise<string[]> {
  const { items } = await cluster.client.of(eventResource).list({ namespace });
  return items
    .filter((event) => event.involvedObject.kind === kind && event.involvedObject.name === name)
    .filter((event) => event.reason === reason)
    .map(({ message }) => message ?? '');
}

describe('the probes of a task', { timeout: 180_000 }, () => {
  it('do not reach a server that is bound to its CNI address alone, and say so', async () => {
    const script = serverOn('process.env.COSM_IP');
    const probe = { periodSeconds: 0.3 };
    await create('http', { script, readinessProbe: { httpGet: { port: 'http' }, ...probe } });
    await create('tcp', { script, readinessProbe: { tcpSocket: { port: 'http' }, ...probe } });
    const reach = 'exec 3<>/dev/tcp/$COSM_IP/8080';
    const exec = { command: ['bash', '-c', reach] };
    await create('command', { script, readinessProbe: { exec, ...probe } });

    await running(cluster.client, 'command', 1);
    expect(await notReady('http', 'ProbePending')).toMatch(
      /GET http:\/\/127\.0\.0\.1:8080\/ inside the task; Mesos connects to loopback/,
    );
    expect(await notReady('tcp', 'ProbeFailing')).toMatch(
      /127\.0\.0\.1:8080 inside the task got no answer; Mesos connects to loopback/,
    );
    await remove(cluster.client, 'http', 'tcp', 'command');
  });

  it('ask for the health of a gRPC server by the program that the image brings', async () => {
    const probePath = join(notes, 'probe');
    // Stands for grpc_health_probe: writes down what it is asked.
    // At once, as it may be asked again while the test reads.
    const write = `echo "$@" >${notes}/asked.$$; mv ${notes}/asked.$$ ${notes}/asked`;
    writeFileSync(probePath, `#!/bin/sh\n${write}\n`);
    chmodSync(probePath, 0o755);
    await create('grpc', {
      script: 'exec sleep 1000',
      readinessProbe: { grpc: { port: 'http', service: 'web.Web', probePath }, timeoutSeconds: 2 },
    });
    await running(cluster.client, 'grpc', 1);
    expect(readFileSync(join(notes, 'asked'), 'utf8').trim()).toBe(
      '-addr=127.0.0.1:8080 -service=web.Web -connect-timeout=2s -rpc-timeout=2s',
    );
    await remove(cluster.client, 'grpc');
  });

  it('do not kill a task that starts slowly, within its grace', async () => {
    const probe = { httpGet: { port: 'http' as const }, periodSeconds: 0.3, timeoutSeconds: 30 };
    await create('slow', {
      script: serverOn('"127.0.0.1"', 2),
      readinessProbe: probe,
      livenessProbe: { ...probe, failureThreshold: 1, gracePeriodSeconds: 60 },
    });
    const [task] = await running(cluster.client, 'slow', 1);
    expect(task?.spec.restarts).toBe(0);
    expect(await tasksOf(cluster.client, 'slow')).toHaveLength(1);
    await remove(cluster.client, 'slow');
  });
});

describe('a group of which one container turns unhealthy', { timeout: 180_000 }, () => {
  /** Healthy for a moment in its first run, and for good in the next. */
  const sidecar = `touch ok; [ ! -e "$NOTES/failed" ] || exec sleep 1000
    touch "$NOTES/failed"; sleep 2; rm ok; exec sleep 1000`;

  it('is replaced once, as a whole, and the Events name the container', async () => {
    const liveness = {
      periodSeconds: 0.3,
      timeoutSeconds: 30,
      failureThreshold: 2,
      gracePeriodSeconds: 20,
    };
    const containers: Container[] = [
      {
        name: 'main',
        script: 'exec sleep 1000',
        resources,
        livenessProbe: { exec: { command: ['true'] }, ...liveness },
      },
      {
        name: 'sidecar',
        script: sidecar,
        env: [{ name: 'NOTES', value: notes }],
        resources,
        livenessProbe: { exec: { command: ['test', '-f', 'ok'] }, ...liveness },
      },
    ];
    const job = service('pair', {
      replicas: 1,
      template: { containers, terminationGracePeriodSeconds: 1 },
    });
    await cluster.client.of(jobResource).create(job);
    const dead = await eventually('the first run of the group is dead', async () =>
      (await tasksOf(cluster.client, 'pair')).find(isDead),
    );
    const replacement = await eventually('the next run is healthy', async () => {
      const live = (await tasksOf(cluster.client, 'pair')).filter((task) => !isDead(task));
      const isHealthy = (task: Task): boolean =>
        task.status?.containers?.every(({ healthy }) => healthy === true) ?? false;
      return live.find((task) => phaseOf(task) === 'Running' && isHealthy(task));
    });

    expect(replacement.spec.restarts).toBe(1);
    expect(await tasksOf(cluster.client, 'pair')).toHaveLength(2);
    const words =
      'the livenessProbe of container sidecar failed: Mesos has killed it, and with it the whole group';
    const { name } = dead.metadata;
    expect(findCondition(dead.status?.conditions, 'Ready')?.message).toBe(words);
    await eventually('the Events are written', async () => {
      const ofTask = await eventsOf('Task', name, 'Unhealthy');
      const ofJob = await eventsOf('Job', 'pair', 'Unhealthy');
      const [restarted = ''] = await eventsOf('Job', 'pair', 'Restarted');
      if (ofTask.join() === words && ofJob.join() === `${name}: ${words}`)
        return restarted.includes(words);
      throw new Error(`they are ${ofTask.join()}; ${ofJob.join()}`);
    });
    await remove(cluster.client, 'pair');
  });
});
