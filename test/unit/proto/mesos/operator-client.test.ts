import { afterEach, describe, expect, test } from 'vitest';
import { codec } from '../../../../proto/mesos/codec.ts';
import { agentClient, masterClient } from '../../../../proto/mesos/operator-client.ts';
import { bodyBytes, loadRecording, responseHeader } from '../../../golden/recordings.ts';
import type { Exchange } from '../../../golden/recordings.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';
import { startServer } from './scripted-server.ts';
import type { Received, ScriptedServer } from './scripted-server.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function server(answer: (request: Received) => void): Promise<ScriptedServer> {
  const started = await startServer(answer);
  cleanups.push(started.close);
  return started;
}

/** A server that gives the recorded answer to each recorded call of the API. */
async function recorded(format: 'json' | 'protobuf', port: number): Promise<ScriptedServer> {
  const api = port === 5051 ? 'agent' : 'master';
  const { decode } = codec(`mesos.v1.${api}.Call`, format);
  const key = (bytes: Uint8Array): string => JSON.stringify(decode(bytes));
  const answers = new Map<string, Exchange['res']>();
  for (const { req, res } of loadRecording(format, 'operator').exchanges) {
    if (req.method !== 'POST' || req.path !== '/api/v1' || req.port !== port) continue;
    if (!/application\/recordio/.test(req.raw_head)) answers.set(key(bodyBytes(req.body)), res);
  }
  return server(({ body, response }) => {
    const answer = answers.get(key(body));
    const type = answer && responseHeader(answer, 'content-type');
    response.writeHead(answer?.status ?? 500, type === undefined ? {} : { 'content-type': type });
    response.end(answer && bodyBytes(answer.body));
  });
}

describe.each(['json', 'protobuf'] as const)('in %s', (format) => {
  const clock = new VirtualClock();

  test('the master client reads the recorded answers of a master', async () => {
    const { address } = await recorded(format, 5050);
    const detector = { detect: () => Promise.resolve(address) };
    const client = masterClient({ clock, format, detector });
    const { agents } = await client.getAgents();
    expect(agents?.map(({ agent_info }) => agent_info.hostname)).toStrictEqual(['agent1.test']);
    const { frameworks } = await client.getFrameworks();
    expect(frameworks?.[0]?.framework_info.id?.value).toMatch(/-\d{4}$/);
    const { tasks } = await client.getTasks();
    expect(tasks?.map(({ state }) => state)).toContain('TASK_RUNNING');
    const master = await client.call({ type: 'GET_MASTER' });
    expect(master?.get_master?.master_info?.version).toBe('1.12.0');
  });

  test('the agent client reads the recorded answers of an agent', async () => {
    const { address } = await recorded(format, 5051);
    const client = agentClient({ clock, format, agent: address });
    const calls = loadRecording(format, 'operator').exchanges;
    const path = (name: RegExp, field: 'read_file' | 'list_files'): string => {
      const found = calls.find((exchange) => name.test(exchange.name));
      const call = codec('mesos.v1.agent.Call', format).decode(bodyBytes(found!.req.body));
      return call[field]!.path;
    };
    const stdout = path(/READ_FILE-stdout-virtual$/, 'read_file');
    expect(stdout).toMatch(/\/runs\/latest\/stdout$/);
    const file = await client.readFile({ path: stdout, offset: 0 });
    const text = Buffer.from(file.data, 'base64').toString();
    expect([file.size, text]).toStrictEqual([35, 'line 1\nline 2\nline 3\nline 4\nline 5\n']);
    const missing = client.readFile({ path: path(/READ_FILE-missing$/, 'read_file'), offset: 0 });
    await expect(missing).rejects.toMatchObject({ code: 'Refused', status: 404 });
    await expect(client.listFiles('/')).rejects.toMatchObject({ code: 'Refused', status: 404 });
  });
});

describe('operator calls', () => {
  const response = { type: 'GET_HEALTH', get_health: { healthy: true } };

  test('follow the redirect of a master that does not lead', async () => {
    const leader = await server(({ response: to }) => void to.end(JSON.stringify(response)));
    const { port } = leader.address;
    const other = await server(({ response: to }) => {
      to.writeHead(307, { location: `//127.0.0.1:${port}/master/api/v1` }).end();
    });
    const detector = { detect: () => Promise.resolve(other.address) };
    const client = masterClient({ clock: new VirtualClock(), format: 'json', detector });
    expect(await client.call({ type: 'GET_HEALTH' })).toStrictEqual(response);
    expect(leader.received[0]?.path).toBe('/api/v1');
  });

  test('give undefined for an answer without a body', async () => {
    const { address } = await server(({ response: to }) => void to.writeHead(200).end());
    const client = agentClient({ clock: new VirtualClock(), agent: address });
    const kill = { container_id: { value: 'c' } };
    const call = { type: 'KILL_NESTED_CONTAINER', kill_nested_container: kill } as const;
    expect(await client.call(call)).toBeUndefined();
  });

  test.each([
    ['another answer', { type: 'GET_FLAGS' }, { code: 'BadAnswer' }],
    ['an answer above the bound', { ...response, pad: 'x'.repeat(2000) }, { code: 'BadAnswer' }],
    ['no such message', [], { code: 'WrongType' }],
  ])('reject on %s', async (_, answer, error) => {
    const { address } = await server(({ response: to }) => void to.end(JSON.stringify(answer)));
    const options = { clock: new VirtualClock(), format: 'json', maxResponseBytes: 1000 } as const;
    const client = agentClient({ ...options, agent: address });
    await expect(client.getContainers()).rejects.toMatchObject(error);
  });

  test('reject with Unanswered when an answer stops half way, or takes too long', async () => {
    const { address, request } = await server(({ response: to }) => {
      to.writeHead(200, { 'content-length': 100 });
      to.write('{"type":');
    });
    const clock = new VirtualClock();
    const client = agentClient({ clock, format: 'json', agent: address, requestTimeoutMs: 1000 });
    const cut = client.getContainers();
    (await request(0)).response.destroy();
    await expect(cut).rejects.toMatchObject({ code: 'Unanswered' });
    const late = expect(client.getContainers()).rejects.toMatchObject({ code: 'Unanswered' });
    await request(1);
    await clock.advance(1000);
    await late;
  });

  test('reject with the reason of the signal', async () => {
    const { address, request } = await server(() => undefined);
    const client = agentClient({ clock: new VirtualClock(), agent: address });
    const abort = new AbortController();
    const call = client.getContainers(abort.signal);
    await request(0);
    const reason = new Error('enough');
    abort.abort(reason);
    await expect(call).rejects.toBe(reason);
  });
});
