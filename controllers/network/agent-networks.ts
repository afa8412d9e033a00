import type { Task } from '../../api/v1/task.ts';

/**
 * Which CNI networks an agent has. Offers do not say, so it is known from what operators say in its
 * attributes and from launches: a task that got an address there, and "Unknown CNI network".
 */

/** Attribute that lists CNI networks which the agent has: `--attributes="cni_networks:dev-net,data-net"`. */
const listAttribute = 'cni_networks';
/** Attribute by which operators say that the list is complete: `cni_networks_complete:true`. */
const completeAttribute = 'cni_networks_complete';

/** How it is known that an agent has a network: from its attribute, or from a task that got an address. */
export type NetworkSource = 'Attribute' | 'Launch';

/** What is known of the CNI networks of one agent. */
export interface AgentNetworks {
  has: ReadonlyMap<string, NetworkSource>;
  /** Those that a launch has found missing, lately. */
  lacks: ReadonlySet<string>;
  /** It has no others. */
  complete: boolean;
}

/** Yes or Unknown: a task may be placed there. A launch that found it missing outweighs all else. */
export function hasNetwork(known: AgentNetworks, cniName: string): 'Yes' | 'No' | 'Unknown' {
  if (known.lacks.has(cniName)) return 'No';
  if (known.has.has(cniName)) return 'Yes';
  return known.complete ? 'No' : 'Unknown';
}

/** `attributes` in text form; a set, as later versions of Mesos may have it, is read as well. */
export function agentNetworks(
  attributes: Readonly<Record<string, string>>,
  seen: Iterable<string>,
  lacks: Iterable<string>,
): AgentNetworks {
  const text = attributes[listAttribute];
  const listed = (text ?? '')
    .replace(/^\{(.*)\}$/, '$1')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  const has = new Map<string, NetworkSource>([
    ...[...seen].map((name) => [name, 'Launch'] as const),
    ...listed.map((name) => [name, 'Attribute'] as const),
  ]);
  const complete = text !== undefined && attributes[completeAttribute] === 'true';
  return { has, lacks: new Set(lacks), complete };
}

/** CNI networks on which the task has an address, and had none: what it had before is no news. */
export function networksGained(task: Task, previous: Task | undefined): string[] {
  if (task.status?.networks === previous?.status?.networks) return [];
  const before = new Set(networksWithAddress(previous));
  return networksWithAddress(task).filter((cniName) => !before.has(cniName));
}

function networksWithAddress(task: Task | undefined): string[] {
  const networks = task?.status?.networks ?? [];
  return networks.flatMap(({ cniName, ips }) => (ips.length === 0 ? [] : [cniName]));
}

/** CNI networks on which tasks have got an address, by the id of their agent. */
export class SeenNetworks {
  readonly #seen = new Map<string, Set<string>>();

  /** Whether that is news. */
  add(agentId: string, cniName: string): boolean {
    const networks = this.#seen.get(agentId);
    if (networks?.has(cniName) === true) return false;
    this.#seen.set(agentId, (networks ?? new Set<string>()).add(cniName));
    return true;
  }

  /** A launch has found it missing. */
  remove(agentId: string, cniName: string): void {
    this.#seen.get(agentId)?.delete(cniName);
  }

  /** The agent has gone for good: it may come back as another. */
  forget(agentId: string): void {
    this.#seen.delete(agentId);
  }

  of(agentId: string): ReadonlySet<string> {
    return this.#seen.get(agentId) ?? new Set();
  }
}
