import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { attach, pluginInput, type CniAttachment } from '../../../../hack/emulator/cni/plugin.ts';
import { TestEmulator } from '../../../support/emulator.ts';
import { TestFramework, shellTask } from '../../../support/test-framework.ts';

/** The call of a plugin as it was recorded with a real agent. */
const recorded: CniAttachment = {
  containerId: '9733f92c-8772-45be-9c93-7433be7d0959',
  interfaceName: 'eth0',
  namespace: '/run/ns',
  network: {
    name: 'spy-net',
    ip_addresses: [{ protocol: 'IPv4', ip_address: '172.29.14.77' }],
    labels: { labels: [{ key: 'want', value: 'static' }] },
  },
  config: {
    name: 'spy-net',
    type: 'spy',
    cniVersion: '0.2.0',
    realType: 'bridge',
    isGateway: false,
  },
};

test('a plugin reads its configuration with the request in args, keys in order', () => {
  expect(pluginInput(recorded)).toBe(
    '{"args":{"org.apache.mesos":{"network_info":{"ip_addresses":[{"ip_address":"172.29.14.77","protocol":"IPv4"}],"labels":{"labels":[{"key":"want","value":"static"}]},"name":"spy-net"}}},"cniVersion":"0.2.0","isGateway":false,"name":"spy-net","realType":"bridge","type":"spy"}',
  );
});

test('a plugin is called with the variables of CNI, and its answer is read', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'mesocosm-cni-'));
  try {
    const spy = join(directory, 'spy');
    writeFileSync(
      spy,
      `#!/bin/sh\nenv | grep ^CNI_ | sort >"${directory}/env"\ncat >"${directory}/stdin"\necho '{"cniVersion":"0.2.0","ip4":{"ip":"10.1.2.3/24"},"ip6":{"ip":"fd00::3/64"},"dns":{}}'\n`,
    );
    chmodSync(spy, 0o755);
    const addresses = await attach({ configDir: directory, pluginPath: [directory] }, recorded);
    expect(addresses).toEqual({ ipv4: '10.1.2.3', ipv6: 'fd00::3/64' });
    expect(readFileSync(join(directory, 'env'), 'utf8')).toBe(
      [
        'CNI_COMMAND=ADD',
        'CNI_CONTAINERID=9733f92c-8772-45be-9c93-7433be7d0959',
        'CNI_IFNAME=eth0',
        'CNI_NETNS=/run/ns',
        `CNI_PATH=${directory}`,
        '',
      ].join('\n'),
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
});

let emulator: TestEmulator;
let framework: TestFramework;

beforeAll(async () => {
  emulator = await TestEmulator.start({ mode: 'process', agents: 1 });
  // Agents look for networks again at every launch.
  const base = emulator.agents[0]?.address.split('.').slice(0, 2).join('.') ?? '';
  network('v031-net', '0.3.1', `${base}.21`, '200');
  network('tiny-net', '0.2.0', `${base}.22`, '10');
  framework = await TestFramework.subscribe(emulator.master);
});

afterAll(async () => {
  framework.close();
  await emulator.stop();
});

function network(name: string, cniVersion: string, prefix: string, end: string): void {
  const conf = join(emulator.workDir, 'cni', 'conf');
  mkdirSync(conf, { recursive: true });
  const ipam = {
    type: 'host-local',
    subnet: `${prefix}.0/24`,
    rangeStart: `${prefix}.10`,
    rangeEnd: `${prefix}.${end}`,
    gateway: `${prefix}.1`,
    dataDir: join(emulator.workDir, 'cni', 'ipam'),
  };
  writeFileSync(
    join(conf, `${name}.json`),
    JSON.stringify({ cniVersion, name, type: 'ptp', ipMasq: false, ipam }),
  );
}

