import { codec, contentTypes, type Format } from '../../../proto/mesos/codec.ts';
import type {
  MasterEvent,
  MasterInfo,
  SchedulerCall,
  SchedulerCallType,
  SchedulerEvent,
} from '../../../proto/mesos/generated/messages.ts';
import { encodeRecord } from '../../../proto/mesos/recordio.ts';
import { withEmptyLists, type ShownLists } from '../http/empty-lists.ts';
import {
  acceptedFormat,
  decodeCall,
  json,
  methodNotAllowed,
  requestFormat,
  respond,
  text,
  type ApiAnswer,
  type ApiRequest,
  type ApiResponse,
  type ApiStream,
} from '../http/messages.ts';
import { masterFlags } from './flags.ts';
import {
  legacyAgents,
  legacyFrameworks,
  legacyRoles,
  legacyState,
  legacySummary,
  legacyTasks,
} from './legacy.ts';
import { maintenanceStatus } from './maintenance.ts';
import type { Master } from './master.ts';
import { masterMetrics } from './metrics.ts';
import { operatorCall } from './operator.ts';
import type { EventStream, MasterState, OperatorStream } from './state.ts';
import { versionInfo } from './version.ts';
import { getState } from './views.ts';

/** A master process as its HTTP endpoints see it: leading, following, or without a leader. */
export interface MasterNode {
  readonly leading: Master | undefined;
  readonly leader: MasterInfo | undefined;
  /** Of a master that does not lead. */
  standbyMetrics(): Record<string, number>;
}

/** Answers one request as a Mesos master does. */
export function masterApi(node: MasterNode): (request: ApiRequest) => ApiAnswer {
  return (request) => {
    const [path = '/', query] = request.target.split('?', 2);
    const route = path.startsWith('/master/') ? path.slice('/master'.length) : path;
    // These every master answers by itself.
    if (route === '/health') return respond(200);
    if (route === '/version') return json(versionInfo);
    if (route === '/metrics/snapshot') {
      return json(
        node.leading === undefined ? node.standbyMetrics() : masterMetrics(node.leading.state),
      );
    }
    if (!routes.has(route)) return text(404, '404 Not Found.');
    if (node.leader === undefined) return text(503, 'No leader elected');
    if (route === '/redirect') return redirect(node.leader, '');
    if (node.leading === undefined) {
      return redirect(node.leader, `/master${route}${query === undefined ? '' : `?${query}`}`);
    }
    return answer(node.leading, route, request);
  };
}

/** What a GET of the leader shows. */
const pages: Readonly<Record<string, (m: MasterState) => object>> = {
  '/state': legacyState,
  '/tasks': legacyTasks,
  '/frameworks': legacyFrameworks,
  '/slaves': legacyAgents,
  '/state-summary': legacySummary,
  '/roles': legacyRoles,
  '/flags': (m) => ({ flags: masterFlags(m) }),
  '/maintenance/schedule': (m) => m.maintenance.schedule,
  '/maintenance/status': maintenanceStatus,
};

const routes: ReadonlySet<string> = new Set([
  '/api/v1/scheduler',
  '/api/v1',
  '/redirect',
  ...Object.keys(pages),
]);

function answer(master: Master, route: string, request: ApiRequest): ApiAnswer {
  const page = pages[route];
  if (page !== undefined) return json(page(master.state));
  if (request.method !== 'POST') return methodNotAllowed(request.method, 'POST');
  const format = requestFormat(request);
  if (typeof format !== 'string') return format;
  return route === '/api/v1'
    ? operator(master, format, request)
    : scheduler(master, format, request);
}

function redirect(leader: MasterInfo, path: string): ApiResponse {
  const host = leader.address?.hostname ?? leader.hostname ?? '';
  const port = leader.address?.port ?? leader.port;
  return respond(307, { Location: `//${host}:${port}${path}` });
}

function operator(master: Master, format: Format, request: ApiRequest): ApiAnswer {
  const decoded = decodeCall('mesos.v1.master.Call', format, request);
  if (!('call' in decoded)) return decoded;
  const accepted = acceptedFormat(request);
  if (accepted === undefined) return notAcceptable();
  if (decoded.call.type === 'SUBSCRIBE') return operatorStream(master.state, accepted);
  const result = operatorCall(master.state, decoded.call);
  if (typeof result === 'string') return text(400, result);
  if (result === undefined) return respond(200);
  const body = codec('mesos.v1.master.Response', accepted).encode(result);
  return respond(
    200,
    { 'Content-Type': contentTypes[accepted] },
    accepted === 'json' ? withEmptyLists(body, shownLists) : body,
  );
}

const shownLists: ShownLists = {
  get_tasks: ['tasks', 'completed_tasks', 'unreachable_tasks'],
  get_agents: ['agents', 'recovered_agents'],
  get_frameworks: ['frameworks', 'completed_frameworks'],
  get_executors: ['executors'],
};

/** The stream of a subscriber of the operator API: the state, then what changes. */
function operatorStream(m: MasterState, format: Format): ApiStream {
  const encoder = codec('mesos.v1.master.Event', format);
  const heartbeat = m.timings.heartbeatInterval;
  return {
    kind: 'stream',
    headers: { 'Content-Type': contentTypes[format] },
    open: (sink) => {
      const stream: OperatorStream = {
        send: (event) => {
          const written = format === 'json' ? withoutCheckpoint(event) : event;
          sink.write(encodeRecord(encoder.encode(written)));
        },
        end: () => {
          sink.end();
        },
      };
      stream.send({
        type: 'SUBSCRIBED',
        subscribed: { get_state: getState(m), heartbeat_interval_seconds: heartbeat / 1000 },
      });
      stream.send({ type: 'HEARTBEAT' });
      m.subscribers.add(stream);
      const beat = (): void => {
        m.clock.after(heartbeat, () => {
          if (!m.subscribers.has(stream)) return;
          stream.send({ type: 'HEARTBEAT' });
          beat();
        });
      };
      beat();
      return {
        closed: () => {
          m.subscribers.delete(stream);
        },
      };
    },
  };
}

