import { randomBytes } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { normalize } from '../../../../proto/mesos/codec.ts';
import type {
  AgentCall,
  AgentResponse,
  TaskStatus,
} from '../../../../proto/mesos/generated/messages.ts';
import { TestEmulator } from '../../../support/emulator.ts';
import { TestFramework, shellTask } from '../../../support/test-framework.ts';

/** Seconds that a command is to sleep: told from every other process by them. */
const secondsOfOurs = (): string => `600.${Number.parseInt(randomBytes(3).toString('hex'), 16)}`;

let emulator: TestEmulator;
let framework: TestFramework;

beforeAll(async () => {
  emulator = await TestEmulator.start({ mode: 'process', agents: 1 });
  framework = await TestFramework.subscribe(emulator.master);
});

afterAll(async () => {
  framework.close();
  await emulator.stop();
});

test('a task on two networks reports their addresses and answers on them', async () => {
  const server =
    'exec node -e \'require("http").createServer((q,s)=>s.end("hello")).listen(8080,"::")\'';
  await framework.launch(shellTask('web', server, ['dev-net', 'data-net']));
  const { container_status } = await framework.status('web', 'TASK_RUNNING');
  const networks = container_status?.network_infos ?? [];
  expect(networks.map(({ name }) => name)).toEqual(['data-net', 'dev-net']);
  const [data, dev] = networks.map(({ ip_addresses = [] }) =>
    ip_addresses.map(({ ip_address = '' }) => ip_address),
  );
  expect(data).toHaveLength(2);
  expect(data?.[1]).toMatch(/^fd.*\/64$/);
  expect(dev).toHaveLength(1);
  for (const host of [dev?.[0], data?.[0], `[${data?.[1]?.replace('/64', '')}]`]) {
    await expect.poll(() => fetchText(`http://${host}:8080/`)).toBe('hello');
  }
});

test('every way a command ends is reported in the words of Mesos', async () => {
  await framework.launch(
    shellTask('fine', 'exit 0'),
    shellTask('three', 'exit 3'),
    shellTask('signalled', 'kill -9 $$'),
    shellTask('looks-signalled', 'exit 137'),
    shellTask('missing', '', [], { command: { shell: false, value: '/no/such/binary' } }),
  );
  const [fine, three, signalled, looks, missing] = await Promise.all([
    framework.status('fine', 'TASK_FINISHED'),
    framework.status('three', 'TASK_FAILED'),
    framework.status('signalled', 'TASK_FAILED'),
    framework.status('looks-signalled', 'TASK_FAILED'),
    framework.status('missing', 'TASK_FAILED'),
  ]);
  expect(fine.message).toBe('Command exited with status 0');
  expect(three.message).toBe('Command exited with status 3');
  expect(signalled.message).toBe('Command terminated with signal Killed');
  expect(looks.message).toBe('Command exited with status 137');
  expect(missing.message).toBe('Command exited with status 1');
  expect(framework.statuses('fine').map(({ state }) => state)).toEqual([
    'TASK_STARTING',
    'TASK_RUNNING',
    'TASK_FINISHED',
  ]);
});

test('an unknown network fails the task as a launch that failed', async () => {
  await framework.launch(shellTask('nowhere', 'sleep 5', ['no-such-net']));
  const status = await framework.status('nowhere', 'TASK_FAILED');
  expect(status.message).toBe("Failed to launch container: Unknown CNI network 'no-such-net'");
  expect(status.reason).toBe('REASON_CONTAINER_LAUNCH_FAILED');
  expect(status.container_status).toBeUndefined();
});

test('a task that ignores SIGTERM is killed after its grace, with all its children', async () => {
  const seconds = secondsOfOurs();
  const script = `trap '' TERM; (setsid sleep ${seconds} &) ; while true; do sleep 0.1; done`;
  await framework.launch(shellTask('stubborn', script));
  const { agent_id } = await framework.status('stubborn', 'TASK_RUNNING');
  // Its shell runs before it has come as far as its trap.
  const sleeper = `sleep ${seconds} `;
  await expect.poll(commandLines).toContain(sleeper);
  await framework.call({
    type: 'KILL',
    kill: {
      task_id: { value: 'stubborn' },
      ...(agent_id === undefined ? {} : { agent_id }),
      kill_policy: { grace_period: { nanoseconds: 300_000_000 } },
    },
  });
  await framework.status('stubborn', 'TASK_KILLING');
  const { message } = await framework.status('stubborn', 'TASK_KILLED');
  expect(message).toBe('Command terminated with signal Killed');
  await expect.poll(() => commandLines().filter((line) => line === sleeper)).toEqual([]);
});

test('a command over its memory is ended by the agent', async () => {
  const script = "exec node -e 'const a=[];for(;;){a.push(Buffer.alloc(1<<22,1))}'";
  await framework.launch(shellTask('greedy', script));
  const status = await framework.status('greedy', 'TASK_FAILED');
  expect(status.reason).toBe('REASON_CONTAINER_LIMITATION_MEMORY');
  expect(status.source).toBe('SOURCE_AGENT');
  expect(status.message).toMatch(/^Memory limit exceeded: Requested: 64MB Maximum Used: 64MB/);
});

