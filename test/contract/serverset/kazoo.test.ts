import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ensureCertificates } from '../../../hack/local/certificates.ts';
import { readMembers } from '../../support/reader.ts';
import { until } from '../zookeeper/event-log.ts';
import { Cluster } from './cluster.ts';

const path = '/aurora/prod/web';
let directory: string;
let cluster: Cluster;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'mesocosm-kazoo-'));
});
afterEach(async () => {
  await cluster.stop();
  rmSync(directory, { recursive: true, force: true });
});

describe('a Python client', () => {
  it('sees exactly the ready tasks, with their endpoints, among foreign nodes', async () => {
    cluster = await Cluster.start();
    const { connectString } = cluster.server;
    await cluster.lead();
    await cluster.publish('web', { drainSeconds: 600 });
    await cluster.foreign(path, 'singleton_candidate_', 'x');
    await cluster.foreign(path, 'vector_', '{}');
    const aurora =
      '{"status":"ALIVE","additionalEndpoints":{"aurora":{"host":"h","port":1}},"serviceEndpoint":{"host":"agent7","port":31000},"shard":9}';
    await cluster.foreign(path, 'member_', aurora);
    const tasks = [];
    for (const instance of [0, 1, 2]) tasks.push(await cluster.ready('web', instance));
    const unready = await cluster.ready('web', 3);
    await cluster.become(unready, 'Running', '10.0.0.4', false);
    await cluster.shows(path, ['10.0.0.1', '10.0.0.2', '10.0.0.3']);

    const seen = await readMembers({ connectString, path });
    const own = seen.filter(({ service }) => service.host !== 'agent7');
    expect(seen).toHaveLength(own.length + 1);
    expect(own.sort((a, b) => (a.shard ?? 0) - (b.shard ?? 0))).toMatchObject(
      [0, 1, 2].map((shard) => ({
        shard,
        service: { host: `10.0.0.${shard + 1}`, port: 8080 },
        additional: { http: { host: `10.0.0.${shard + 1}`, port: 8080 } },
      })),
    );

    // One drains, one dies, one moves.
    await cluster.stopTask(tasks[0]!);
    await cluster.become(tasks[1]!, 'Failed');
    await cluster.become(tasks[2]!, 'Running', '10.0.7.7');
    await until(async () => {
      const members = await cluster.members(path);
      return (
        members
          .map(({ status, host }) => `${status} ${host}`)
          .sort()
          .join() === 'ALIVE 10.0.7.7,STOPPING 10.0.0.1'
      );
    }, 'the members follow');
    const after = await readMembers({ connectString, path });
    expect(after.map(({ service }) => service.host).sort()).toEqual(['10.0.7.7', 'agent7']);
  });

  it('reads what is ours alone to write, over TLS', async () => {
    const { caFile, server } = ensureCertificates(directory);
    const passwordFile = join(directory, 'password');
    writeFileSync(passwordFile, 'correct-horse');
    cluster = await Cluster.start({ tls: { caFile, ...server } });
    const connectString = `${cluster.server.host}:${cluster.server.securePort}`;
    const digest = { user: 'mesocosm', passwordFile };
    await cluster.lead({ connectString, zookeeper: { digest, acl: 'Creator', tls: { caFile } } });
    await cluster.publish('web');
    await cluster.ready('web', 0);
    await cluster.shows(path, ['10.0.0.1']);
    const [only, ...more] = await readMembers({ connectString, path, caFile });
    expect(only?.service).toEqual({ host: '10.0.0.1', port: 8080 });
    expect(more).toEqual([]);
  });
});
