import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { codec, contentTypes, type Format } from '../../../../proto/mesos/codec.ts';
import type {
  AgentCall,
  AgentProcessIO,
  AgentResponse,
  ContainerID,
} from '../../../../proto/mesos/generated/messages.ts';
import { encodeRecord, RecordDecoder } from '../../../../proto/mesos/recordio.ts';
import { loadRecording, type Exchange } from '../../../golden/recordings.ts';
import { TestEmulator } from '../../../support/emulator.ts';
import { TestFramework, shellTask } from '../../../support/test-framework.ts';

let emulator: TestEmulator;
let framework: TestFramework;
/** The container of a task on dev-net, and the address that it has there. */
let root: string;
let address: string;
let count = 0;
let id: ContainerID;

beforeAll(async () => {
  emulator = await TestEmulator.start({ mode: 'process', agents: 1 });
  framework = await TestFramework.subscribe(emulator.master);
  await framework.launch(shellTask('host', 'sleep 1000', ['dev-net']));
  const { container_status: status } = await framework.status('host', 'TASK_RUNNING');
  root = status?.container_id?.value ?? '';
  address = status?.network_infos?.[0]?.ip_addresses?.[0]?.ip_address ?? '';
});

afterAll(async () => {
  framework.close();
  await emulator.stop();
});

beforeEach(() => {
  count += 1;
  id = { value: `nested-${count}`, parent: { value: root } };
});

describe.each(['json', 'protobuf'] as const)('in %s', (format) => {
  test('recorded sessions and containers get the recorded answers', async () => {
    const recorded = loadRecording(format, 'operator').exchanges;
    const named = (name: string): Exchange => {
      const found = recorded.find((exchange) => exchange.name.endsWith(name));
      if (found === undefined) throw new Error(`no recording of ${name}`);
      return found;
    };
    const session = named('-LAUNCH_NESTED_CONTAINER_SESSION');
    const stream = await resend(session, format);
    const reading = bytesIn(stream);
    const input = await resend(named('-ATTACH_CONTAINER_INPUT'), format);
    expect(await shape(input)).toEqual(recordedShape(named('-ATTACH_CONTAINER_INPUT')));
    expect(headersOf(stream)).toEqual(recordedHeaders(session));
    expect(texts(messages(await reading, format))).toEqual(
      texts(messages(bytesOf(session.res.body), format)),
    );
    for (const name of [
      '-WAIT_NESTED_CONTAINER-session',
      '-agent-LAUNCH_NESTED_CONTAINER',
      '-KILL_NESTED_CONTAINER',
      '-WAIT_NESTED_CONTAINER',
    ]) {
      const exchange = named(name);
      expect(await shape(await resend(exchange, format))).toEqual(recordedShape(exchange));
    }
  });
});

test('a session sees the address, the sandbox and the processes of the task', async () => {
  const found = await session('hostname -I; pwd; echo $MESOS_SANDBOX; cat /proc/[0-9]*/cmdline');
  const [addresses = '', directory, sandbox] = found.stdout.split('\n');
  expect(addresses.trim().split(' ')).toContain(address);
  expect(directory).toBe(sandbox);
  expect(directory).toMatch(new RegExp(`/runs/${root}$`));
  expect(found.stdout).toContain('sleep\u00001000');
});

test('a command that ends at once loses neither output nor status', async () => {
  const runs = Array.from({ length: 10 }, (_, index) =>
    session(`echo ${index}; exit ${index}`, `${id.value}-${index}`),
  );
  expect(await Promise.all(runs)).toEqual(
    runs.map((_, index) => ({ stdout: `${index}\n`, stderr: '', status: index << 8 })),
  );
});

test('a command that does not exist fails as in Mesos, one that is killed says by what', async () => {
  const missing = await session({ shell: false, value: '/no/such/program' });
  expect(missing).toMatchObject({ status: 1 << 8 });
  expect(missing.stderr).toContain("Failed to execute '/no/such/program'");
  id = { ...id, value: `${id.value}-killed` };
  expect((await session('kill -15 $$')).status).toBe(15);
});

