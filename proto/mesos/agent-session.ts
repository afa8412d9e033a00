/** Commands beside a task: LAUNCH_NESTED_CONTAINER_SESSION and what goes with it. */
import { sleep } from '../../api/machinery/clock.ts';
import { codec, contentTypes } from './codec.ts';
import type { AgentCall, AgentProcessIO, ContainerID } from './generated/messages.ts';
import { byteChunks, httpClient, refusal, requestError } from './http.ts';
import type { Answer, HttpClient, HttpOptions, PostOptions } from './http.ts';
import { encodeRecord, RecordDecoder } from './recordio.ts';
import { MesosRequestError } from './transport.ts';
import type { MesosAddress } from './transport.ts';

export interface WindowSize {
  readonly rows: number;
  readonly columns: number;
}

export type SessionInput = { readonly data: Uint8Array } | { readonly size: WindowSize };

export interface SessionOptions extends HttpOptions {
  readonly agent: MesosAddress;
  /** Beside which the command runs. */
  readonly container: ContainerID;
  /** Never used before. */
  readonly name: string;
  readonly command: readonly string[];
  /** With a terminal of this size; its output is all standard output. */
  readonly terminal?: WindowSize | undefined;
  /** What is typed, read as fast as the agent takes it; its end is that of standard input. */
  readonly input: AsyncIterable<SessionInput>;
  /** Nothing more is read from the agent until it resolves. */
  readonly output: (stream: 'STDOUT' | 'STDERR', data: Buffer) => Promise<void>;
  readonly signal: AbortSignal;
}

const path = '/api/v1';
const recordio = 'application/recordio';
/** From the refusal of input to the end of the output, at most. */
const endMs = 2_000;
/** Bytes; agents send output in pieces of a few KiB. */
const maxRecordBytes = 16 * 1024 * 1024;
/** Wait status of a command that ended together with its container: it was killed. */
const killed = 9;

/**
 * Runs a command in a container and resolves with its raw wait status. The agent ends the command if
 * the connection is cut. Rejects with MesosRequestError.
 */
export async function runSession(options: SessionOptions): Promise<number> {
  const ended = new AbortController();
  const agent = new SessionAgent(options, AbortSignal.any([options.signal, ended.signal]));
  const id: ContainerID = { value: options.name, parent: options.container };
  try {
    const body = await launch(agent, id, options);
    const received = receive(agent, body, options.output);
    const unsent = send(agent, id, options.input).then(
      () => received,
      async (error: unknown) => {
        // Nothing can be sent to a command that has ended: then the end of its output is on the way.
        await sleep(options.clock, endMs, agent.signal);
        throw error;
      },
    );
    const [status] = await Promise.all([exitStatus(agent, id), Promise.race([received, unsent])]);
    return status;
  } catch (error) {
    throw options.signal.aborted ? options.signal.reason : error;
  } finally {
    ended.abort();
    await agent.close();
  }
}

/** One agent, a connection for each request: all of a session's last until its end. */
class SessionAgent {
  readonly http: HttpClient;
  readonly signal: AbortSignal;
  readonly #address: MesosAddress;
  readonly #connections: { destroy(): Promise<void> }[] = [];

  constructor(options: HttpOptions & { agent: MesosAddress }, signal: AbortSignal) {
    this.http = httpClient(options);
    this.#address = options.agent;
    this.signal = signal;
  }

  /** The answer to one call, which must be a success. */
  async ask(
    call: AgentCall,
    { headers, signal = this.signal }: Partial<PostOptions> = {},
  ): Promise<Answer> {
    const body = codec('mesos.v1.agent.Call', this.http.format).encode(call);
    const options = { signal, ...(headers === undefined ? {} : { headers }) };
    return this.#answer((client) => this.http.post(client, path, body, options));
  }

  async upload(
    pieces: AsyncIterable<Uint8Array>,
    headers: PostOptions['headers'],
  ): Promise<Answer> {
    const { signal } = this;
    const options = { signal, ...(headers === undefined ? {} : { headers }) };
    return this.#answer((client) => this.http.upload(client, path, pieces, options));
  }

