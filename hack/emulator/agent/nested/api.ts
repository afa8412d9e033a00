import type { Clock } from '../../../../api/machinery/clock.ts';
import { codec, contentTypes, type Format } from '../../../../proto/mesos/codec.ts';
import type {
  AgentCall,
  AgentResponse,
  CommandInfo,
  ContainerID,
  ContainerInfo,
} from '../../../../proto/mesos/generated/messages.ts';
import {
  acceptedFormat,
  decodeCall,
  requestFormat,
  respond,
  text,
  type ApiAnswer,
  type ApiRequest,
} from '../../http/messages.ts';
import { containerName, type NestedContainers } from './containers.ts';
import { attachInput } from './input.ts';
import { outputStream } from './output.ts';
import { cannotBeFound, noSwitchboard, recordio } from './refusals.ts';

type Handler = (request: ApiRequest) => ApiAnswer | Promise<ApiAnswer>;

/** Answers the calls for nested containers; everything else is for `next`. */
export function nestedApi(nested: NestedContainers, clock: Clock, next: Handler): Handler {
  return (request) => {
    const [path = '/'] = request.target.split('?', 2);
    if (request.method !== 'POST' || path.replace(/^\/slave\(\d+\)/, '') !== '/api/v1') {
      return next(request);
    }
    if (request.headers['content-type'] === recordio) return attachInput(nested, request);
    const format = requestFormat(request);
    if (typeof format !== 'string') return format;
    const decoded = decodeCall('mesos.v1.agent.Call', format, request);
    if (!('call' in decoded)) return next(request);
    return nestedCall({ nested, clock, request }, decoded.call) ?? next(request);
  };
}

interface Serving {
  readonly nested: NestedContainers;
  readonly clock: Clock;
  readonly request: ApiRequest;
}

/** Undefined: the call is not of nested containers. */
function nestedCall(serving: Serving, call: AgentCall): ApiAnswer | Promise<ApiAnswer> | undefined {
  switch (call.type) {
    case 'ATTACH_CONTAINER_INPUT':
      return text(415, `Expecting 'Content-Type' to be ${recordio} for ${call.type} call`);
    case 'LAUNCH_NESTED_CONTAINER':
      return withArguments(call, 'launch_nested_container', (request) =>
        plain(
          serving,
          call,
          async () => (await launch(serving.nested, request, false)) ?? respond(200),
        ),
      );
    case 'LAUNCH_NESTED_CONTAINER_SESSION':
      return withArguments(call, 'launch_nested_container_session', (request) =>
        streamed(serving, request.container_id, () => launch(serving.nested, request, true), true),
      );
    case 'ATTACH_CONTAINER_OUTPUT':
      return withArguments(call, 'attach_container_output', ({ container_id }) =>
        streamed(serving, container_id, () => Promise.resolve(undefined), false),
      );
    case 'WAIT_NESTED_CONTAINER':
      return withArguments(call, 'wait_nested_container', ({ container_id }) =>
        plain(serving, call, (format) => wait(serving.nested, container_id, format, call.type)),
      );
    case 'WAIT_CONTAINER':
      return withArguments(call, 'wait_container', ({ container_id }) =>
        plain(serving, call, (format) => wait(serving.nested, container_id, format, call.type)),
      );
    case 'KILL_NESTED_CONTAINER':
      return withArguments(call, 'kill_nested_container', ({ container_id, signal }) =>
        plain(serving, call, () => kill(serving.nested, container_id, signal)),
      );
    case 'KILL_CONTAINER':
      return withArguments(call, 'kill_container', ({ container_id, signal }) =>
        plain(serving, call, () => kill(serving.nested, container_id, signal)),
      );
    case 'REMOVE_NESTED_CONTAINER':
      return withArguments(call, 'remove_nested_container', ({ container_id }) =>
        plain(serving, call, () => remove(serving.nested, container_id)),
      );
    case 'REMOVE_CONTAINER':
      return withArguments(call, 'remove_container', ({ container_id }) =>
        plain(serving, call, () => remove(serving.nested, container_id)),
      );
    default:
      return undefined;
  }
}

type WithContainer = {
  [K in keyof AgentCall]-?: NonNullable<AgentCall[K]> extends { container_id: ContainerID }
    ? K
    : never;
}[keyof AgentCall];

function withArguments<K extends WithContainer>(
  call: AgentCall,
  field: K,
  answer: (given: NonNullable<AgentCall[K]>) => ApiAnswer | Promise<ApiAnswer>,
): ApiAnswer | Promise<ApiAnswer> {
  const given = call[field];
  if (given === undefined) return invalid(`Expecting '${field}' to be present`);
  const id: ContainerID = given.container_id;
  const problem = idProblem(id);
  if (problem !== undefined) return invalid(`'${field}.container_id' is invalid: ${problem}`);
  if (id.parent === undefined) {
    return invalid(`Expecting '${field}.container_id.parent' to be present`);
  }
  return answer(given);
}

function invalid(problem: string): ApiAnswer {
  return text(400, `Failed to validate agent::Call: ${problem}`);
}

