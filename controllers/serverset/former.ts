import { z } from 'zod';
import type { Task } from '../../api/v1/task.ts';
import { parseJson } from './body.ts';
import type { Endpoint, Endpoints } from './member.ts';
import { endpointAt, portNumbersOf } from './member.ts';

const endpointSchema = z.object({ host: z.string(), port: z.number() });
const bodySchema = z.object({
  serviceEndpoint: endpointSchema,
  additionalEndpoints: z.record(z.string(), endpointSchema),
});

/**
 * What a member says, as far as its task still has it: where the task can be reached though the set asks
 * for what it has not, as the set changed before the task was replaced. Undefined if the service itself is
 * nothing that the task has.
 */
export function formerEndpoints(body: string, task: Task): Endpoints | undefined {
  const parsed = bodySchema.safeParse(parseJson(body));
  if (!parsed.success) return undefined;
  const { serviceEndpoint, additionalEndpoints } = parsed.data;
  const literals = literalsOf(task);
  const ports = portNumbersOf(task);
  const { host, port } = serviceEndpoint;
  if (!literals.has(host) || ![...ports.values()].includes(port)) return undefined;
  const additional: Record<string, Endpoint> = {};
  for (const [name, each] of Object.entries(additionalEndpoints)) {
    const [portName = ''] = name.split('.');
    const literal = literals.get(each.host);
    if (literal === undefined || ports.get(portName) !== each.port) continue;
    additional[name] = endpointAt(each.host, each.port, literal);
  }
  return { service: { host, port }, additional };
}

/** Hosts that members of the task may say, each with its address. */
function literalsOf({ spec, status }: Task): ReadonlyMap<string, string> {
  const joined = (spec.networks ?? []).map(({ name }) => name);
  const host = status?.mesos?.agentHostname;
  if (joined.length === 0) {
    return new Map(host === undefined ? [] : [[host, status?.mesos?.agentAddress?.ip ?? host]]);
  }
  const networks = (status?.networks ?? []).filter(({ name }) => joined.includes(name));
  return new Map(networks.flatMap(({ ips }) => ips.map((ip) => [ip, ip])));
}