test('checks look at loopback inside the namespace of the task', async () => {
  const serve = (host: string): string =>
    `exec node -e 'require("http").createServer((q,s)=>s.end()).listen(8080,"${host}")'`;
  const check = {
    type: 'HTTP' as const,
    http: { port: 8080, path: '/' },
    delay_seconds: 0.3,
    interval_seconds: 0.3,
  };
  const health_check = {
    type: 'TCP' as const,
    tcp: { port: 8080 },
    delay_seconds: 0.3,
    interval_seconds: 0.3,
    grace_period_seconds: 60,
  };
  await framework.launch(
    shellTask('everywhere', serve('0.0.0.0'), ['dev-net'], { check, health_check }),
  );
  const checked = await framework.event(({ update }) => {
    const status = update?.status;
    const code = status?.check_status?.http?.status_code;
    return status?.task_id.value === 'everywhere' && code !== undefined && status.healthy === true
      ? status
      : undefined;
  });
  expect(checked.check_status).toEqual({ type: 'HTTP', http: { status_code: 200 } });
  expect(checked.state).toBe('TASK_RUNNING');
});

test('a command check has the environment of the executor and its own, not that of the task', async () => {
  const variables = (value: string) => ({ variables: [{ name: value, value }] });
  const value = 'test -n "$MESOS_SANDBOX" && test -n "$OF_CHECK" && test -z "$OF_TASK"';
  const task = shellTask('looked-at', 'exec sleep 600', ['dev-net'], {
    check: {
      type: 'COMMAND' as const,
      command: { command: { value, environment: variables('OF_CHECK') } },
      delay_seconds: 0.1,
      interval_seconds: 0.3,
    },
  });
  const command = { ...task.command, environment: variables('OF_TASK') };
  await framework.launch({ ...task, command });
  const checked = await framework.event(({ update }) => {
    const result = update?.status.check_status?.command;
    const isOurs = update?.status.task_id.value === 'looked-at';
    return isOurs && result?.exit_code !== undefined ? result : undefined;
  });
  expect(checked).toEqual({ exit_code: 0 });
});

test('sandbox files are served under the virtual path of the newest run', async () => {
  await framework.launch(shellTask('talker', 'echo out; echo err >&2; pwd; sleep 600'));
  const { agent_id, container_status } = await framework.status('talker', 'TASK_RUNNING');
  const path = `/frameworks/${framework.id}/executors/talker/runs/latest`;
  const read = async (name: string): Promise<string> => {
    const answer = await agentCall({
      type: 'READ_FILE',
      read_file: { path: `${path}/${name}`, offset: 0 },
    });
    return Buffer.from(answer.read_file?.data ?? '', 'base64').toString();
  };
  const sandbox = `slaves/${agent_id?.value}/frameworks/${framework.id}/executors/talker/runs/${container_status?.container_id?.value}`;
  await expect.poll(() => read('stdout')).toMatch(new RegExp(`^out\n/.*/${sandbox}\n$`));
  expect(await read('stderr')).toBe('err\n');
  const listed = await agentCall({ type: 'LIST_FILES', list_files: { path } });
  expect(listed.list_files?.file_infos?.map((file) => file.path)).toEqual([
    `${path}/stderr`,
    `${path}/stdout`,
  ]);
});

test('tasks of a group share the namespace of their executor, unless they name a network', async () => {
  const offer = await framework.offer();
  const executor = {
    type: 'DEFAULT' as const,
    executor_id: { value: 'pod' },
    resources: resources(0.1, 32),
    container: { type: 'MESOS' as const, network_infos: [{ name: 'dev-net' }] },
  };
  const tasks = [
    shellTask('one', 'sleep 600'),
    shellTask('two', 'sleep 600'),
    shellTask('own', 'sleep 600', ['data-net']),
  ].map((task) => ({ ...task, agent_id: offer.agent_id }));
  await framework.accept(offer, [
    { type: 'LAUNCH_GROUP', launch_group: { executor, task_group: { tasks } } },
  ]);
  const [one, two, own] = await Promise.all(
    ['one', 'two', 'own'].map((id) => framework.status(id, 'TASK_RUNNING')),
  );
  expect(one?.container_status?.network_infos?.map(({ name }) => name)).toEqual(['dev-net']);
  expect(two?.container_status?.network_infos).toEqual(one?.container_status?.network_infos);
  expect(own?.container_status?.network_infos?.map(({ name }) => name)).toEqual(['data-net']);
  expect(one?.container_status?.container_id?.parent).toBeDefined();

  await emulator.crashExecutor('one');
  for (const id of ['one', 'two', 'own']) {
    const failed = await framework.status(id, 'TASK_FAILED');
    expect(failed.message).toBe('Executor terminated');
    expect(failed.source).toBe('SOURCE_AGENT');
  }
  const failure = await framework.event((event) => event.failure);
  expect(failure).toMatchObject({ executor_id: { value: 'pod' }, status: 9 });
});

