import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { createServer, IncomingMessage, type ServerResponse } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ApiAccess } from '../../../../../api/client/access.ts';
import { openChannels } from '../../../../../api/client/channels.ts';
import type { Client } from '../../../../../api/client/client.ts';
import { createClient } from '../../../../../api/client/resource-client.ts';
import { channels, type ChannelSocket } from '../../../../../api/machinery/channel-socket.ts';
import { systemClock } from '../../../../../api/machinery/clock.ts';
import { isApiError } from '../../../../../api/machinery/errors.ts';
import { Authentication } from '../../../../../api/server/authentication/authentication.ts';
import { statusAnswer } from '../../../../../api/server/dispatcher.ts';
import { limits } from '../../../../../api/server/http/limits.ts';
import { RequestHeads } from '../../../../../api/server/http/request-head.ts';
import { Upgrades } from '../../../../../api/server/http/upgrade.ts';
import { PodAgents, relayLimits } from '../../../../../api/server/pods/agents.ts';
import { roleBindingResource } from '../../../../../api/v1/rbac.ts';
import { resources } from '../../../../../api/v1/resources.ts';
import { taskResource, type TaskStatus } from '../../../../../api/v1/task.ts';
import { clientCertificate } from '../../../../../hack/local/certificates.ts';
import { until } from '../../../../../hack/local/wait.ts';
import { encodeRecord } from '../../../../../proto/mesos/recordio.ts';
import { startServer, type RunningServer } from '../../../../conformance/support/server.ts';
import { VirtualClock } from '../../../../support/virtual-clock.ts';
import { makeAgent, makeTask } from '../../cli/support/objects.ts';

let running: RunningServer;
let client: Client;
/** Output streams of the sessions that the agent runs. */
const sessions = new Set<ServerResponse>();
/** Authorization headers that the agent was sent. */
const credentials: (string | undefined)[] = [];
const agent = createServer((request, response) => {
  const chunks: Buffer[] = [];
  credentials.push(request.headers.authorization);
  request.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    const type = /"type":"([A-Z_]+)"/.exec(Buffer.concat(chunks).toString())?.[1] ?? '';
    if (type !== 'LAUNCH_NESTED_CONTAINER_SESSION' || sessions.has(response)) return;
    sessions.add(response);
    response.once('close', () => sessions.delete(response));
    response.writeHead(200).flushHeaders();
  });
});

const exec = '/api/v1/namespaces/default/pods/web-0-a/exec';
const query = [
  ['command', 'cat'],
  ['stdout', 'true'],
] as const;