/** In JSON, events about one agent leave out what only the unversioned interface knows. */
function withoutCheckpoint(event: MasterEvent): MasterEvent {
  if (event.agent_added === undefined) return event;
  const { agent } = event.agent_added;
  const agent_info = { ...agent.agent_info };
  delete agent_info.checkpoint;
  return { ...event, agent_added: { agent: { ...agent, agent_info } } };
}

function notAcceptable(): ApiResponse {
  return text(
    406,
    `Expecting 'Accept' to allow '${contentTypes.protobuf}' or '${contentTypes.json}'`,
  );
}

function scheduler(master: Master, format: Format, request: ApiRequest): ApiAnswer {
  const decoded = decodeCall('mesos.v1.scheduler.Call', format, request);
  if (!('call' in decoded)) return decoded;
  const { call } = decoded;
  const problem = validateCall(call);
  if (problem !== undefined) return text(400, `Failed to validate scheduler::Call: ${problem}`);
  const streamId = request.headers['mesos-stream-id'];
  if (call.type === 'SUBSCRIBE') {
    if (streamId !== undefined) {
      return text(400, "Subscribe calls should not include the 'Mesos-Stream-Id' header");
    }
    const accepted = acceptedFormat(request);
    return accepted === undefined ? notAcceptable() : subscription(master, call, accepted);
  }
  const id = call.framework_id?.value ?? '';
  const framework = master.state.frameworks.get(id);
  if (framework === undefined) return text(400, 'Framework cannot be found');
  if (framework.stream === undefined) return text(403, 'Framework is not subscribed');
  if (streamId === undefined) {
    return text(400, "All non-subscribe calls should include the 'Mesos-Stream-Id' header");
  }
  if (framework.stream.id !== streamId) {
    return text(
      400,
      `The stream ID '${streamId}' included in this request didn't match the stream ID currently associated with framework ID ${id}`,
    );
  }
  master.call(framework, call);
  return respond(call.type === 'UPDATE_FRAMEWORK' ? 200 : 202);
}

function subscription(master: Master, call: SchedulerCall, format: Format): ApiStream {
  const encoder = codec('mesos.v1.scheduler.Event', format);
  const id = master.state.random.uuid();
  return {
    kind: 'stream',
    headers: { 'Mesos-Stream-Id': id, 'Content-Type': contentTypes[format] },
    open: (sink) => {
      const stream: EventStream = {
        id,
        send: (event) => {
          const written = format === 'json' ? withJsonDefaults(event) : event;
          sink.write(encodeRecord(encoder.encode(written)));
        },
        end: () => {
          sink.end();
        },
      };
      const framework = master.subscribe(stream, call);
      return {
        closed: () => {
          if (framework !== undefined) master.streamClosed(framework, stream);
        },
      };
    },
  };
}

/** Mesos' JSON spells out defaults of absent fields; in a status that is the address' protocol. */
function withJsonDefaults(event: SchedulerEvent): SchedulerEvent {
  const status = event.update?.status;
  const networks = status?.container_status?.network_infos;
  if (status === undefined || networks === undefined) return event;
  const network_infos = networks.map((network) => ({
    ...network,
    ip_addresses: (network.ip_addresses ?? []).map((address) => ({
      protocol: 'IPv4' as const,
      ...address,
    })),
  }));
  const container_status = { ...status.container_status, network_infos };
  return { ...event, update: { status: { ...status, container_status } } };
}

/** The member that a call of each type must carry. */
const members: Partial<Record<SchedulerCallType, keyof SchedulerCall>> = {
  SUBSCRIBE: 'subscribe',
  ACCEPT: 'accept',
  DECLINE: 'decline',
  ACCEPT_INVERSE_OFFERS: 'accept_inverse_offers',
  DECLINE_INVERSE_OFFERS: 'decline_inverse_offers',
  KILL: 'kill',
  SHUTDOWN: 'shutdown',
  ACKNOWLEDGE: 'acknowledge',
  RECONCILE: 'reconcile',
  REQUEST: 'request',
  UPDATE_FRAMEWORK: 'update_framework',
};

/**
 * Refused like calls without a type. UNKNOWN makes a real master exit; the others are of operations
 * and custom executors, which are not emulated.
 */
const unsupported: ReadonlySet<SchedulerCallType> = new Set([
  'UNKNOWN',
  'ACKNOWLEDGE_OPERATION_STATUS',
  'RECONCILE_OPERATIONS',
  'MESSAGE',
]);

export function validateCall(call: SchedulerCall): string | undefined {
  if (call.type === undefined || unsupported.has(call.type)) return expecting('type');
  const member = members[call.type];
  if (call.type === 'SUBSCRIBE') {
    if (call.subscribe === undefined) return expecting('subscribe');
    return call.subscribe.framework_info.id?.value === call.framework_id?.value
      ? undefined
      : "'framework_id' differs from 'subscribe.framework_info.id'";
  }
  if (call.framework_id === undefined) return expecting('framework_id');
  if (member !== undefined && call[member] === undefined) return expecting(member);
  const uuid = call.acknowledge?.uuid;
  if (uuid !== undefined && Buffer.from(uuid, 'base64').length !== 16) return 'Not a valid UUID';
  return undefined;
}

function expecting(field: string): string {
  return `Expecting '${field}' to be present`;
}