test('an agent killed and started again still has its tasks, with the same addresses', async () => {
  await framework.launch(shellTask('survivor', 'sleep 600', ['dev-net', 'data-net']));
  const before = await framework.status('survivor', 'TASK_RUNNING');
  await emulator.killAgent(0);
  await emulator.startAgent(0);
  const seen = framework.events.length;
  await framework.offer();
  await framework.call({
    type: 'RECONCILE',
    reconcile: { tasks: [{ task_id: { value: 'survivor' } }] },
  });
  const reconciled = await framework.event(({ update }) =>
    update?.status.reason === 'REASON_RECONCILIATION' ? update.status : undefined,
  );
  expect(reconciled.state).toBe('TASK_RUNNING');
  expect(reconciled.container_status).toEqual(before.container_status);
  await framework.call({ type: 'KILL', kill: { task_id: { value: 'survivor' } } });
  const killed = await framework.status('survivor', 'TASK_KILLED');
  expect(addressesOf(killed)).toEqual(addressesOf(before));
  // An acknowledgement that was lost in the crash brings the same update once more.
  const known = new Set(
    framework.events
      .filter(({ update }, index) => index < seen || update?.status.uuid === undefined)
      .map(({ update }) => update?.status.uuid),
  );
  const news = framework.events
    .slice(seen)
    .flatMap(({ update }) => update?.status ?? [])
    .filter(({ task_id, uuid }) => task_id.value === 'survivor' && !known.has(uuid));
  expect(news.map(({ state }) => state)).toEqual(['TASK_KILLING', 'TASK_KILLED']);
});

test('a task that ends while its agent is away is reported as an executor that terminated', async () => {
  await framework.launch(shellTask('unseen', 'sleep 600'));
  await framework.status('unseen', 'TASK_RUNNING');
  await emulator.killAgent(0);
  await emulator.crashExecutor('unseen');
  await emulator.startAgent(0);
  const { message, source } = await framework.status('unseen', 'TASK_FAILED');
  expect({ message, source }).toEqual({ message: 'Executor terminated', source: 'SOURCE_AGENT' });
});

test('stopping the emulator leaves no process, namespace or interface', async () => {
  const other = await TestEmulator.start({ mode: 'process', agents: 1 });
  const client = await TestFramework.subscribe(other.master);
  const command = `sleep ${secondsOfOurs()}`;
  await client.launch(shellTask('leftover', command, ['dev-net', 'data-net', 'edge-net']));
  await client.status('leftover', 'TASK_RUNNING');
  const ours = (): string[] => commandLines().filter((line) => line.includes(command));
  await expect.poll(ours).not.toEqual([]);
  expect(namespaceMounts(other.workDir)).toHaveLength(1);
  const bridges = bridgesOf(other);
  expect(bridges).toHaveLength(2);
  client.close();
  await other.stop();
  expect(ours()).toEqual([]);
  expect(namespaceMounts(other.workDir)).toEqual([]);
  expect(networkInterfaceNames().filter((name) => bridges.includes(name))).toEqual([]);
});

function resources(cpus: number, mem: number) {
  return [
    { name: 'cpus', type: 'SCALAR' as const, scalar: { value: cpus } },
    { name: 'mem', type: 'SCALAR' as const, scalar: { value: mem } },
    { name: 'disk', type: 'SCALAR' as const, scalar: { value: 10 } },
  ];
}

function addressesOf({ container_status }: TaskStatus): Record<string, unknown> {
  const addresses: Record<string, unknown> = {};
  for (const { name = '', ip_addresses } of container_status?.network_infos ?? []) {
    addresses[name] = ip_addresses;
  }
  return addresses;
}

async function agentCall(call: AgentCall): Promise<AgentResponse> {
  const response = await fetch(`http://${emulator.agents[0]?.address}/api/v1`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify(call),
  });
  if (!response.ok) return {};
  return normalize('mesos.v1.agent.Response', await response.json());
}

function commandLines(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      } catch {
        // It ended between the two looks.
        return '';
      }
    });
}

/** The interfaces that hold the host's end of the emulator's networks. */
function bridgesOf({ agents }: TestEmulator): string[] {
  const base = agents[0]?.address.split('.').slice(0, 2).join('.') ?? '';
  return Object.entries(networkInterfaces())
    .filter(([, addresses]) => addresses?.some(({ address }) => address.startsWith(`${base}.1`)))
    .map(([name]) => name)
    .filter((name) => /(dev|data)0$/.test(name));
}

function networkInterfaceNames(): string[] {
  return readdirSync('/sys/class/net');
}

function namespaceMounts(directory: string): string[] {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  return mounts.filter((line) => line.includes(directory));
}

async function fetchText(url: string): Promise<string | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(1000) });
    return await response.text();
  } catch {
    return undefined;
  }
}