test('what a command leaves behind ends with it, though it holds the output open', async () => {
  expect(await session('sleep 4323 & echo done; exit 4')).toEqual({
    stdout: 'done\n',
    stderr: '',
    status: 4 << 8,
  });
  const after = await session('cat /proc/[0-9]*/cmdline', `${id.value}-after`);
  expect(after.stdout).not.toContain('sleep\u00004323');
});

test('whoever hangs up ends the session, with what it has left behind', async () => {
  const hangUp = new AbortController();
  const response = await post(launchSession('sleep 4321 & sleep 4322; echo never'), {
    signal: hangUp.signal,
    streamed: true,
  });
  const running = session('cat /proc/[0-9]*/cmdline', `${id.value}-look`);
  expect((await running).stdout).toContain('4321');
  const waiting = wait();
  hangUp.abort();
  await expect(bytesIn(response)).rejects.toThrow();
  expect(await waiting).toBe(9);
  const after = await session('cat /proc/[0-9]*/cmdline', `${id.value}-after`);
  expect(after.stdout).not.toMatch(/sleep\u0000432/);
});

test('the end of the task ends its sessions, and then nobody knows them', async () => {
  await framework.launch(shellTask('short', 'until [ -e end ]; do sleep 0.1; done'));
  const { container_status: short, agent_id } = await framework.status('short', 'TASK_RUNNING');
  const gone = short?.container_id?.value ?? '';
  id = { value: 'outlives', parent: { value: gone } };
  const outlives = session('sleep 1000');
  // Once this one is over the agent has heard of the other, and of who waits for it.
  await session('true', 'first');
  const slave = `agent0/slaves/${agent_id?.value}/frameworks/${framework.id}`;
  const sandbox = join(emulator.workDir, slave, 'executors/short/runs/latest');
  writeFileSync(join(sandbox, 'end'), '');
  expect((await outlives).status).toBe(9);
  id = { value: 'late', parent: { value: gone } };
  await expect
    .poll(async () => (await post(launchSession('true'), { streamed: true })).text())
    .toBe(`Container ${gone}.late cannot be found`);
});

test('a terminal has a size that can change, and turns Ctrl-C into a signal', async () => {
  const command = { value: 'trap "echo interrupted" INT; stty size; read x; stty size; exit 3' };
  const launch: AgentCall = {
    type: 'LAUNCH_NESTED_CONTAINER_SESSION',
    launch_nested_container_session: {
      container_id: id,
      command,
      container: { type: 'MESOS', tty_info: { window_size: { rows: 31, columns: 97 } } },
    },
  };
  const response = await post(launch, { streamed: true });
  const waiting = wait();
  const output: ReadableStreamDefaultReader<Uint8Array> | undefined = response.body?.getReader();
  const shown: Uint8Array[] = [];
  const written = (): string => texts(messages(Buffer.concat(shown), 'json')).STDOUT;
  const readUntil = async (text: string): Promise<void> => {
    while (!written().includes(text)) {
      const next = await output?.read();
      if (next?.value === undefined) throw new Error(`no "${text}" in ${written()}`);
      shown.push(next.value);
    }
  };
  await readUntil('31 97\r\n');
  const tty_info = { window_size: { rows: 40, columns: 120 } };
  await typed([{ type: 'CONTROL', control: { type: 'TTY_INFO', tty_info } }]);
  await typed([stdin('\u0003')]);
  await readUntil('interrupted\r\n');
  await readUntil('40 120\r\n');
  expect(await waiting).toBe(3 << 8);
});

