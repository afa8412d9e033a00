import { parseQuantity } from '../../api/machinery/quantity.ts';
import type { Container, TemplateSpec } from '../../api/v1/template.ts';
import type { Resource, ValueRange } from '../../proto/mesos/generated/messages.ts';

/**
 * Offered resources as a ledger from which launches are carved. Mesos counts scalars in thousandths, so
 * the ledger does too; each piece keeps its role and reservations, as the master demands.
 */

/** What a launch needs: cores, MiB, MiB, and ports of the agent. */
export interface Demand {
  cpus: number;
  mem: number;
  disk: number;
  /** Exact ports. */
  ports: readonly number[];
  /** How many more ports, whichever are free. */
  anyPorts: number;
}

export const nothing: Demand = { cpus: 0, mem: 0, disk: 0, ports: [], anyPorts: 0 };

/**
 * What the default executor of a group needs for itself. The least that a master accepts is 0.01 cores,
 * 32 MiB and some disk: without any it answers "uses no disk" for every task of the group.
 */
export const executorDemand: Demand = { ...nothing, cpus: 0.1, mem: 32, disk: 10 };

const mebibyte = 2 ** 20;

export function containerDemand(container: Container): Demand {
  const requests = container.resources?.requests;
  const mebibytes = (text: string | number | undefined): number =>
    Math.ceil((parseQuantity(text ?? 0) ?? 0) / mebibyte);
  return {
    ...nothing,
    cpus: parseQuantity(requests?.cpu ?? 0) ?? 0,
    mem: mebibytes(requests?.memory),
    disk: mebibytes(requests?.['ephemeral-storage']),
  };
}

/** Ports of the agent that a task takes: its own on the agent's network, mapped ones otherwise. */
export function portDemand(spec: TemplateSpec): Pick<Demand, 'ports' | 'anyPorts'> {
  const networks = spec.networks ?? [];
  if (networks.length > 0) {
    const mapped = networks.flatMap(({ portMappings = [] }) => portMappings.map((m) => m.hostPort));
    return { ports: [...new Set(mapped)], anyPorts: 0 };
  }
  const wanted = spec.containers.flatMap(({ ports = [] }) =>
    ports.map((port) => port.hostPort ?? port.containerPort ?? 0),
  );
  return {
    ports: [...new Set(wanted.filter((port) => port > 0))],
    anyPorts: wanted.filter((port) => port === 0).length,
  };
}

/** Everything that a task needs on its agent. */
export function taskDemand(spec: TemplateSpec): Demand {
  const demands = spec.containers.map(containerDemand);
  const all = spec.containers.length > 1 ? [...demands, executorDemand] : demands;
  const sum = (field: 'cpus' | 'mem' | 'disk'): number =>
    fromMilli(all.reduce((total, demand) => total + toMilli(demand[field]), 0));
  return { cpus: sum('cpus'), mem: sum('mem'), disk: sum('disk'), ...portDemand(spec) };
}

const toMilli = (value: number): number => Math.round(value * 1000);
const fromMilli = (milli: number): number => milli / 1000;

const scalarNames = ['cpus', 'mem', 'disk'] as const;
type ScalarName = (typeof scalarNames)[number];

interface Entry {
  /** The resource as offered, without its amount. */
  shape: Resource;
  milli: number;
  ranges: ValueRange[];
}

/** Why a demand does not fit: the resources that are short. */
export type Shortage = ScalarName | 'ports';

/** Pieces of an offer, or what is short. */
export type Carving =
  { ok: true; resources: Resource[]; anyPorts: number[] } | { ok: false; short: Shortage[] };

export class ResourceLedger {
  readonly #entries: Entry[];
  /** Sums over the entries, in thousandths: a placement asks for them for every task and agent. */
  readonly #totals: Record<ScalarName, number> = { cpus: 0, mem: 0, disk: 0 };