  async #answer(
    request: (client: ReturnType<HttpClient['connect']>) => Promise<Answer>,
  ): Promise<Answer> {
    const client = this.http.connect(this.#address);
    this.#connections.push(client);
    let answer: Answer;
    try {
      answer = await request(client);
    } catch (error) {
      throw requestError(error, this.#address);
    }
    if (answer.status === 200) return answer;
    throw await refusal(this.http, answer, this.#address);
  }

  async close(): Promise<void> {
    await Promise.all(this.#connections.map((connection) => connection.destroy()));
  }
}

/** The stream of what the command writes. */
async function launch(
  agent: SessionAgent,
  container_id: ContainerID,
  { command, terminal }: Pick<SessionOptions, 'command' | 'terminal'>,
): Promise<Answer['body']> {
  const [value = ''] = command;
  const tty = terminal === undefined ? {} : { window_size: terminal };
  const call: AgentCall = {
    type: 'LAUNCH_NESTED_CONTAINER_SESSION',
    launch_nested_container_session: {
      container_id,
      command: { shell: false, value, arguments: [...command] },
      ...(terminal === undefined ? {} : { container: { type: 'MESOS', tty_info: tty } }),
    },
  };
  const headers = { accept: recordio, 'message-accept': contentTypes[agent.http.format] };
  // Only the head has a deadline: a command may be silent for as long as it likes.
  const head = new AbortController();
  const either = AbortSignal.any([agent.signal, head.signal]);
  return agent.http.withDeadline(agent.signal, async (deadline) => {
    const late = (): void => head.abort(deadline.reason);
    deadline.addEventListener('abort', late, { once: true });
    const answer = await agent.ask(call, { headers, signal: either });
    deadline.removeEventListener('abort', late);
    return answer.body;
  });
}

async function receive(
  agent: SessionAgent,
  body: Answer['body'],
  output: SessionOptions['output'],
): Promise<void> {
  const decoder = new RecordDecoder(maxRecordBytes);
  const messages = codec('mesos.v1.agent.ProcessIO', agent.http.format);
  for await (const chunk of byteChunks(body)) {
    for (const record of decoder.push(chunk)) {
      const { data } = messages.decode(record);
      if (data?.type !== 'STDOUT' && data?.type !== 'STDERR') continue;
      await output(data.type, Buffer.from(data.data ?? '', 'base64'));
    }
    if (decoder.failure !== undefined) {
      throw new MesosRequestError('BadAnswer', 'the agent sends no stream of records');
    }
  }
}

/** Asked for while the command runs, since the agent forgets it with the task. */
async function exitStatus(agent: SessionAgent, container_id: ContainerID): Promise<number> {
  try {
    const { body } = await agent.ask({
      type: 'WAIT_NESTED_CONTAINER',
      wait_nested_container: { container_id },
    });
    const bytes = Buffer.from(await body.arrayBuffer());
    const answer = codec('mesos.v1.agent.Response', agent.http.format).decode(bytes);
    return answer.wait_nested_container?.exit_status ?? killed;
  } catch (error) {
    if (error instanceof MesosRequestError && error.status === 404) return killed;
    throw error;
  }
}

/** ATTACH_CONTAINER_INPUT: the container, then what is typed, then an empty record for its end. */
async function send(
  agent: SessionAgent,
  container_id: ContainerID,
  input: AsyncIterable<SessionInput>,
): Promise<void> {
  const { body } = await agent.upload(inputRecords(agent.http, container_id, input), {
    'content-type': recordio,
    'message-content-type': contentTypes[agent.http.format],
  });
  await body.dump();
}

async function* inputRecords(
  { format }: HttpClient,
  container_id: ContainerID,
  input: AsyncIterable<SessionInput>,
): AsyncGenerator<Uint8Array> {
  const { encode } = codec('mesos.v1.agent.Call', format);
  const record = (fields: AgentCall['attach_container_input'] & object): Uint8Array =>
    encodeRecord(encode({ type: 'ATTACH_CONTAINER_INPUT', attach_container_input: fields }));
  const io = (process_io: AgentProcessIO): Uint8Array => record({ type: 'PROCESS_IO', process_io });
  const typed = (data: Uint8Array): Uint8Array =>
    io({ type: 'DATA', data: { type: 'STDIN', data: Buffer.from(data).toString('base64') } });
  yield record({ type: 'CONTAINER_ID', container_id });
  for await (const piece of input) {
    if ('size' in piece) {
      const control = { type: 'TTY_INFO', tty_info: { window_size: piece.size } } as const;
      yield io({ type: 'CONTROL', control });
    } else if (piece.data.length > 0) yield typed(piece.data);
  }
  yield typed(new Uint8Array());
}
