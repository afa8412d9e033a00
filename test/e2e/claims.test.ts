import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { findCondition } from '../../api/machinery/conditions.ts';
import { addressClaimResource, claimName } from '../../api/v1/address-claim.ts';
import { jobResource } from '../../api/v1/job.ts';
import { networkResource } from '../../api/v1/network.ts';
import type { Task } from '../../api/v1/task.ts';
import type { NetworkAttachment, TemplateSpec } from '../../api/v1/template.ts';
import { eventually, TestCluster } from '../support/cluster.ts';
import {
  change,
  liveTasksOf,
  namespace,
  pathOf,
  remove,
  running,
  service,
} from './support/jobs.ts';

// Real processes in real network namespaces: static-net's IPAM gives what is asked for, dev-net's does not.
let cluster: TestCluster;
/** `10.201.14.` for example. */
let staticPrefix: string;
let devPrefix: string;

beforeAll(async () => {
  cluster = await TestCluster.start({ emulator: { mode: 'process', agents: 2 } });
  staticPrefix = prefixOf('static-net');
  devPrefix = prefixOf('dev-net');
  await cluster.client.of(networkResource).create({
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Network',
    metadata: { name: 'static-net' },
    spec: { ipFamilies: ['IPv4'], staticRanges: [`${staticPrefix}200-${staticPrefix}250`] },
  });
  const offered = { spec: { staticRanges: [`${devPrefix}200-${devPrefix}250`] } };
  await cluster.client.of(networkResource).patch({ name: 'dev-net' }, offered, { type: 'merge' });
});
afterAll(() => cluster.stop());

function prefixOf(network: string): string {
  const path = join(cluster.emulator.workDir, `cni/conf/${network}.json`);
  const { ipam } = z
    .object({ ipam: z.object({ subnet: z.string() }) })
    .parse(JSON.parse(readFileSync(path, 'utf8')));
  return ipam.subnet.replace('0/24', '');
}

/** Answers with what it takes for its address. */
const program = `exec node -e '
  const answer = process.env.COSM_IP_STATIC_NET + "";
  require("node:http").createServer((_, response) => response.end(answer)).listen(8080, "::");
'`;

const web = (name: string, network: NetworkAttachment, more: Partial<TemplateSpec> = {}) =>
  service(name, {
    replicas: 1,
    published: true,
    template: { networks: [network], terminationGracePeriodSeconds: 2, ...more },
    container: { script: program, resources: { requests: { cpu: '100m', memory: '96Mi' } } },
  });

function ipsOf(task: Task | undefined): readonly string[] {
  return task?.status?.networks?.[0]?.ips ?? [];
}

async function holderOf(ip: string): Promise<string | undefined> {
  const claims = cluster.client.of(addressClaimResource);
  return (await claims.find({ name: claimName('static-net', ip) }))?.spec.holder.task;
}

/** Waits until the Job is Stalled for the reason; answers the message. */
function stalled(name: string, reason: string): Promise<string> {
  return eventually(`Job ${name} is Stalled: ${reason}`, async () => {
    const job = await cluster.client.of(jobResource).get({ namespace, name });
    const found = findCondition(job.status?.conditions, 'Stalled');
    if (found?.status === 'True' && found.reason === reason) return found.message;
    throw new Error(`its conditions are ${JSON.stringify(job.status?.conditions)}`);
  });
}

describe('a static address', () => {
  it('is what the task has, what it believes, and what is published', async () => {
    const ip = `${staticPrefix}200`;
    await cluster.client.of(jobResource).create(web('static', { name: 'static-net', ips: [ip] }));
    const [task] = await running(cluster.client, 'static', 1);
    expect(task?.status?.networks).toMatchObject([
      { name: 'static-net', requestedIps: [ip], ips: [ip], verdict: 'Assigned' },
    ]);
    expect(await (await fetch(`http://${ip}:8080/`)).text()).toBe(ip);
    const bodies = await eventually('one member', async () => {
      const members = [...(await cluster.members(pathOf('static'))).values()];
      if (members.length !== 1) throw new Error(`there are ${members.length}`);
      return members.map((body): unknown => JSON.parse(body));
    });
    expect(bodies).toMatchObject([{ serviceEndpoint: { host: ip, port: 8080 }, status: 'ALIVE' }]);
    expect(await holderOf(ip)).toBe(task?.metadata.name);
    await remove(cluster.client, 'static');
    await eventually('no claim', async () => {
      const holder = await holderOf(ip);
      if (holder !== undefined) throw new Error(`${holder} has it`);
      return true;
    });
  });

  it('which the IPAM does not honour is a Mismatch that fails the Job', async () => {
    const ip = `${devPrefix}201`;
    const failing = { onMissingAddress: 'Fail', addressDeadlineSeconds: 1 } as const;
    await cluster.client
      .of(jobResource)
      .create(web('ignored', { name: 'dev-net', ips: [ip] }, failing));
    expect(await stalled('ignored', 'AddressMissing')).toMatch(new RegExp(`asked for ${ip}`));
    const [task] = await liveTasksOf(cluster.client, 'ignored');
    expect(task?.status?.networks).toMatchObject([{ verdict: 'Mismatch', requestedIps: [ip] }]);
    expect(ipsOf(task)).not.toContain(ip);
    expect(await cluster.members(pathOf('ignored'))).toEqual(new Map());
    await remove(cluster.client, 'ignored');
  });

  it('that two Jobs ask for goes to one, and to the other once the holder is dead', async () => {
    const ip = `${staticPrefix}202`;
    await cluster.client.of(jobResource).create(web('winner', { name: 'static-net', ips: [ip] }));
    const [holder] = await running(cluster.client, 'winner', 1);
    await cluster.client.of(jobResource).create(web('loser', { name: 'static-net', ips: [ip] }));
    expect(await stalled('loser', 'AddressTaken')).toMatch(
      new RegExp(`held by Job default/winner \\(task ${holder?.metadata.name ?? ''}\\)`),
    );
    expect(await holderOf(ip)).toBe(holder?.metadata.name);
    await remove(cluster.client, 'winner');
    const [heir] = await running(cluster.client, 'loser', 1);
    expect(ipsOf(heir)).toEqual([ip]);
    expect(await holderOf(ip)).toBe(heir?.metadata.name);
    await remove(cluster.client, 'loser');
  });
});