test('containers without a switchboard cannot be attached to, and say it as Mesos does', async () => {
  const refused = async (call: AgentCall) => {
    const response = await post(call, { streamed: true });
    return [response.status, await response.text()];
  };
  const words = 'I/O switchboard server was disabled for this container';
  await post({
    type: 'LAUNCH_NESTED_CONTAINER',
    launch_nested_container: { container_id: id, command: { value: 'echo out; sleep 1000' } },
  });
  expect(
    await refused({
      type: 'ATTACH_CONTAINER_OUTPUT',
      attach_container_output: { container_id: id },
    }),
  ).toEqual([500, words]);
  const again = await post(
    { type: 'REMOVE_NESTED_CONTAINER', remove_nested_container: { container_id: id } },
    {},
  );
  expect([again.status, await again.text()]).toEqual([
    500,
    'Nested container has not terminated yet',
  ]);
  const nowhere = { value: 'x', parent: { value: 'nowhere' } };
  expect(
    await refused({
      type: 'ATTACH_CONTAINER_OUTPUT',
      attach_container_output: { container_id: nowhere },
    }),
  ).toEqual([404, 'Container nowhere.x cannot be found']);
  expect(
    await refused({
      type: 'LAUNCH_NESTED_CONTAINER_SESSION',
      launch_nested_container_session: { container_id: { value: 'orphan' } },
    }),
  ).toEqual([
    400,
    "Failed to validate agent::Call: Expecting 'launch_nested_container_session.container_id.parent' to be present",
  ]);
});

interface Ended {
  stdout: string;
  stderr: string;
  status: number | undefined;
}

/** Runs a command in a session to its end. */
async function session(
  command: string | { shell: false; value: string },
  name = id.value,
): Promise<Ended> {
  const own = { ...id, value: name };
  const response = await post(launchSession(command, own), { streamed: true });
  expect(response.status).toBe(200);
  const waiting = wait(own);
  const { STDOUT, STDERR } = texts(messages(await bytesIn(response), 'json'));
  return { stdout: STDOUT, stderr: STDERR, status: await waiting };
}

function launchSession(
  command: string | { shell: false; value: string },
  container_id: ContainerID = id,
): AgentCall {
  return {
    type: 'LAUNCH_NESTED_CONTAINER_SESSION',
    launch_nested_container_session: {
      container_id,
      command: typeof command === 'string' ? { value: command } : command,
    },
  };
}

async function wait(container_id: ContainerID = id): Promise<number | undefined> {
  const response = await post({
    type: 'WAIT_NESTED_CONTAINER',
    wait_nested_container: { container_id },
  });
  if (!response.ok) throw new Error(await response.text());
  const answer: AgentResponse = codec('mesos.v1.agent.Response', 'json').decode(
    await bytesIn(response),
  );
  return answer.wait_nested_container?.exit_status;
}

function stdin(text: string): AgentProcessIO {
  return {
    type: 'DATA',
    data: { type: 'STDIN', data: Buffer.from(text).toString('base64') },
  };
}

/** Sends input in one request that has all of it. */
async function typed(input: readonly AgentProcessIO[]): Promise<void> {
  const attach = (fields: NonNullable<AgentCall['attach_container_input']>): Uint8Array =>
    encodeRecord(
      codec('mesos.v1.agent.Call', 'json').encode({
        type: 'ATTACH_CONTAINER_INPUT',
        attach_container_input: fields,
      }),
    );
  const records = [
    attach({ type: 'CONTAINER_ID', container_id: id }),
    ...input.map((process_io) => attach({ type: 'PROCESS_IO', process_io })),
  ];
  const response = await fetch(url(), {
    method: 'POST',
    headers: {
      'content-type': 'application/recordio',
      'message-content-type': contentTypes.json,
    },
    body: Buffer.concat(records),
  });
  expect([response.status, await response.text()]).toEqual([200, '']);
}

const url = (): string => `http://${emulator.agents[0]?.address}/api/v1`;

function post(
  call: AgentCall,
  { signal, streamed }: { signal?: AbortSignal; streamed?: boolean } = {},
): Promise<Response> {
  return fetch(url(), {
    method: 'POST',
    headers: {
      'content-type': contentTypes.json,
      ...(streamed === true
        ? { accept: 'application/recordio', 'message-accept': contentTypes.json }
        : { accept: contentTypes.json }),
    },
    body: Buffer.from(codec('mesos.v1.agent.Call', 'json').encode(call)),
    ...(signal === undefined ? {} : { signal }),
  });
}

