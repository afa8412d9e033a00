import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { ZooKeeperConfig } from '../../../controllers/cosmd/zookeeper.ts';
import { ensureCertificates } from '../../../hack/local/certificates.ts';
import type { ZooKeeperClient } from '../../../proto/zookeeper/client.ts';
import { creatorAcl, digestAuthentication } from '../../../proto/zookeeper/digest.ts';
import { ensurePath } from '../../../proto/zookeeper/ensure-path.ts';
import { parentOf } from '../../../proto/zookeeper/paths.ts';
import { startTcpProxy } from '../../support/tcp-proxy.ts';
import { failsWith, nothing } from '../zookeeper/contract-subject.ts';
import { until } from '../zookeeper/event-log.ts';
import { Cluster, connect, epochPath } from './cluster.ts';

const path = '/aurora/prod/web';
const password = 'correct-horse-battery';

let directory: string;
let cluster: Cluster;
let creator: Pick<ZooKeeperConfig, 'digest' | 'acl'>;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'mesocosm-access-'));
  const passwordFile = join(directory, 'password');
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  creator = { digest: { user: 'mesocosm', passwordFile }, acl: 'Creator' };
});
afterEach(async () => {
  await cluster.stop();
  rmSync(directory, { recursive: true, force: true });
});

async function messageOf(name: string, reason: string): Promise<string> {
  const { status } = await cluster.says(name, 'Stalled', 'True', reason);
  return status?.conditions?.find(({ type }) => type === 'Stalled')?.message ?? '';
}

/** Somebody who shows another identity than ours. */
async function stranger(): Promise<ZooKeeperClient> {
  const identity = digestAuthentication({ user: 'mesocosm', password: 'guessed' });
  const client = connect(cluster.server.connectString, { authentications: [identity] });
  onTestFinished(() => client.close());
  await client.whenConnected();
  return client;
}

describe('a leader whose nodes belong to its digest user', () => {
  it('is the only one who can change them; everybody may read', async () => {
    cluster = await Cluster.start();
    const { log } = await cluster.lead({ zookeeper: creator });
    await cluster.publish('web');
    await cluster.ready('web', 0);
    // Read by a session that shows no identity, as Finagle's does.
    const [member] = await cluster.shows(path, ['10.0.0.1']);
    const node = `${path}/${member!.name}`;
    expect(await cluster.read(parentOf(epochPath), 'epoch')).toContain('"epoch":');

    for (const other of [cluster.operator, await stranger()]) {
      await failsWith(other.setData(node, nothing), 'NO_AUTH', 'not-applied');
      await failsWith(other.delete(node), 'NO_AUTH', 'not-applied');
      await failsWith(
        other.create(`${path}/member_`, nothing, { sequential: true }),
        'NO_AUTH',
        'not-applied',
      );
      await failsWith(other.setData(epochPath, nothing), 'NO_AUTH', 'not-applied');
      await failsWith(other.delete(epochPath), 'NO_AUTH', 'not-applied');
    }
    const all = log.join('');
    expect(all).toContain('member created');
    expect(all).not.toContain(password);
    expect(all).not.toContain(Buffer.from(password).toString('base64'));
  });

  it('shows who it is on every new link, and after a failover', async () => {
    cluster = await Cluster.start();
    const proxy = await startTcpProxy(cluster.server);
    onTestFinished(() => proxy.stop());
    const first = await cluster.lead({
      zookeeper: creator,
      connectString: `${proxy.host}:${proxy.port}`,
    });
    await cluster.publish('web', { drainSeconds: 0 });
    const task = await cluster.ready('web', 0);
    await cluster.shows(path, ['10.0.0.1']);
    proxy.cut();
    await cluster.become(task, 'Running', '10.0.7.7');
    await cluster.shows(path, ['10.0.7.7']);
    await first.stop();
    await cluster.lead({ zookeeper: creator });
    await cluster.stopTask(task);
    await cluster.shows(path, []);
  });

  it('that has lost its password says so, writes nothing, and goes on once it has it', async () => {
    cluster = await Cluster.start();
    const first = await cluster.lead({ zookeeper: creator });
    await cluster.publish('web');
    await cluster.ready('web', 0);
    const members = await cluster.shows(path, ['10.0.0.1']);
    await first.stop();
    const poor = await cluster.lead();
    await cluster.ready('web', 1);
    expect(await messageOf('web', 'AccessDenied')).toContain(epochPath);
    expect(await cluster.members(path)).toEqual(members);
    await poor.stop();
    await cluster.lead({ zookeeper: creator });
    await cluster.shows(path, ['10.0.0.1', '10.0.0.2']);
  });
});

describe('a path that belongs to somebody else', () => {
  it('stalls its set with where, why and what to do, and no other set', async () => {
    cluster = await Cluster.start();
    const owner = { user: 'somebody', password: 'else' };
    const theirs = connect(cluster.server.connectString, {
      authentications: [digestAuthentication(owner)],
    });
    onTestFinished(() => theirs.close());
    await theirs.whenConnected();
    await ensurePath(theirs, parentOf(path));
    await theirs.create(path, nothing, { acl: creatorAcl(owner) });

    await cluster.lead({ zookeeper: creator });
    await cluster.publish('web');
    await cluster.publish('api');
    await cluster.ready('web', 0);
    await cluster.ready('api', 0);
    const message = await messageOf('web', 'AccessDenied');
    expect(message).toContain(`ZooKeeper refused at ${path}/member_ (NO_AUTH)`);
    expect(message).toContain('give our identity the rights');
    await until(async () => (await cluster.eventReasons()).includes('AccessDenied'), 'an Event');
    expect(await cluster.children(path)).toEqual([]);
    await cluster.shows('/aurora/prod/api', ['10.0.0.1']);

    await theirs.delete(path);
    await cluster.shows(path, ['10.0.0.1']);
    await cluster.says('web', 'Stalled', 'False');
  });
});

describe('ZooKeeper over TLS', () => {
  it('is written to; with an unknown authority the sets say why it is not', async () => {
    const { caFile, server } = ensureCertificates(join(directory, 'ours'));
    const other = ensureCertificates(join(directory, 'other'));
    cluster = await Cluster.start({ tls: { caFile, ...server } });
    const connectString = `${cluster.server.host}:${cluster.server.securePort}`;
    const first = await cluster.lead({ connectString, zookeeper: { ...creator, tls: { caFile } } });
    await cluster.publish('web');
    await cluster.ready('web', 0);
    await cluster.shows(path, ['10.0.0.1']);
    await first.stop();

    const blind = await cluster.lead({
      connectString,
      zookeeper: { tls: { caFile: other.caFile } },
    });
    await cluster.ready('web', 1);
    expect(await messageOf('web', 'ZooKeeperAway')).toMatch(
      /TLS_FAILED: no TLS connection to 127\.0\.0\.1:\d+: .*certificate/,
    );
    const said = blind.log.filter((line) => line.includes('ZooKeeper cannot be reached'));
    expect(said).toHaveLength(1);
    expect(said[0]).toContain('TLS_FAILED');
    await cluster.shows(path, ['10.0.0.1']);
    await blind.stop();
    await cluster.lead({ connectString, zookeeper: { ...creator, tls: { caFile } } });
    await cluster.shows(path, ['10.0.0.1', '10.0.0.2']);
  });
});
