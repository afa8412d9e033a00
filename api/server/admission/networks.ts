import type { FieldError } from '../../machinery/errors.ts';
import { jsonEqual, valueAt } from '../../machinery/json.ts';
import type { KubeObject } from '../../machinery/metadata.ts';
import type { Resource } from '../../machinery/resource.ts';
import { namespaceResource } from '../../v1/core.ts';
import { defaultNetworkAnnotation } from '../../v1/default-network.ts';
import { group } from '../../v1/group.ts';
import { jobResource } from '../../v1/job.ts';
import { attachmentsIn, newProblems } from '../../v1/network-rules.ts';
import { networkResource, type NamespaceFacts, type Network } from '../../v1/network.ts';
import type { NetworkAttachment } from '../../v1/template.ts';
import type { Admission, Lookup } from '../registry/context.ts';

/** Where a kind keeps what is to be launched. */
const launchPaths: Readonly<Record<string, readonly string[]>> = {
  Job: ['spec', 'template', 'spec'],
  Task: ['spec'],
};

/**
 * The networks that a Job or Task joins must exist, be offered to its namespace, and allow what the
 * attachment asks for. An update is held only to the faults that it introduces, and a Task only to those
 * that its Job does not have: what runs keeps running, and is replaced, when an operator changes or
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
): Promise<NetworkAttachment[]> {
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
  admitted: readonly NetworkAttachment[];
  lookup: Lookup;
}

async function check(
  options: { containerNetworking: boolean },
  { path, namespace, object, admitted, lookup }: Submission,
): Promise<FieldError[]> {
  const errors: FieldError[] = [];
  for (const [index, attachment] of attachmentsOf(object, path).entries()) {
    const before = admitted.find(({ name }) => name === attachment.name);
    if (jsonEqual(before, attachment)) continue;
    const field = `${path.join('.')}.networks[${index}]`;
    const hint = hintFor(object, attachment);
    if (!options.containerNetworking) {
      errors.push({
        field,
        message: `Forbidden: container networking is turned off in this cluster (feature gate ContainerNetworking): remove networks, or ask an operator to turn it on${hint}`,
        reason: 'FieldValueForbidden',
      });
      continue;
    }
    const network = await networkOf(lookup, attachment.name);
    const problems = newProblems(attachment, before, network, await factsOf(lookup, namespace));
    for (const { field: place, fault, why, reason } of problems) {
      errors.push({ field: `${field}.${place}`, message: `${fault}: ${why}${hint}`, reason });
    }
  }
  return errors;
}

async function networkOf(lookup: Lookup, name: string): Promise<Network | undefined> {
  const found = await lookup.get(networkResource.plural, { name });
  const parsed = found === undefined ? undefined : networkResource.parse(found);
  return parsed?.ok === true ? parsed.value : undefined;
}

async function factsOf(lookup: Lookup, name: string): Promise<NamespaceFacts> {
  const found = await lookup.get(namespaceResource.plural, { name });
  return { name, labels: found?.metadata.labels };
}

/** Who has not written an attachment is told where it comes from. */
function hintFor({ metadata }: KubeObject, { name }: NetworkAttachment): string {
  return metadata.annotations?.[defaultNetworkAnnotation] === name
    ? ' (it is the default network of the namespace; write "networks: []" for the network of the agent)'
    : '';
}

function launchPathOf({ gvk }: Resource): readonly string[] | undefined {
  return gvk.group === group && Object.hasOwn(launchPaths, gvk.kind)
    ? launchPaths[gvk.kind]
    : undefined;
}

function attachmentsOf(object: KubeObject, path: readonly string[]): NetworkAttachment[] {
  return attachmentsIn(valueAt(object, [...path, 'networks']));
}