beforeAll(async () => {
  agent.listen(0, '127.0.0.1');
  await once(agent, 'listening');
  const address = agent.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  running = await startServer(resources, undefined, undefined, {
    agents: { format: 'json', credential: { principal: 'mesocosm', secret: 's3cret' } },
  });
  const admin = { name: 'tester', groups: ['system:masters'] };
  client = createClient(running.server.transport(admin));
  await makeAgent(client, 'node-1', { id: 'A-1', port: address.port });
  await makeTask(client, 'web-0-a', { status: onAgent('A-1') });
  for (const role of ['view', 'edit']) {
    await client.of(roleBindingResource).create({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: { name: role, namespace: 'default' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
      subjects: [{ kind: 'User', name: `${role}er`, apiGroup: 'rbac.authorization.k8s.io' }],
    });
  }
});
afterAll(async () => {
  await running.stop();
  agent.closeAllConnections();
  agent.close();
});

function onAgent(agentId: string): TaskStatus {
  const mesos = { taskId: 'default.x', frameworkId: 'F-1', agentId, containerId: 'C-1' };
  return { phase: 'Running', mesos };
}

function accessOf(user: string | undefined): ApiAccess {
  const { certificates, directory, port } = running;
  const access = {
    server: `https://127.0.0.1:${port}`,
    ca: readFileSync(certificates.caFile, 'utf8'),
  };
  if (user === undefined) return access;
  const { certFile, keyFile } = clientCertificate(directory, user, []);
  return {
    ...access,
    clientCertificate: readFileSync(certFile, 'utf8'),
    clientKey: readFileSync(keyFile, 'utf8'),
  };
}

function connect(
  user: string | undefined,
  path = exec,
  signal = new AbortController().signal,
): Promise<ChannelSocket> {
  const access = accessOf(user);
  const clock = systemClock();
  return openChannels({ access, clock, userAgent: 'test', path, query, timeoutMs: 30_000, signal });
}

/** The answer to a request with headers of one's own; a change of protocol is told by its code. */
async function ask(
  method: string,
  path: string,
  headers: Record<string, string>,
): Promise<{ code: number | undefined; message: string }> {
  const { server, ca, clientCertificate: cert, clientKey: key } = accessOf('editer');
  const sent = httpsRequest(`${server}${path}`, { method, headers, ca, cert, key, agent: false });
  sent.end();
  const [response] = (await once(sent, 'response')) as [
    AsyncIterable<Buffer> & { statusCode?: number },
  ];
  const body: Buffer[] = [];
  for await (const chunk of response) body.push(chunk);
  const { message } = JSON.parse(Buffer.concat(body).toString()) as { message: string };
  return { code: response.statusCode, message };
}

const webSocket = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

describe('an upgrade', () => {
  it('is refused to whom we do not know', async () => {
    await expect(connect(undefined)).rejects.toMatchObject({ reason: 'Unauthorized', code: 401 });
  });

  it('is refused to who may only read, though it is a GET', async () => {
    await expect(connect('viewer')).rejects.toMatchObject({
      reason: 'Forbidden',
      message: expect.stringContaining('cannot create resource "pods/exec"') as string,
    });
    expect(sessions.size).toBe(0);
  });

  it('is refused with the words that tell what is wrong', async () => {
    const path = exec.replace('web-0-a', 'nope');
    await expect(connect('editer', path)).rejects.toMatchObject({
      reason: 'NotFound',
      message: 'pods "nope" not found',
    });
    const bare = await ask('GET', `${exec}?command=cat`, webSocket);
    expect(bare).toEqual({
      code: 400,
      message: 'you must specify at least 1 of stdin, stdout, stderr',
    });
  });

  it.each<[string, string, string, Record<string, string>, string]>([
    ['SPDY', 'POST', exec, { connection: 'Upgrade', upgrade: 'SPDY/3.1' }, 'use kubectl 1.30'],
    ['another protocol', 'GET', exec, { connection: 'Upgrade', upgrade: 'h2c' }, 'is not spoken'],
    ['no subprotocol', 'GET', exec, webSocket, 'v5.channel.k8s.io and v4.channel.k8s.io'],
    [
      'an old subprotocol',
      'GET',
      exec,
      { ...webSocket, 'sec-websocket-protocol': 'channel.k8s.io' },
      'one must be asked for',
    ],
    ['nothing of the kind', 'GET', exec, {}, 'Upgrade request required'],
    [
      'it where there is HTTP alone',
      'GET',
      '/api/v1/namespaces/default/pods',
      webSocket,
      'do not ask to upgrade',
    ],
  ])('is refused to who asks for %s', async (_, method, path, headers, words) => {
    const { code, message } = await ask(method, `${path}?command=cat&stdout=true`, headers);
    expect(code).toBe(400);
    expect(message).toContain(words);
  });
});

describe('a port-forward', () => {
  const path = '/api/v1/namespaces/default/pods/web-0-a/portforward';
  const tunnel = { ...webSocket, 'sec-websocket-protocol': 'SPDY/3.1+portforward.k8s.io' };
  const spdy = { connection: 'Upgrade', upgrade: 'SPDY/3.1' };

  it.each<[string, string, string, Record<string, string>]>([
    ['WebSocket', 'GET', `${path}?ports=8080`, tunnel],
    ['SPDY', 'POST', path, spdy],
    ['HTTP', 'POST', path, {}],
  ])('by %s is told what to do instead', async (_, method, place, headers) => {
    const { code, message } = await ask(method, place, headers);
    expect(code).toBe(405);
    expect(message).toContain('cosm exec web-0-a -n default -- COMMAND');
  });

  it('is refused to who may only read, and to whom we do not know', async () => {
    await expect(connect('viewer', path)).rejects.toMatchObject({ reason: 'Forbidden' });
    await expect(connect(undefined, path)).rejects.toMatchObject({ reason: 'Unauthorized' });
  });

  it('is in no list of what is served', async () => {
    const api = running.server.transport({ name: 'x', groups: ['system:masters'] });
    const { body } = await api.request({ method: 'GET', path: '/api/v1' });
    expect(JSON.stringify(body)).toContain('pods/exec');
    expect(JSON.stringify(body)).not.toContain('portforward');
  });
});

it('changes nothing by a request that asks to upgrade', async () => {
  await makeTask(client, 'kept-0-a');
  const path = '/api/v1/namespaces/default/pods/kept-0-a';
  const { code, message } = await ask('DELETE', path, { connection: 'Upgrade', upgrade: 'h2c' });
  expect(code).toBe(400);
  expect(message).toContain('do not ask to upgrade');
  const { metadata } = await client
    .of(taskResource)
    .get({ namespace: 'default', name: 'kept-0-a' });
  expect(metadata.deletionTimestamp).toBeUndefined();
});

describe('a session', () => {
  it('is open to who may create it, and the agent is asked with our credential', async () => {
    const socket = await connect('editer');
    expect(await until(() => sessions.size === 1, 30_000)).toBe(true);
    const [session] = sessions;
    const data = Buffer.from('hello').toString('base64');
    const record = { type: 'DATA', data: { type: 'STDOUT', data } };
    session?.write(encodeRecord(Buffer.from(JSON.stringify(record))));
    const { value } = await socket.messages().next();
    expect(value).toEqual({ channel: channels.stdout, data: Buffer.from('hello') });
    const basic = `Basic ${Buffer.from('mesocosm:s3cret').toString('base64')}`;
    expect(new Set(credentials)).toEqual(new Set([basic]));
    await socket.close({ code: 1000, reason: '' }, 1_000);
  });

  it('lets go of the agent when the client has gone', async () => {
    const leaving = new AbortController();
    await connect('editer', exec, leaving.signal);
    expect(await until(() => sessions.size === 1, 30_000)).toBe(true);
    leaving.abort();
    expect(await until(() => sessions.size === 0, 30_000)).toBe(true);
  });

  it('asks nobody but the agents that there are objects of', async () => {
    let asked = 0;
    const other = createServer(() => (asked += 1));
    other.listen(0, '127.0.0.1');
    await once(other, 'listening');
    const address = other.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const status = onAgent('A-9');
    const agentAddress = { hostname: 'x', ip: '127.0.0.1', port: address.port };
    await makeTask(client, 'odd-0-a', {
      job: 'odd',
      status: { ...status, mesos: { ...status.mesos!, agentAddress } },
    });
    const socket = await connect('editer', exec.replace('web-0-a', 'odd-0-a'));
    const { value } = await socket.messages().next();
    expect(value?.channel).toBe(channels.error);
    expect(value?.data.toString()).toContain('no Agent object has the address of agent A-9');
    expect(asked).toBe(0);
    other.close();
  });

  it('is told when the server stops', async () => {
    const other = await startServer(resources, running.storage, undefined, {
      agents: { format: 'json' },
    });
    const { caFile, admin } = other.certificates;
    const access: ApiAccess = {
      server: `https://127.0.0.1:${other.port}`,
      ca: readFileSync(caFile, 'utf8'),
      clientCertificate: readFileSync(admin.certFile, 'utf8'),
      clientKey: readFileSync(admin.keyFile, 'utf8'),
    };
    const { signal } = new AbortController();
    const clock = systemClock();
    const options = {
      access,
      clock,
      userAgent: 'test',
      path: exec,
      query,
      timeoutMs: 30_000,
      signal,
    };
    const socket = await openChannels(options);
    expect(await until(() => sessions.size === 1, 30_000)).toBe(true);
    const stopped = other.server.stop();
    const { value } = await socket.messages().next();
    expect(value?.data.toString()).toContain('the server is being stopped');
    expect(await socket.closed).toMatchObject({ code: 1001 });
    await stopped;
    expect(await until(() => sessions.size === 0, 30_000)).toBe(true);
    // Its storage is another server's, and stays.
    rmSync(other.directory, { recursive: true, force: true });
  });
});

describe('a refusal', () => {
  it('that nobody reads costs a connection for a while only', async () => {
    const clock = new VirtualClock();
    const tokens = { tokens: [], audiences: [], onRefused: () => undefined };
    const upgrades = new Upgrades({
      heads: new RequestHeads({ authentication: new Authentication(tokens), clock }),
      traffic: { pass: () => Promise.resolve() },
      dispatcher: { refused: (_request, error) => statusAnswer(error) },
      clock,
      logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
      stopping: new AbortController().signal,
    });
    // As of a client whose window is full: what is written to it is never taken.
    const full = new Duplex({ read: () => undefined, write: () => undefined });
    const request = new IncomingMessage(new Socket());
    request.method = 'PUT';
    const over = upgrades.serve(request, full, Buffer.alloc(0));
    await clock.advance(limits.stalledMs - 1);
    expect(full.destroyed).toBe(false);
    await clock.advance(1);
    await over;
    expect(full.destroyed).toBe(true);
    expect(clock.pending).toBe(0);
  });
});

describe('places for streams', () => {
  it('are bounded, and given back once each', () => {
    const agents = new PodAgents({ access: {}, clock: systemClock(), agents: () => [] });
    const leave = Array.from({ length: relayLimits.streams }, () => agents.enter());
    let refused: unknown;
    try {
      agents.enter();
    } catch (error) {
      refused = error;
    }
    expect(isApiError(refused, 'TooManyRequests')).toBe(true);
    leave[0]?.();
    leave[0]?.();
    agents.enter();
    expect(() => agents.enter()).toThrow('already: try again later');
  });

  it('lead nowhere without a configuration', () => {
    const agents = new PodAgents({ access: undefined, clock: systemClock(), agents: () => [] });
    const { signal } = new AbortController();
    expect(() => agents.files('A-1', signal)).toThrow('is not configured to reach agents');
  });
});
