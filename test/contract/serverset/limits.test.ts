import { afterEach, describe, expect, it } from 'vitest';
import { networkResource } from '../../../api/v1/network.ts';
import type { Task } from '../../../api/v1/task.ts';
import { ensurePath } from '../../../proto/zookeeper/ensure-path.ts';
import { failsWith, nothing } from '../zookeeper/contract-subject.ts';
import { until } from '../zookeeper/event-log.ts';
import { Cluster } from './cluster.ts';

const path = '/aurora/prod/web';
const quotaOf = `/zookeeper/quota${path}`;

let cluster: Cluster;

afterEach(async () => {
  await cluster.stop();
});

/** What `setquota -N` does: a limit that the server enforces, counted with the path itself. */
async function limitNodes(count: number): Promise<void> {
  const limits = `count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=${count}`;
  await ensurePath(cluster.operator, path);
  await ensurePath(cluster.operator, quotaOf);
  await cluster.operator.create(`${quotaOf}/zookeeper_limits`, Buffer.from(limits));
  await cluster.operator.create(`${quotaOf}/zookeeper_stats`, Buffer.from('count=1,bytes=0'));
}

async function messageOf(name: string, reason: string): Promise<string> {
  const { status } = await cluster.says(name, 'Stalled', 'True', reason);
  return status?.conditions?.find(({ type }) => type === 'Stalled')?.message ?? '';
}

/** A ready task as large as the API takes it: 1024 ports on 16 networks. */
async function withAllPorts(): Promise<Task> {
  const { metadata, spec } = await cluster.ready('other', 0);
  const [container] = spec.containers;
  const names = Array.from({ length: 16 }, (_, index) => `net-${index}`);
  for (const name of names) {
    await cluster.client.of(networkResource).create({
      apiVersion: 'mesocosm.dev/v1',
      kind: 'Network',
      metadata: { name },
      spec: {},
    });
  }
  const created = await cluster.tasks.create({
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Task',
    metadata: {
      name: 'web-0-large',
      namespace: metadata.namespace,
      labels: { 'mesocosm.dev/job': 'web' },
    },
    spec: {
      ...spec,
      job: 'web',
      networks: names.map((name) => ({ name })),
      containers: names.map((name, index) => ({
        ...container!,
        name,
        ports: Array.from({ length: 64 }, (_, port) => ({
          name: index + port === 0 ? 'http' : `port-${index}-${port}`,
          containerPort: 10_000 + 64 * index + port,
        })),
      })),
    },
  });
  const ready = await cluster.become(created, 'Running', '10.0.0.1');
  const [seen] = ready.status?.networks ?? [];
  const networks = names.map((name) => ({ ...seen!, name }));
  return cluster.tasks.updateStatus({
    ...ready,
    status: { phase: 'Running', ...ready.status, networks },
  });
}

describe('a path whose quota is exceeded', () => {
  it('stalls its set, keeps what is there, withdraws what must go, and goes on once it may', async () => {
    cluster = await Cluster.start({ config: { enforceQuota: true } });
    await limitNodes(3);
    await failsWith(
      (async () => {
        for (const name of ['a', 'b', 'c'])
          await cluster.operator.create(`${path}/${name}`, nothing);
      })(),
      'QUOTA_EXCEEDED',
      'not-applied',
    );
    for (const name of ['a', 'b']) await cluster.operator.delete(`${path}/${name}`);

    await cluster.lead();
    await cluster.publish('web', { drainSeconds: 0 });
    await cluster.publish('api');
    const first = await cluster.ready('web', 0);
    const second = await cluster.ready('web', 1);
    await cluster.shows(path, ['10.0.0.1', '10.0.0.2']);
    await cluster.ready('web', 2);
    const message = await messageOf('web', 'QuotaExceeded');
    expect(message).toContain(`${path}/member_ (QUOTA_EXCEEDED): raise the quota`);
    await cluster.shows(path, ['10.0.0.1', '10.0.0.2']);
    await cluster.ready('api', 0, '10.0.9.9');
    await cluster.shows('/aurora/prod/api', ['10.0.9.9']);

    // What must go is let go though nothing more may come, and makes room.
    await cluster.stopTask(first);
    await cluster.shows(path, ['10.0.0.2', '10.0.0.3']);
    await cluster.says('web', 'Stalled', 'False');
    await cluster.ready('web', 3);
    await messageOf('web', 'QuotaExceeded');
    await cluster.operator.setData(
      `${quotaOf}/zookeeper_limits`,
      Buffer.from('count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=10'),
    );
    await cluster.become(second, 'Running', '10.0.7.7');
    await cluster.shows(path, ['10.0.7.7', '10.0.0.3', '10.0.0.4']);
  });
});

describe('the limit of 1 MiB', () => {
  it('refuses a member above it, names the mend, and lets go of no connection', async () => {
    cluster = await Cluster.start();
    const leader = await cluster.lead({ zookeeper: { sessionTimeoutSeconds: 20 } });
    await cluster.publish('web', { network: 'net-0' });
    await cluster.publish('api');
    await cluster.ready('api', 0);
    await cluster.shows('/aurora/prod/api', ['10.0.0.1']);
    const task = await withAllPorts();
    expect(await messageOf('web', 'MemberTooLarge')).toContain('publish fewer ports');
    expect(await cluster.children(path)).toEqual([]);
    await cluster.ready('api', 1);
    await cluster.shows('/aurora/prod/api', ['10.0.0.1', '10.0.0.2']);
    expect(leader.log.filter((line) => line.includes('connection to ZooKeeper is lost'))).toEqual(
      [],
    );
    await cluster.stopTask(task);
    await cluster.says('web', 'Stalled', 'False');
  });

  it('does not hold for listings: a path with many other nodes is mirrored', async () => {
    cluster = await Cluster.start();
    await ensurePath(cluster.operator, path);
    const long = 'x'.repeat(200);
    const others = Array.from({ length: 6000 }, (_, index) => `vector_${long}${index}`);
    await Promise.all(others.map((name) => cluster.operator.create(`${path}/${name}`, nothing)));
    await cluster.lead();
    await cluster.publish('web', { drainSeconds: 0 });
    const task = await cluster.ready('web', 0);
    await cluster.shows(path, ['10.0.0.1']);
    await cluster.stopTask(task);
    await until(async () => (await cluster.children(path)).length === 6000, 'it is withdrawn');
  });
});
