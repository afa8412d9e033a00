import type { FieldError } from '../../machinery/errors.ts';
import { valueAt } from '../../machinery/json.ts';
import type { KubeObject } from '../../machinery/metadata.ts';
import type { Resource } from '../../machinery/resource.ts';
import { group } from '../../v1/group.ts';
import { isOfferedTo, networkResource, type Network } from '../../v1/network.ts';
import { jobResource } from '../../v1/job.ts';
import type { Admission, Lookup } from '../registry/context.ts';

/** Where a kind keeps what is to be launched. */
const launchPaths: Readonly<Record<string, readonly string[]>> = {
  Job: ['spec', 'template', 'spec'],
  Task: ['spec'],
};

/**
 * The networks that a Job or Task joins must exist, be offered to its namespace, and have the families
 * that the attachment expects. An update is held only to the attachments that it changes, and a Task
 * only to those that its Job does not have: what runs keeps running, and is replaced, when an operator
 * withdraws a network or turns container networking off.
 */
export function admitNetworks(options: { containerNetworking: boolean }): Admission {
  return async (request, lookup) => {
    const { resource, namespace, object, old, subresource } = request;
    const path = launchPathOf(resource);
    if (path === undefined || subresource !== undefined || namespace === undefined) return [];
    const admitted =
      old === undefined
        ? await attachmentsOfJob(resource, object, namespace, lookup)
        : attachmentsOf(old, path);
    return await check(options, { path, namespace, object, admitted, lookup });
  };
}

/** What the Job of a Task has been admitted with. */
async function attachmentsOfJob(
  { gvk }: Resource,
  task: KubeObject,
  namespace: string,
  lookup: Lookup,
): Promise<Attachment[]> {
  const name = valueAt(task, ['spec', 'job']);
  if (gvk.kind !== 'Task' || typeof name !== 'string') return [];
  const job = await lookup.get(jobResource.plural, { namespace, name });
  return job === undefined ? [] : attachmentsOf(job, ['spec', 'template', 'spec']);
}

interface Submission {
  path: readonly string[];
  namespace: string;
  object: KubeObject;
  /** Attachments that are not questioned again. */
  admitted: readonly Attachment[];
  lookup: Lookup;
}

async function check(
  options: { containerNetworking: boolean },
  { path, namespace, object, admitted, lookup }: Submission,
): Promise<FieldError[]> {
  const errors: FieldError[] = [];
  for (const [index, attachment] of attachmentsOf(object, path).entries()) {
    const unchanged = admitted.some(
      ({ name, families }) =>
        name === attachment.name && families.join() === attachment.families.join(),
    );
    if (unchanged) continue;
    const field = `${path.join('.')}.networks[${index}]`;
    if (!options.containerNetworking) {
      errors.push({
        field,
        message:
          'Forbidden: container networking is turned off in this cluster (feature gate ContainerNetworking): remove networks, or ask an operator to turn it on',
        reason: 'FieldValueForbidden',
      });
      continue;
    }
    const found = await lookup.get(networkResource.plural, { name: attachment.name });
    const network = found === undefined ? undefined : networkResource.parse(found);
    const problem = problemOf(
      attachment,
      network?.ok === true ? network.value : undefined,
      namespace,
    );
    if (problem === undefined) continue;
    errors.push({
      field: `${field}.${problem.field}`,
      message: `Invalid value: ${JSON.stringify(problem.value)}: ${problem.why}`,
      reason: 'FieldValueInvalid',
    });
  }
  return errors;
}

function launchPathOf({ gvk }: Resource): readonly string[] | undefined {
  return gvk.group === group && Object.hasOwn(launchPaths, gvk.kind)
    ? launchPaths[gvk.kind]
    : undefined;
}

interface Attachment {
  name: string;
  families: string[];
}

function attachmentsOf(object: KubeObject, path: readonly string[]): Attachment[] {
  const networks = valueAt(object, [...path, 'networks']);
  if (!Array.isArray(networks)) return [];
  return networks.map((attachment: unknown) => {
    const name = valueAt(attachment, ['name']);
    const families = valueAt(attachment, ['ipFamilies']);
    return {
      name: typeof name === 'string' ? name : '',
      families: Array.isArray(families) ? families.filter((item) => typeof item === 'string') : [],
    };
  });
}

function problemOf(
  attachment: Attachment,
  network: Network | undefined,
  namespace: string,
): { field: string; value: unknown; why: string } | undefined {
  const { name, families } = attachment;
  if (network === undefined) {
    const why =
      'there is no Network of this name: ask an operator to offer it, or see "get networks" for those there are';
    return { field: 'name', value: name, why };
  }
  if (!isOfferedTo(network, namespace)) {
    const why = `this Network is not offered to the namespace "${namespace}": an operator may add it to spec.namespaces`;
    return { field: 'name', value: name, why };
  }
  const offered = network.spec.ipFamilies;
  const missing = families.filter((family) => offered?.some((one) => one === family) === false);
  if (missing.length === 0) return undefined;
  const why = `the Network "${name}" assigns ${offered?.join(' and ') ?? ''} only`;
  return { field: 'ipFamilies', value: missing, why };
}
