import { codec, contentTypes, type Format } from '../../../../proto/mesos/codec.ts';
import { CodecError } from '../../../../proto/mesos/errors.ts';
import type { AgentCall, AgentProcessIO } from '../../../../proto/mesos/generated/messages.ts';
import { RecordDecoder } from '../../../../proto/mesos/recordio.ts';
import { respond, text, type ApiAnswer, type ApiRequest } from '../../http/messages.ts';
import type { NestedContainer, NestedContainers } from './containers.ts';
import { cannotBeFound, noSwitchboard, recordio } from './refusals.ts';

/**
 * ATTACH_CONTAINER_INPUT: the request is a stream of calls, the first of which names the container.
 * Answered when the stream or the container ends; the end of the stream does not end the
 * container's input, an empty record does.
 */
export async function attachInput(
  nested: NestedContainers,
  request: ApiRequest,
): Promise<ApiAnswer> {
  const format = messageFormat(request);
  if (typeof format !== 'string') return format;
  const calls = decodedCalls(request.stream ?? once(request.body), format);
  try {
    const first = await calls.next();
    if (first.done === true) return text(400, 'Received EOF while reading request body');
    const { type, attach_container_input: input } = first.value;
    if (type !== 'ATTACH_CONTAINER_INPUT') {
      const words = `Streaming 'Content-Type' ${recordio} is not supported for ${String(type)} call`;
      return text(415, words);
    }
    if (input?.type !== 'CONTAINER_ID' || input.container_id === undefined) {
      return text(400, "Expecting 'attach_container_input.type' to be CONTAINER_ID");
    }
    const container = nested.find(input.container_id);
    if (container === undefined) {
      return nested.hasRoot(input.container_id)
        ? noSwitchboard()
        : cannotBeFound(input.container_id);
    }
    if (!container.attachable) return noSwitchboard();
    if (container.inputAttached) return text(409, 'Multiple input connections are not allowed');
    return await pump(nested, container, calls);
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    return text(400, `Failed to deserialize body: ${error.message}`);
  }
}

async function pump(
  nested: NestedContainers,
  container: NestedContainer,
  calls: AsyncIterator<AgentCall>,
): Promise<ApiAnswer> {
  container.inputAttached = true;
  const ended = nested.wait(container).then(() => undefined);
  try {
    for (;;) {
      const next = await Promise.race([calls.next(), ended]);
      if (next === undefined || next.done === true) return respond(200);
      const { attach_container_input: input } = next.value;
      if (input?.type !== 'PROCESS_IO' || input.process_io === undefined) {
        return text(400, "Expecting 'attach_container_input.type' to be 'PROCESS_IO'");
      }
      apply(container, input.process_io);
    }
  } finally {
    container.inputAttached = false;
  }
}

function apply(container: NestedContainer, message: AgentProcessIO): void {
  const { process } = container;
  if (message.type === 'DATA' && message.data?.type === 'STDIN') {
    const data = Buffer.from(message.data.data ?? '', 'base64');
    if (data.length === 0) process.endInput();
    else process.write(data);
  }
  const size = message.control?.tty_info?.window_size;
  if (message.type === 'CONTROL' && size !== undefined) process.resize(size);
}

function messageFormat(request: ApiRequest): Format | ApiAnswer {
  const type = request.headers['message-content-type'];
  if (type === undefined) {
    return text(400, "Expecting 'Message-Content-Type' to be set for streaming requests");
  }
  for (const format of ['json', 'protobuf'] as const) {
    if (type === contentTypes[format]) return format;
  }
  const words = `${contentTypes.json} or ${contentTypes.protobuf}`;
  return text(415, `Expecting 'Message-Content-Type' to be ${words}`);
}

async function* decodedCalls(
  body: AsyncIterable<Uint8Array>,
  format: Format,
): AsyncGenerator<AgentCall, void> {
  const decoder = new RecordDecoder(maxInputRecord);
  const { decode } = codec('mesos.v1.agent.Call', format);
  for await (const chunk of body) {
    for (const record of decoder.push(chunk)) yield decode(record);
    if (decoder.failure !== undefined) break;
  }
  const failure = decoder.end();
  if (failure !== undefined) throw new CodecError('Malformed', ['Call'], failure.message);
}

/** Bytes; clients send keystrokes and pieces of files. */
const maxInputRecord = 4 * 2 ** 20;

async function* once(body: Uint8Array): AsyncGenerator<Uint8Array> {
  await Promise.resolve();
  yield body;
}