test('interfaces follow the order of the request, whatever the order of the report', async () => {
  const script = 'ip -o -4 addr show scope global | while read n dev f a r; do echo $dev $a; done';
  await framework.launch(shellTask('order', script, ['edge-net', 'dev-net', 'data-net']));
  const { container_status, agent_id } = await framework.status('order', 'TASK_FINISHED');
  const stdout = readFileSync(
    join(
      emulator.workDir,
      `agent0/slaves/${agent_id?.value}/frameworks/${framework.id}/executors/order/runs/latest/stdout`,
    ),
    'utf8',
  );
  const inTask = new Map(
    stdout
      .trim()
      .split('\n')
      .map((line) => line.split(/[ /]/))
      .map(([device = '', address = '']) => [device.replace(/@.*/, ''), address] as const),
  );
  const reported = new Map(
    (container_status?.network_infos ?? []).map(
      ({ name, ip_addresses }) => [name, ip_addresses?.[0]?.ip_address] as const,
    ),
  );
  expect([...reported.keys()]).toEqual(['data-net', 'dev-net', 'edge-net']);
  expect(inTask.get('eth0')).toBe(reported.get('edge-net'));
  expect(inTask.get('eth1')).toBe(reported.get('dev-net'));
  expect(inTask.get('eth2')).toBe(reported.get('data-net'));
});

test('the agent answers from within every network', async () => {
  const [host, port] = emulator.agents[0]?.address.split(':') ?? [];
  const connect = `exec perl -MSocket -e 'socket(S, AF_INET, SOCK_STREAM, 0); exit(connect(S, pack_sockaddr_in(${port}, inet_aton("${host}"))) ? 0 : 1)'`;
  await framework.launch(
    shellTask('from-dev', connect, ['dev-net']),
    shellTask('from-data', connect, ['data-net']),
    shellTask('from-edge', connect, ['edge-net']),
  );
  for (const id of ['from-dev', 'from-data', 'from-edge']) {
    await framework.status(id, 'TASK_FINISHED');
  }
});

test('a plugin that answers in CNI 0.3 form leaves a terminated executor', async () => {
  await framework.launch(shellTask('modern', 'sleep 5', ['v031-net']));
  const status = await framework.status('modern', 'TASK_FAILED');
  expect(status.message).toBe('Executor terminated');
  expect(status.reason).toBe('REASON_EXECUTOR_TERMINATED');
});

test('a network without a free address fails the launch with the words of the plugin', async () => {
  await framework.launch(shellTask('one', 'sleep 600', ['tiny-net']));
  await framework.status('one', 'TASK_RUNNING');
  await framework.launch(shellTask('two', 'sleep 600', ['tiny-net']));
  const { message, reason } = await framework.status('two', 'TASK_FAILED');
  expect(reason).toBe('REASON_CONTAINER_LAUNCH_FAILED');
  expect(message).toMatch(
    /^Failed to launch container: Collect failed: The CNI plugin '\/usr\/lib\/cni\/ptp' failed to attach container [-0-9a-f]{36} to CNI network 'tiny-net': stdout='\{\n {4}"code": 999,\n {4}"msg": "failed to allocate for range 0: no IP addresses available in range set: .*"\n\}', stderr=''$/,
  );
  // The address is free again a moment after the first task is over.
  await framework.call({ type: 'KILL', kill: { task_id: { value: 'one' } } });
  await framework.status('one', 'TASK_KILLED');
  const leases = join(emulator.workDir, 'cni', 'ipam', 'tiny-net');
  await expect.poll(() => readLeases(leases)).toEqual([]);
});

test('what a killed emulator leaves is removed by its children and by its next start', async () => {
  const first = await TestEmulator.start({ mode: 'process', agents: 1 });
  const client = await TestFramework.subscribe(first.master);
  await client.launch(shellTask('orphan', 'sleep 7777', ['dev-net']));
  await client.status('orphan', 'TASK_RUNNING');
  await first.crash();
  await expect.poll(() => mountsBelow(first.workDir)).toEqual([]);
  client.close();
  const second = await TestEmulator.start({ mode: 'process', agents: 1, workDir: first.workDir });
  await second.stop();
  await first.stop();
});

function readLeases(directory: string): string[] {
  return readdirSync(directory).filter((name) => /^\d+\./.test(name));
}

function mountsBelow(directory: string): string[] {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  return mounts.filter((line) => line.includes(directory));
}
