import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../api/machinery/clock.ts';
import { until } from '../../../../hack/local/wait.ts';
import { runSession, type SessionInput } from '../../../../proto/mesos/agent-session.ts';
import { codec } from '../../../../proto/mesos/codec.ts';
import type { AgentCall } from '../../../../proto/mesos/generated/messages.ts';
import { encodeRecord, RecordDecoder } from '../../../../proto/mesos/recordio.ts';

const calls = codec('mesos.v1.agent.Call');
const responses = codec('mesos.v1.agent.Response');
const messages = codec('mesos.v1.agent.ProcessIO');

/** An agent in protobuf: each call is for the test to answer; input is told record by record. */
interface ScriptedAgent {
  launch: (response: ServerResponse) => void;
  /** Whether the next piece of input may be read. */
  read: () => Promise<void>;
  input: AgentCall[];
  exit: (status: number) => void;
}

let undo: () => void = () => undefined;
afterEach(() => {
  undo();
});

async function start(script: Pick<ScriptedAgent, 'launch'> & Partial<ScriptedAgent>) {
  const input: AgentCall[] = [];
  let exit: (status: number) => void = () => undefined;
  const exited = new Promise<number>((resolve) => (exit = resolve));
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const recordio = request.headers['content-type'] === 'application/recordio';
    const chunks: Buffer[] = [];
    const records = new RecordDecoder();
    for await (const chunk of request as AsyncIterable<Buffer>) {
      if (!recordio) chunks.push(chunk);
      else for (const record of records.push(chunk)) input.push(calls.decode(record));
      if (recordio) await script.read?.();
    }
    if (recordio) response.end();
    else if (calls.decode(Buffer.concat(chunks)).type === 'WAIT_NESTED_CONTAINER') {
      const wait_nested_container = { exit_status: await exited };
      response.end(responses.encode({ type: 'WAIT_NESTED_CONTAINER', wait_nested_container }));
    } else script.launch(response);
  };
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  undo = () => {
    server.closeAllConnections();
    server.close();
  };
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const agent = { hostname: '127.0.0.1', port: address.port };
  return { options: { clock: systemClock(), agent }, input, exit };
}

const session = { container: { value: 'C-1' }, name: 'exec-1', command: ['cat'] };

async function* typed(...pieces: SessionInput[]): AsyncGenerator<SessionInput> {
  for (const piece of pieces) yield await Promise.resolve(piece);
}

const output = (text: Buffer): Buffer =>
  Buffer.from(
    encodeRecord(
      messages.encode({ type: 'DATA', data: { type: 'STDOUT', data: text.toString('base64') } }),
    ),
  );

describe('a session', () => {
  it('sends what is typed, each size of the window, and the end of the input', async () => {
    const { options, input, exit } = await start({
      launch: (response) => {
        response.writeHead(200).write(output(Buffer.from('hello')));
        setImmediate(() => response.end());
      },
    });
    let shown = '';
    const running = runSession({
      ...options,
      ...session,
      input: typed({ data: Buffer.from('ab') }, { size: { rows: 3, columns: 9 } }),
      output: (stream, data) => {
        shown += `${stream}:${data.toString()}`;
        return Promise.resolve();
      },
      signal: new AbortController().signal,
    });
    expect(await until(() => input.length === 4, 60_000)).toBe(true);
    exit(5 << 8);
    expect(await running).toBe(5 << 8);
    expect(shown).toBe('STDOUT:hello');
    const sent = input.map(({ attach_container_input: call }) => call);
    expect(sent).toMatchObject([
      {
        type: 'CONTAINER_ID',
        container_id: { value: 'exec-1', parent: { value: 'C-1' } },
      },
      { process_io: { data: { type: 'STDIN', data: Buffer.from('ab').toString('base64') } } },
      { process_io: { control: { tty_info: { window_size: { rows: 3, columns: 9 } } } } },
      { process_io: { data: { type: 'STDIN', data: '' } } },
    ]);
  });

  it('reads no faster from the agent than its output is taken', async () => {
    const count = 512;
    const piece = Buffer.alloc(64 * 1024, 'x');
    let written = 0;
    const { options, exit } = await start({
      launch: (response) => {
        response.writeHead(200);
        void (async () => {
          for (; written < count; written += 1) {
            if (!response.write(output(piece))) await once(response, 'drain');
          }
          response.end();
          exit(0);
        })();
      },
    });
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    let taken = 0;
    const running = runSession({
      ...options,
      ...session,
      input: typed(),
      output: async (_, data) => {
        await released;
        taken += data.length;
      },
      signal: new AbortController().signal,
    });
    // Buffers of the kernel fill up; ours do not.
    expect(await until(() => written > count - 128, 700)).toBe(false);
    release();
    expect(await running).toBe(0);
    expect(taken).toBe(count * piece.length);
  });

  it('takes no more input than the agent does', async () => {
    const count = 512;
    const piece = Buffer.alloc(64 * 1024, 'x');
    let asked = 0;
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    async function* endless(): AsyncGenerator<SessionInput> {
      for (; asked < count; asked += 1) yield await Promise.resolve({ data: piece });
    }
    const { options, input, exit } = await start({
      launch: (response) => response.writeHead(200).flushHeaders(),
      read: () => released,
    });
    const leaving = new AbortController();
    const running = runSession({
      ...options,
      ...session,
      input: endless(),
      output: () => Promise.resolve(),
      signal: leaving.signal,
    });
    expect(await until(() => asked > count - 128, 700)).toBe(false);
    release();
    expect(await until(() => input.length === count + 2, 60_000)).toBe(true);
    exit(0);
    leaving.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
  });
});
