import { Readable } from 'node:stream';
import { Agent, request } from 'undici';
import { z } from 'zod';
import { sleep, type Clock } from '../../machinery/clock.ts';
import { CommandError } from '../errors.ts';
import type { ContainerId, RunningContainer } from './container.ts';
import { decodeRecords, encodeRecord } from './records.ts';

export interface SessionOptions {
  container: RunningContainer;
  /** Never used before. */
  name: string;
  command: readonly string[];
  /** With a terminal of this size; its output is all standard output. */
  terminal?: WindowSize | undefined;
  /** What is typed; nothing if absent. */
  input?: AsyncIterable<SessionInput> | undefined;
  output: (stream: 'STDOUT' | 'STDERR', data: Buffer) => void;
  clock: Clock;
  signal: AbortSignal;
}

export interface WindowSize {
  rows: number;
  columns: number;
}

export type SessionInput = { data: Uint8Array } | { size: WindowSize };

const processIo = z.object({
  type: z.string(),
  data: z.object({ type: z.enum(['STDOUT', 'STDERR']), data: z.string().default('') }).optional(),
});

const waitAnswer = z.object({
  wait_nested_container: z.object({ exit_status: z.number().optional() }),
});

const launchTimeoutMs = 60_000;
/** From the refusal of input to the end of the output, at most. */
const endMs = 2_000;

/** Status of a command that ended together with its container: it was killed. */
const killed = 9;

/**
 * Runs a command in a container with LAUNCH_NESTED_CONTAINER_SESSION (mesos/v1/agent.proto) and
 * resolves with its raw wait status. The agent ends the command if the connection is cut.
 */
export async function runSession(options: SessionOptions): Promise<number> {
  const { container, name, command, terminal, clock, signal } = options;
  const id: ContainerId = { value: name, parent: container.id };
  const dispatcher = new Agent({
    connect: { timeout: 5000 },
    headersTimeout: 0,
    // A command may be silent, and wait for input, for as long as it likes.
    bodyTimeout: 0,
  });
  const ended = new AbortController();
  const agent: AgentApi = {
    url: `${container.agent}/api/v1`,
    dispatcher,
    signal: AbortSignal.any([signal, ended.signal]),
  };
  try {
    const [value = ''] = command;
    const window = terminal === undefined ? {} : { window_size: terminal };
    const launch = {
      container_id: id,
      command: { shell: false, value, arguments: command },
      ...(terminal === undefined ? {} : { container: { type: 'MESOS', tty_info: window } }),
    };
    const body = await post(agent, {
      headers: { accept: 'application/recordio', 'message-accept': 'application/json' },
      call: { type: 'LAUNCH_NESTED_CONTAINER_SESSION', launch_nested_container_session: launch },
      headersTimeout: launchTimeoutMs,
    });
    const received = receive(body, options.output);
    const unsent = send(agent, id, options.input ?? nothing()).then(
      () => received,
      async (error: unknown) => {
        // Nothing can be sent to a command that has ended: then the end of its output is on the way.
        await sleep(clock, endMs, agent.signal);
        throw error;
      },
    );
    const [status] = await Promise.all([exitStatus(agent, id), Promise.race([received, unsent])]);
    return status;
  } finally {
    ended.abort();
    await dispatcher.destroy();
  }
}

interface AgentApi {
  url: string;
  dispatcher: Agent;
  signal: AbortSignal;
}

async function receive(
  body: AsyncIterable<Uint8Array>,
  output: SessionOptions['output'],
): Promise<void> {
  for await (const record of decodeRecords(body)) {
    const message = processIo.safeParse(record);
    const data = message.data?.data;
    if (data !== undefined) output(data.type, Buffer.from(data.data, 'base64'));
  }
}

/** Asked for while the command runs, since the agent forgets it with the task. */
async function exitStatus(agent: AgentApi, container_id: ContainerId): Promise<number> {
  try {
    const body = await post(agent, {
      headers: { accept: 'application/json' },
      call: { type: 'WAIT_NESTED_CONTAINER', wait_nested_container: { container_id } },
    });
    const answer = waitAnswer.parse(await body.json());
    return answer.wait_nested_container.exit_status ?? killed;
  } catch (error) {
    if (error instanceof AgentRefusal && error.code === 404) return killed;
    throw error;
  }
}

/** ATTACH_CONTAINER_INPUT: the container, then what is typed, then an empty record for its end. */
async function send(
  agent: AgentApi,
  container_id: ContainerId,
  input: AsyncIterable<SessionInput>,
): Promise<void> {
  const call = (fields: object): Buffer =>
    encodeRecord({ type: 'ATTACH_CONTAINER_INPUT', attach_container_input: fields });
  const typed = (data: Uint8Array): Buffer => {
    const text = Buffer.from(data).toString('base64');
    return call({
      type: 'PROCESS_IO',
      process_io: { type: 'DATA', data: { type: 'STDIN', data: text } },
    });
  };
  async function* records(): AsyncGenerator<Buffer> {
    yield call({ type: 'CONTAINER_ID', container_id });
    for await (const piece of input) {
      if ('data' in piece) {
        if (piece.data.length > 0) yield typed(piece.data);
      } else {
        const control = { type: 'TTY_INFO', tty_info: { window_size: piece.size } };
        yield call({ type: 'PROCESS_IO', process_io: { type: 'CONTROL', control } });
      }
    }
    yield typed(new Uint8Array());
  }
  const body = await post(agent, {
    headers: {
      'content-type': 'application/recordio',
      'message-content-type': 'application/json',
      accept: 'application/json',
    },
    records: records(),
  });
  await body.dump();
}

async function* nothing(): AsyncGenerator<SessionInput> {
  // The end of input alone.
}

/** A refusal in the agent's own words. */
class AgentRefusal extends CommandError {
  readonly code: number;

  constructor(code: number, url: string, text: string) {
    super(
      'failed',
      code === 401 || code === 403
        ? `${url} lets nobody into containers without credentials`
        : `${url} answered ${code}: ${text}`,
    );
    this.code = code;
  }
}

type Question = { headers: Record<string, string>; headersTimeout?: number } & (
  { call: unknown } | { records: AsyncGenerator<Buffer> }
);

async function post(
  { url, dispatcher, signal }: AgentApi,
  question: Question,
): Promise<Awaited<ReturnType<typeof request>>['body']> {
  const content =
    'call' in question ? JSON.stringify(question.call) : Readable.from(question.records);
  const { headersTimeout = 0 } = question;
  let answer: Awaited<ReturnType<typeof request>>;
  try {
    answer = await request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...question.headers },
      body: content,
      dispatcher,
      headersTimeout,
      signal,
    });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new CommandError('unreachable', `cannot reach the agent ${url}: ${message}`, error);
  }
  if (answer.statusCode === 200) return answer.body;
  throw new AgentRefusal(answer.statusCode, url, await answer.body.text());
}