  /** Takes what is plainly usable: no persistent volumes, disks of their own, revocable or shared pieces. */
  constructor(offered: readonly Resource[]) {
    this.#entries = offered
      .filter((resource) => resource.disk === undefined && resource.revocable === undefined)
      .filter((resource) => resource.shared === undefined && resource.provider_id === undefined)
      // Reserved pieces first: they serve nobody else.
      .sort((a, b) => (b.reservations?.length ?? 0) - (a.reservations?.length ?? 0))
      .map((resource) => ({
        shape: resource,
        milli: toMilli(resource.scalar?.value ?? 0),
        ranges: [...(resource.ranges?.range ?? [])],
      }));
    for (const name of scalarNames) {
      this.#totals[name] = this.#of(name).reduce((sum, entry) => sum + entry.milli, 0);
    }
  }

  total(name: ScalarName): number {
    return fromMilli(this.#totals[name]);
  }

  shortages(demand: Demand): Shortage[] {
    const short: Shortage[] = scalarNames.filter(
      (name) => this.#totals[name] < toMilli(demand[name]),
    );
    if (demand.ports.length + demand.anyPorts === 0) return short;
    const free = this.#count();
    const fixed = demand.ports.every((port) => this.#holds(port));
    return fixed && free >= demand.ports.length + demand.anyPorts ? short : [...short, 'ports'];
  }

  /** Takes the demand out of the ledger, all of it or nothing. */
  carve(demand: Demand): Carving {
    const short = this.shortages(demand);
    if (short.length > 0) return { ok: false, short };
    const resources: Resource[] = [];
    for (const name of scalarNames)
      resources.push(...this.#takeScalar(name, toMilli(demand[name])));
    for (const port of demand.ports) resources.push(...this.#takePort(port));
    const anyPorts: number[] = [];
    while (anyPorts.length < demand.anyPorts) {
      const port = this.#entries.flatMap(({ ranges }) => ranges)[0]?.begin;
      if (port === undefined) break;
      resources.push(...this.#takePort(port));
      anyPorts.push(port);
    }
    return { ok: true, resources: mergePorts(resources), anyPorts };
  }

  #of(name: string): Entry[] {
    return this.#entries.filter(({ shape }) => shape.name === name);
  }

  #count(): number {
    return this.#of('ports')
      .flatMap(({ ranges }) => ranges)
      .reduce((sum, { begin, end }) => sum + end - begin + 1, 0);
  }

  #holds(port: number): boolean {
    return this.#of('ports').some(({ ranges }) =>
      ranges.some(({ begin, end }) => begin <= port && port <= end),
    );
  }

  #takeScalar(name: ScalarName, milli: number): Resource[] {
    const taken: Resource[] = [];
    let rest = milli;
    for (const entry of this.#of(name)) {
      const part = Math.min(rest, entry.milli);
      if (part === 0) continue;
      entry.milli -= part;
      this.#totals[name] -= part;
      rest -= part;
      taken.push({ ...entry.shape, scalar: { value: fromMilli(part) } });
    }
    return taken;
  }

  #takePort(port: number): Resource[] {
    for (const entry of this.#of('ports')) {
      const index = entry.ranges.findIndex(({ begin, end }) => begin <= port && port <= end);
      const range = entry.ranges[index];
      if (range === undefined) continue;
      const left = { begin: range.begin, end: port - 1 };
      const right = { begin: port + 1, end: range.end };
      entry.ranges.splice(index, 1, ...[left, right].filter(({ begin, end }) => begin <= end));
      return [{ ...entry.shape, ranges: { range: [{ begin: port, end: port }] } }];
    }
    return [];
  }
}

/** One ports resource a role and reservation, as the master offers them. */
function mergePorts(resources: readonly Resource[]): Resource[] {
  const merged: Resource[] = [];
  const identity = (resource: Resource): string =>
    JSON.stringify([resource.role, resource.reservations, resource.allocation_info]);
  for (const resource of resources) {
    const index = merged.findIndex(
      (other) =>
        other.name === 'ports' &&
        resource.name === 'ports' &&
        identity(other) === identity(resource),
    );
    const same = merged[index];
    if (same === undefined) merged.push(resource);
    else {
      merged[index] = {
        ...same,
        ranges: { range: [...(same.ranges?.range ?? []), ...(resource.ranges?.range ?? [])] },
      };
    }
  }
  return merged;
}
