import { isIPv4, isIPv6 } from 'node:net';
import type { ServerSetSpec } from '../../api/v1/serverset.ts';
import { serverSetDefaults } from '../../api/v1/serverset.ts';
import type { Task } from '../../api/v1/task.ts';
import type { ContainerPort } from '../../api/v1/template.ts';

/**
 * An endpoint of a member. `host` is an address literal, or the host name of the agent. `inet` and
 * `inet6` are twitter.commons' keys for readers that want no DNS.
 */
export interface Endpoint {
  host: string;
  port: number;
  inet?: string;
  inet6?: string;
}

/** Where a task can be reached, as its ServerSet publishes it. */
export interface Endpoints {
  service: Pick<Endpoint, 'host' | 'port'>;
  additional: Readonly<Record<string, Endpoint>>;
}

/** A ready task that cannot be published, and why, in a sentence without the task's name. */
export interface Unpublishable {
  reason: string;
}

type Wish = Pick<ServerSetSpec, 'network' | 'family' | 'primaryPort'>;

export function endpointsOf(task: Task, wish: Wish): Endpoints | Unpublishable {
  return (task.spec.networks ?? []).length === 0
    ? agentEndpoints(task, wish)
    : networkEndpoints(task, wish);
}

/** A task on the network of its agent: the agent's host name and the ports taken from the offer. */
function agentEndpoints(task: Task, { network, primaryPort }: Wish): Endpoints | Unpublishable {
  if (network !== undefined) {
    return { reason: `uses the network of its agent and has no address on ${network}` };
  }
  const mesos = task.status?.mesos;
  const host = mesos?.agentHostname;
  if (host === undefined) return { reason: 'has no agent yet' };
  const literal = mesos?.agentAddress?.ip ?? host;
  const numbers = portNumbersOf(task);
  const port = numbers.get(primaryPort);
  if (port === undefined) return { reason: `has no number for port ${primaryPort}` };
  const additional: Record<string, Endpoint> = {};
  for (const [name, number] of numbers) additional[name] = endpointAt(host, number, literal);
  return { service: { host, port }, additional };
}

function networkEndpoints(task: Task, wish: Wish): Endpoints | Unpublishable {
  const joined = (task.spec.networks ?? []).map(({ name }) => name);
  const chosen = wish.network ?? (joined.length === 1 ? joined[0] : undefined);
  if (chosen === undefined) {
    return { reason: `joins ${joined.join(', ')}, and the ServerSet does not say whose address` };
  }
  if (!joined.includes(chosen)) return { reason: `does not join network ${chosen}` };
  const family = wish.family ?? serverSetDefaults.family;
  const host = addressOn(task, chosen, family);
  if (host === undefined) return { reason: `has no ${family} address on network ${chosen}` };
  const numbers = portNumbersOf(task);
  const port = numbers.get(wish.primaryPort);
  if (port === undefined) return { reason: `has no port ${wish.primaryPort}` };
  const networks = [chosen, ...joined.filter((name) => name !== chosen)];
  const additional: Record<string, Endpoint> = {};
  for (const [name, number] of numbers) {
    for (const network of networks) {
      for (const each of ['IPv4', 'IPv6'] as const) {
        const address = addressOn(task, network, each);
        if (address === undefined) continue;
        const on = network === chosen ? name : `${name}.${network}`;
        additional[each === 'IPv6' ? `${on}.ipv6` : on] ??= endpointAt(address, number, address);
      }
    }
  }
  return { service: { host, port }, additional };
}

/** The ports of a task where it listens: in its containers, or on its agent if it joins no network. */
export function portNumbersOf(task: Task): ReadonlyMap<string, number> {
  if ((task.spec.networks ?? []).length > 0) {
    return portsOf(task, ({ containerPort }) => containerPort);
  }
  const taken = new Map((task.status?.ports ?? []).map(({ name, hostPort }) => [name, hostPort]));
  return portsOf(
    task,
    ({ name, hostPort, containerPort }) => taken.get(name) ?? hostPort ?? containerPort,
  );
}

/** Named ports with a number, in the order of the containers. */
function portsOf(
  task: Task,
  numberOf: (port: ContainerPort) => number | undefined,
): ReadonlyMap<string, number> {
  const numbers = new Map<string, number>();
  for (const port of task.spec.containers.flatMap(({ ports = [] }) => ports)) {
    const number = numberOf(port);
    if (number !== undefined && number > 0) numbers.set(port.name, number);
  }
  return numbers;
}

/** Mesos assigns at most one address of a family on a network. */
function addressOn(task: Task, network: string, family: 'IPv4' | 'IPv6'): string | undefined {
  const isOfFamily = family === 'IPv6' ? isIPv6 : isIPv4;
  return task.status?.networks?.find(({ name }) => name === network)?.ips.find(isOfFamily);
}

/** With the keys for readers that want no DNS. */
export function endpointAt(host: string, port: number, literal: string): Endpoint {
  if (isIPv4(literal)) return { host, port, inet: literal };
  if (isIPv6(literal)) return { host, port, inet6: literal };
  return { host, port };
}
