import { z } from 'zod';
import { conditionSchema } from '../machinery/conditions.ts';
import type { GroupVersionKind, KubeObject } from '../machinery/metadata.ts';
import { group } from './group.ts';
import { finishOf, mostActive, type BatchFinish } from './batch.ts';
import { jobSpecSchema, type JobSpec } from './job.ts';
import { addressesPrefix, amountOf, countNamesOf } from './quota-names.ts';
import { deadPhases } from './task.ts';
import { valueAt } from '../machinery/json.ts';
import type { Container, NetworkAttachment } from './template.ts';

/** Amounts by the names of quotas. */
export type Usage = Readonly<Record<string, number>>;

/** The kind of an object, as quotas name it. */
export interface Counted {
  gvk: Pick<GroupVersionKind, 'group' | 'kind'>;
  plural: string;
}

/** `jobs.mesocosm.dev`, or `secrets` in the core group. */
export function countedName({ gvk, plural }: Counted): string {
  return gvk.group === '' ? plural : `${plural}.${gvk.group}`;
}

/** Whether objects of this kind differ in what they use: they have to be read to be counted. */
export function mustBeRead({ gvk }: Counted): boolean {
  return gvk.group === group && (gvk.kind === 'Job' || gvk.kind === 'Task');
}

/** What an object uses. Dead tasks are records that the control plane keeps: they count for nothing. */
export function usageOf(of: Counted, object: KubeObject): Usage {
  const ours = of.gvk.group === group ? of.gvk.kind : undefined;
  if (ours === 'Task' && isDeadTask(object)) return {};
  const usage: Record<string, number> = {};
  for (const name of countNamesOf(countedName(of))) usage[name] = 1;
  if (ours !== 'Job') return usage;
  const spec = jobSpecSchema.safeParse(valueAt(object, ['spec']));
  return spec.success ? { ...usage, ...demandOf(spec.data, finishAsStored(object)) } : usage;
}

function isDeadTask(object: KubeObject): boolean {
  const phase = valueAt(object, ['status', 'phase']);
  return typeof phase === 'string' && deadPhases.includes(phase);
}

const sizes = ['cpu', 'memory', 'ephemeral-storage'] as const;
type Size = (typeof sizes)[number];

const statusSchema = z.object({ conditions: z.array(conditionSchema).optional() });

function finishAsStored(object: KubeObject): BatchFinish | undefined {
  const status = statusSchema.safeParse(valueAt(object, ['status']));
  return status.success ? finishOf({ status: status.data }) : undefined;
}

/** Instances times template: what the Job may come to use at a time. */
function demandOf(spec: JobSpec, finish: BatchFinish | undefined): Usage {
  const { containers, networks = [] } = spec.template.spec;
  const replicas = mostActive(spec, finish);
  const usage: Record<string, number> = {};
  for (const size of sizes) {
    const requests = replicas * sum(containers, (container) => requestOf(container, size));
    usage[size] = usage[`requests.${size}`] = requests;
    usage[`limits.${size}`] = replicas * sum(containers, (container) => limitOf(container, size));
  }
  for (const network of networks) {
    usage[`${addressesPrefix}${network.name}`] = replicas * addressesOf(network);
  }
  return usage;
}

function requestOf({ resources }: Container, size: Size): number {
  return amountOf(size, resources?.requests?.[size] ?? 0) ?? 0;
}

/** Mesos takes the request for the limit where there is none. */
function limitOf(container: Container, size: Size): number {
  const limit = container.resources?.limits?.[size];
  return limit === undefined ? requestOf(container, size) : (amountOf(size, limit) ?? 0);
}

/** One a family that is asked for; one if nothing is said. */
function addressesOf({ ipFamilies, ips, ipsByInstance }: NetworkAttachment): number {
  const asked = Math.max(0, ...(ipsByInstance ?? []).map((list) => list.length));
  return Math.max(1, ipFamilies?.length ?? 0, ips?.length ?? 0, asked);
}

function sum(containers: readonly Container[], of: (container: Container) => number): number {
  return containers.reduce((total, container) => total + of(container), 0);
}

/** Names of `hard` about which a Job must speak and does not, and the containers that are silent. */
export function unspoken(
  of: Counted,
  object: KubeObject,
  hard: Readonly<Record<string, unknown>>,
): { names: string[]; containers: string[] } {
  const asks = ['ephemeral-storage', 'requests.ephemeral-storage', 'limits.ephemeral-storage'];
  const names = asks.filter((name) => Object.hasOwn(hard, name));
  const isJob = of.gvk.group === group && of.gvk.kind === 'Job';
  if (!isJob || names.length === 0) return { names: [], containers: [] };
  const spec = jobSpecSchema.safeParse(valueAt(object, ['spec']));
  if (!spec.success) return { names: [], containers: [] };
  const containers = spec.data.template.spec.containers
    .filter(({ resources }) => resources?.requests?.['ephemeral-storage'] === undefined)
    .map(({ name }) => name);
  return containers.length === 0 ? { names: [], containers } : { names, containers };
}

/** What `next` uses above `before`; what it gives back is counted once it is stored. */
export function increase(next: Usage, before: Usage): Usage {
  return Object.fromEntries(
    Object.entries(next)
      .map(([name, amount]): [string, number] => [name, amount - (before[name] ?? 0)])
      .filter(([, amount]) => amount > 0),
  );
}

export function add(left: Usage, right: Usage): Usage {
  const total: Record<string, number> = { ...left };
  for (const [name, amount] of Object.entries(right)) total[name] = (total[name] ?? 0) + amount;
  return total;
}