describe('addresses by instance', { timeout: 180_000 }, () => {
  it('come and go with their instances, and change places when these stop together', async () => {
    const [low, high] = [`${staticPrefix}210`, `${staticPrefix}211`];
    const asking = (...ips: string[]) => ({
      name: 'static-net',
      ipsByInstance: ips.map((ip) => [ip]),
    });
    const having = (...ips: string[]): Promise<Task[]> =>
      eventually(`the tasks have ${ips.join(' and ')}`, async () => {
        const tasks = await running(cluster.client, 'many', ips.length);
        const seen = tasks.map((task) => ipsOf(task).join());
        if (seen.join() !== ips.join()) throw new Error(`they have ${seen.join()}`);
        const holders = await Promise.all(ips.map(holderOf));
        expect(holders).toEqual(tasks.map(({ metadata }) => metadata.name));
        return tasks;
      });
    const job = { ...web('many', asking(low, high)) };
    await cluster.client.of(jobResource).create({
      ...job,
      spec: { ...job.spec, replicas: 2, updateStrategy: { maxUnavailable: 2 } },
    });
    await having(low, high);

    await change(cluster.client, 'many', { replicas: 1 });
    await eventually('the claim is gone', async () => (await holderOf(high)) === undefined);
    await change(cluster.client, 'many', { replicas: 2 });
    await having(low, high);

    await change(cluster.client, 'many', { template: { spec: { networks: [asking(high, low)] } } });
    const tasks = await having(high, low);

    // Made anew at once: it waits for the tasks of the one before.
    await cluster.client.of(jobResource).delete({ namespace, name: 'many' });
    await eventually('it may be created again', async () => {
      await cluster.client.of(jobResource).create(web('many', { name: 'static-net', ips: [high] }));
      return true;
    });
    const [heir] = await having(high);
    expect(tasks.map(({ metadata }) => metadata.name)).not.toContain(heir?.metadata.name);
    await remove(cluster.client, 'many');
  });

  it('have one holder under all names of a network', async () => {
    const ip = `${staticPrefix}212`;
    await cluster.client.of(networkResource).create({
      apiVersion: 'mesocosm.dev/v1',
      kind: 'Network',
      metadata: { name: 'alias-net' },
      spec: { cniName: 'static-net', staticRanges: [`${staticPrefix}200-${staticPrefix}250`] },
    });
    const jobs = cluster.client.of(jobResource);
    await jobs.create(web('named', { name: 'static-net', ips: [ip] }));
    await running(cluster.client, 'named', 1);
    await jobs.create(web('renamed', { name: 'alias-net', ips: [ip] }));
    expect(await stalled('renamed', 'AddressTaken')).toMatch(
      /static-net is the same CNI network\) is held by Job default\/named/,
    );
    await remove(cluster.client, 'named');
    const [heir] = await running(cluster.client, 'renamed', 1);
    expect(ipsOf(heir)).toEqual([ip]);
    await remove(cluster.client, 'renamed');
  });
});

describe('a sticky address', () => {
  it('stays with the instance when the Job is updated', async () => {
    await cluster.client
      .of(jobResource)
      .create(web('sticky', { name: 'static-net', sticky: true }));
    const [first] = await running(cluster.client, 'sticky', 1);
    const [ip = ''] = ipsOf(first);
    await eventually('the claim', async () => {
      if ((await holderOf(ip)) !== first?.metadata.name) throw new Error('nobody has it');
      return true;
    });
    await change(cluster.client, 'sticky', {
      template: { metadata: { labels: { version: 'second' } } },
    });
    const second = await eventually('the second run', async () => {
      const [task] = await running(cluster.client, 'sticky', 1);
      if (task?.metadata.name === first?.metadata.name) throw new Error('it is still the first');
      return task;
    });
    expect(ipsOf(second)).toEqual([ip]);
    expect(second.status?.networks?.[0]?.requestedIps).toEqual([ip]);
    await remove(cluster.client, 'sticky');
  });
});