function idProblem({ value, parent }: ContainerID): string | undefined {
  if (value === '') return "'ContainerID.value' must not be empty";
  if (!/^[\w-]+$/.test(value)) return `'ContainerID.value' '${value}' contains invalid characters`;
  return parent === undefined ? undefined : idProblem(parent);
}

/** An answer that is no stream. */
function plain(
  { request }: Serving,
  call: AgentCall,
  answer: (format: Format) => ApiAnswer | Promise<ApiAnswer>,
): ApiAnswer | Promise<ApiAnswer> {
  const format = acceptedFormat(request);
  if (format !== undefined) return answer(format);
  return request.headers['accept']?.includes(recordio) === true
    ? text(406, `Streaming response is not supported for ${String(call.type)} call`)
    : notAcceptable();
}

function notAcceptable(): ApiAnswer {
  return text(
    406,
    `Expecting 'Accept' to allow ${contentTypes.json} or ${contentTypes.protobuf} or ${recordio}`,
  );
}

/** The output of a container; `start` may refuse. The end of a session's stream ends the session. */
async function streamed(
  { nested, clock, request }: Serving,
  id: ContainerID,
  start: () => Promise<ApiAnswer | undefined>,
  session: boolean,
): Promise<ApiAnswer> {
  const types = streamTypes(request);
  if ('kind' in types) return types;
  const refusal = await start();
  if (refusal !== undefined) return refusal;
  const container = nested.find(id);
  if (container === undefined) {
    // The containers of tasks have no switchboard: their output goes into files.
    return nested.hasRoot(id) ? noSwitchboard() : cannotBeFound(id);
  }
  return container.attachable
    ? outputStream(nested, container, { ...types, clock, session })
    : noSwitchboard();
}

/** Without RecordIO in Accept, records come all the same, under the type of the messages. */
function streamTypes(
  request: ApiRequest,
): { format: Format; headers: Record<string, string> } | ApiAnswer {
  const format = acceptedFormat(request);
  const messages = request.headers['message-accept'];
  if (format !== undefined) {
    return messages === undefined
      ? { format, headers: { 'Content-Type': contentTypes[format] } }
      : text(406, "Expecting 'Message-Accept' to be not set for non-streaming responses");
  }
  if (request.headers['accept']?.includes(recordio) !== true) return notAcceptable();
  const inner = acceptedFormat({
    ...request,
    headers: { ...(messages === undefined ? {} : { accept: messages }) },
  });
  if (inner === undefined) {
    return text(
      406,
      `Expecting 'Message-Accept' to allow ${contentTypes.json} or ${contentTypes.protobuf}`,
    );
  }
  return {
    format: inner,
    headers: { 'Content-Type': recordio, 'Message-Content-Type': contentTypes[inner] },
  };
}

/** The refusal, if there is one. */
async function launch(
  nested: NestedContainers,
  request: { container_id: ContainerID; command?: CommandInfo; container?: ContainerInfo },
  session: boolean,
): Promise<ApiAnswer | undefined> {
  const { container_id: id, command = {}, container } = request;
  if (!nested.hasRoot(id)) return cannotBeFound(id);
  if ((container?.network_infos ?? []).length > 0 || container?.mesos?.image !== undefined) {
    return text(400, 'The provided ContainerInfo is not supported');
  }
  switch (await nested.launch({ id, command, tty: container?.tty_info, session })) {
    case 'launched':
      return undefined;
    case 'exists':
      return respond(202);
    case 'no parent':
      return text(500, `Parent container ${parentName(id)} does not exist`);
  }
}

function parentName({ parent }: ContainerID): string {
  return parent === undefined ? '' : containerName(parent);
}

async function wait(
  nested: NestedContainers,
  id: ContainerID,
  format: Format,
  type: AgentCall['type'],
): Promise<ApiAnswer> {
  const container = nested.find(id);
  if (container === undefined) return cannotBeFound(id);
  const exit_status = await nested.wait(container);
  const response: AgentResponse =
    type === 'WAIT_CONTAINER'
      ? { type: 'WAIT_CONTAINER', wait_container: { exit_status } }
      : { type: 'WAIT_NESTED_CONTAINER', wait_nested_container: { exit_status } };
  const body = codec('mesos.v1.agent.Response', format).encode(response);
  return respond(200, { 'Content-Type': contentTypes[format] }, body);
}

const sigkill = 9;

function kill(nested: NestedContainers, id: ContainerID, signal = sigkill): ApiAnswer {
  const container = nested.find(id);
  if (container === undefined || container.status !== undefined) {
    return nested.hasRoot(id)
      ? text(404, `Container '${containerName(id)}' cannot be found (or is already killed)`)
      : cannotBeFound(id);
  }
  container.process.signal(signal);
  return respond(200);
}

function remove(nested: NestedContainers, id: ContainerID): ApiAnswer {
  const container = nested.find(id);
  if (container === undefined) return respond(200);
  if (container.status === undefined) return text(500, 'Nested container has not terminated yet');
  nested.remove(container);
  return respond(200);
}