/** A recorded request, with the container of our task for the recorded one. */
function resend({ req }: Exchange, format: Format): Promise<Response> {
  const [, ...lines] = req.raw_head.trim().split('\r\n');
  const sent = lines
    .map((line): [string, string] => [line.split(': ')[0] ?? '', line.split(': ')[1] ?? ''])
    .filter(([name]) => /^(Message-)?(Content-Type|Accept)$/.test(name));
  const streamed = sent.some(([, value]) => value === 'application/recordio');
  const isInput = sent.some(([name]) => name === 'Message-Content-Type');
  const calls = isInput && streamed ? records(bytesOf(req.body)) : [bytesOf(req.body)];
  const { decode, encode } = codec('mesos.v1.agent.Call', format);
  const ours = calls.map((bytes) => encode(withRoot(decode(bytes))));
  const body = isInput ? Buffer.concat(ours.map(encodeRecord)) : Buffer.concat(ours);
  // The recorded client took no gzip.
  const headers = [...sent, ['accept-encoding', 'identity'] satisfies [string, string]];
  return fetch(url(), { method: 'POST', headers, body });
}

function withRoot(call: AgentCall): AgentCall {
  const text = JSON.stringify(call).replace(/"parent":\{"value":"[^"]+"\}/g, () =>
    JSON.stringify({ parent: { value: root } }).slice(1, -1),
  );
  return codec('mesos.v1.agent.Call', 'json').decode(Buffer.from(text));
}

async function shape(response: Response): Promise<unknown> {
  const body = Buffer.from(await bytesIn(response)).toString('base64');
  return { status: response.status, headers: headersOf(response), body };
}

function recordedShape(exchange: Exchange): unknown {
  return {
    status: exchange.res.status,
    headers: recordedHeaders(exchange),
    body: Buffer.from(bytesOf(exchange.res.body)).toString('base64'),
  };
}

const compared = ['content-type', 'message-content-type', 'transfer-encoding', 'content-length'];

function headersOf(response: Response): Record<string, string | null> {
  return Object.fromEntries(compared.map((name) => [name, response.headers.get(name)]));
}

function recordedHeaders({ res }: Exchange): Record<string, string | null> {
  const raw = res.raw_headers ?? [];
  const value = (name: string): string | null =>
    raw[raw.findIndex((given) => given.toLowerCase() === name) + 1] ?? null;
  return Object.fromEntries(
    compared.map((name) => [
      name,
      raw.some((given) => given.toLowerCase() === name) ? value(name) : null,
    ]),
  );
}

async function bytesIn(response: Response): Promise<Uint8Array> {
  return Buffer.from(await response.arrayBuffer());
}

function bytesOf(body: Exchange['res']['body']): Uint8Array {
  return 'text' in body ? Buffer.from(body.text) : Buffer.from(body.base64, 'base64');
}

function records(bytes: Uint8Array): Uint8Array[] {
  const decoder = new RecordDecoder();
  const found = decoder.push(bytes);
  expect(decoder.end()).toBeUndefined();
  return found;
}

function messages(bytes: Uint8Array, format: Format): AgentProcessIO[] {
  return records(bytes).map((record) => codec('mesos.v1.agent.ProcessIO', format).decode(record));
}

/** What each stream carried; the kernel decides how it is cut, and which comes first. */
function texts(found: readonly AgentProcessIO[]): { STDOUT: string; STDERR: string } {
  const of = (type: string): string =>
    found
      .filter((message) => message.data?.type === type)
      .map(({ data }) => Buffer.from(data?.data ?? '', 'base64').toString())
      .join('');
  return { STDOUT: of('STDOUT'), STDERR: of('STDERR') };
}
