import type { Resource, ValueRange } from '../../proto/mesos/generated/messages.ts';

/**
 * Amounts of resources. Scalars are thousandths, so that sums are exact as Mesos' three decimals
 * are; ranges are sorted, disjoint and inclusive. Sets and reservations are not modelled.
 */
export interface Quantities {
  readonly scalars: ReadonlyMap<string, number>;
  readonly ranges: ReadonlyMap<string, readonly ValueRange[]>;
}

export const nothing: Quantities = { scalars: new Map(), ranges: new Map() };

export function parseResources(resources: readonly Resource[] | undefined): Quantities {
  const scalars = new Map<string, number>();
  const ranges = new Map<string, readonly ValueRange[]>();
  for (const { name, type, scalar, ranges: given } of resources ?? []) {
    if (type === 'SCALAR') {
      scalars.set(name, (scalars.get(name) ?? 0) + Math.round((scalar?.value ?? 0) * 1000));
    } else if (type === 'RANGES') {
      ranges.set(name, union(ranges.get(name) ?? [], given?.range ?? []));
    }
  }
  return { scalars, ranges };
}

export function plus(a: Quantities, b: Quantities): Quantities {
  const scalars = new Map(a.scalars);
  for (const [name, value] of b.scalars) scalars.set(name, (scalars.get(name) ?? 0) + value);
  if (b.ranges.size === 0) return { scalars, ranges: a.ranges };
  const ranges = new Map(a.ranges);
  for (const [name, range] of b.ranges) ranges.set(name, union(ranges.get(name) ?? [], range));
  return { scalars, ranges };
}

/** What of `a` is left without `b`; never less than nothing. */
export function minus(a: Quantities, b: Quantities): Quantities {
  const scalars = new Map<string, number>();
  for (const [name, value] of a.scalars) {
    const rest = value - (b.scalars.get(name) ?? 0);
    if (rest > 0) scalars.set(name, rest);
  }
  if (b.ranges.size === 0) return { scalars, ranges: a.ranges };
  const ranges = new Map<string, readonly ValueRange[]>();
  for (const [name, range] of a.ranges) {
    const rest = difference(range, b.ranges.get(name) ?? []);
    if (rest.length > 0) ranges.set(name, rest);
  }
  return { scalars, ranges };
}

export function contains(a: Quantities, b: Quantities): boolean {
  for (const [name, value] of b.scalars) if ((a.scalars.get(name) ?? 0) < value) return false;
  for (const [name, range] of b.ranges) {
    if (difference(range, a.ranges.get(name) ?? []).length > 0) return false;
  }
  return true;
}

export function isEmpty(quantities: Quantities): boolean {
  for (const value of quantities.scalars.values()) if (value > 0) return false;
  return quantities.ranges.size === 0;
}

export function sum(all: Iterable<Quantities>): Quantities {
  let total = nothing;
  for (const one of all) total = plus(total, one);
  return total;
}

/** The order in which a master lists what it offers. */
const offerOrder = ['ports', 'cpus', 'mem', 'disk'];

/** As the master writes them in offers and task records: allocated to `role`, ranges first. */
export function allocatedResources(quantities: Quantities, role: string): Resource[] {
  return list(quantities).map((resource) => ({ ...resource, allocation_info: { role } }));
}

/** As the operator API writes what is in use: with the reservation role too. */
export function accountedResources(quantities: Quantities, role: string): Resource[] {
  return list(quantities).map((resource) => ({
    ...resource,
    role: '*',
    allocation_info: { role },
  }));
}

/** Mesos' text form: `cpus(allocated: web):0.5; mem(allocated: web):64`. */
export function describeResources(quantities: Quantities, role: string): string {
  return list(quantities)
    .map(({ name, scalar, ranges }) => {
      const value =
        scalar === undefined
          ? `[${(ranges?.range ?? []).map(({ begin, end }) => `${begin}-${end}`).join(', ')}]`
          : String(scalar.value);
      return `${name}(allocated: ${role}):${value}`;
    })
    .join('; ');
}

function list(quantities: Quantities): Resource[] {
  const resources: Resource[] = [];
  for (const [name, range] of quantities.ranges) {
    if (range.length > 0) resources.push({ name, type: 'RANGES', ranges: { range: [...range] } });
  }
  for (const [name, value] of quantities.scalars) {
    if (value > 0) resources.push({ name, type: 'SCALAR', scalar: { value: value / 1000 } });
  }
  const rank = (name: string): number => {
    const index = offerOrder.indexOf(name);
    return index < 0 ? offerOrder.length : index;
  };
  return resources.sort((a, b) => rank(a.name) - rank(b.name));
}

function union(a: readonly ValueRange[], b: readonly ValueRange[]): ValueRange[] {
  const sorted = [...a, ...b].sort((x, y) => x.begin - y.begin);
  const merged: ValueRange[] = [];
  for (const { begin, end } of sorted) {
    const last = merged.at(-1);
    if (last !== undefined && begin <= last.end + 1) last.end = Math.max(last.end, end);
    else merged.push({ begin, end });
  }
  return merged;
}

function difference(a: readonly ValueRange[], b: readonly ValueRange[]): ValueRange[] {
  let rest: ValueRange[] = [...a];
  for (const cut of b) {
    rest = rest.flatMap(({ begin, end }) => {
      if (cut.end < begin || cut.begin > end) return [{ begin, end }];
      const parts: ValueRange[] = [];
      if (cut.begin > begin) parts.push({ begin, end: cut.begin - 1 });
      if (cut.end < end) parts.push({ begin: cut.end + 1, end });
      return parts;
    });
  }
  return rest;
}
