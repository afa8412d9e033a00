import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { agentSpecs, parseConfig } from '../../../../hack/emulator/config.ts';
import { agentInfoOf } from '../../../../hack/emulator/emulator.ts';
import { mesosConfig, zkUrl } from '../../../../hack/local/mesos-config.ts';
import { possibleMode } from '../../../../hack/local/mode.ts';

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'mesocosm-config-'));
});

afterAll(() => {
  rmSync(directory, { recursive: true });
});

function file(text: string): string {
  const path = join(directory, 'mesos.yaml');
  writeFileSync(path, text);
  return path;
}

test.each([
  ['masters: 1\nagents:\n  - cpu: 4\n', /:3:10: agents\[0\]\.cpu: unknown field/],
  ['agents:\n  - cpus: 1\n  - cpus: -1\n', /:3:11: agents\[1\]\.cpus: Too small/],
  ['agents:\n  - {attributes: {rack: [a]}}\n', /:2:25: agents\[0\]\.attributes\.rack: Invalid/],
  ['timings:\n  heartbeat: 1\n', /:2:14: timings\.heartbeat: unknown field/],
  ['zookeeper: yes please\n', /:1:12: zookeeper: must be true, false or host:port/],
  ['mode: simulated\nmode: process\n', /:2:1: Map keys must be unique/],
  ['agents: lots\n', /:1:9: agents: Invalid input/],
])('a file that is wrong names line and field: %j', (text, fault) => {
  expect(() => mesosConfig({ config: file(text) })).toThrow(fault);
});

test('every fault of a file is named at once, and so it is by the emulator itself', () => {
  const config = file('masters: 0\nport: 99999\n');
  for (const read of [() => mesosConfig({ config }), () => parseConfig(['--config', config])]) {
    expect(read).toThrow(/:1:10: masters: .*\n.*:2:7: port: /);
  }
});

test('several masters need a ZooKeeper, from the file or a flag', () => {
  const config = file('masters: 3\nmode: simulated\n');
  expect(() => mesosConfig({ config })).toThrow(/several masters need ZooKeeper/);
  expect(mesosConfig({ config, zookeeper: true }).emulator.masters).toBe(3);
  expect(() => mesosConfig({ config, zookeeper: 'nowhere' })).toThrow(/zookeeper: must be/);
  expect(zkUrl('a:1,b:2')).toBe('zk://a:1,b:2/mesos');
  expect(zkUrl('zk://a:1/other')).toBe('zk://a:1/other');
});

test('flags win over the file', () => {
  const config = file('agents: 4\nmode: process\nport: 5050\n');
  const { emulator, zookeeper } = mesosConfig({ config, mode: 'simulated', agents: 9 });
  expect(emulator).toMatchObject({ agents: 9, mode: 'simulated', port: 5050, masters: 1 });
  expect(emulator.zk).toBeUndefined();
  expect(zookeeper).toBe(false);
});

test('tasks are real processes where the machine can do it, unless told otherwise', () => {
  expect(mesosConfig({}).emulator).toMatchObject({ mode: possibleMode(), networkPrefix: 'memu' });
  expect(mesosConfig({ config: file('mode: simulated\n') }).emulator.mode).toBe('simulated');
});

test('agents are listed one by one or by count, and no two have one name', () => {
  const { emulator } = mesosConfig({
    config: file('agents: [{hostname: db.test, count: 2, attributes: {level: 7}}, {cpus: 2}]\n'),
  });
  const specs = agentSpecs(emulator);
  expect(specs.map(({ hostname }) => hostname)).toEqual(['db-1.test', 'db-2.test', 'agent3.test']);
  expect(specs.map(agentInfoOf)[0]?.attributes).toEqual([
    { name: 'level', type: 'SCALAR', scalar: { value: 7 } },
  ]);
  const twice = file('agents: [{hostname: a.test}, {hostname: a.test}]\n');
  expect(() => mesosConfig({ config: twice })).toThrow('two agents are called a.test');
});

test('the defaults of the timings are those of Mesos', () => {
  expect(mesosConfig({}).emulator.timings).toMatchObject({
    allocationInterval: 1_000,
    heartbeatInterval: 15_000,
    agentPingTimeout: 15_000,
    maxAgentPingTimeouts: 5,
    agentReregisterTimeout: 600_000,
    agentRecovery: 2_000,
    updateRetryMin: 10_000,
    updateRetryMax: 600_000,
    zkSessionTimeout: 10_000,
  });
});
