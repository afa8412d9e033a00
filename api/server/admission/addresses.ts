import type { FieldError } from '../../machinery/errors.ts';
import { valueAt } from '../../machinery/json.ts';
import type { KubeObject } from '../../machinery/metadata.ts';
import { addressClaimResource, claimName } from '../../v1/address-claim.ts';
import { canonicalAddress, familyOf } from '../../v1/addresses.ts';
import { group } from '../../v1/group.ts';
import { jobResource } from '../../v1/job.ts';
import { mayAskFor, networkResource, type Network } from '../../v1/network.ts';
import { networkAttachmentSchema } from '../../v1/template.ts';
import type { Admission, AdmissionRequest, Lookup } from '../registry/context.ts';

const templatePath = ['spec', 'template', 'spec'];

/** Where a kind keeps what is to be launched. */
const launchPaths: Readonly<Record<string, readonly string[]>> = {
  Job: templatePath,
  Task: ['spec'],
};

/** An address that a Job or Task asks for. */
interface Request {
  network: string;
  /** In canonical form. */
  ip: string;
  field: string;
}

/**
 * Addresses that are asked for must lie in the static ranges of their Network. What an update leaves as
 * it was is not questioned again, nor is what a Task has from its Job. That somebody else holds an
 * address is only a warning: who gets it is decided by who creates the AddressClaim.
 */
export function admitAddresses(): Admission {
  return async (request, lookup) => {
    const { resource, namespace, object, old, subresource } = request;
    const path = resource.gvk.group === group ? launchPaths[resource.gvk.kind] : undefined;
    if (path === undefined || subresource !== undefined || namespace === undefined) return [];
    const requests = requestsOf(object, path);
    if (requests.length === 0) return [];
    const admitted = new Set((await admittedOf(request, path, lookup)).map(keyOf));
    const fresh = requests.filter((one) => !admitted.has(keyOf(one)));
    const errors: FieldError[] = [];
    for (const one of fresh) {
      const why = problemOf(one, await networkOf(one.network, lookup));
      if (why === undefined) continue;
      const message = `Invalid value: "${one.ip}": ${why}`;
      errors.push({ field: one.field, message, reason: 'FieldValueInvalid' });
    }
    if (errors.length === 0 && resource.gvk.kind === 'Job') {
      await warnOfHolders(request, old === undefined ? requests : fresh, lookup);
    }
    return errors;
  };
}

function keyOf({ network, ip }: Request): string {
  return claimName(network, ip);
}

async function admittedOf(
  { resource, namespace, object, old }: AdmissionRequest,
  path: readonly string[],
  lookup: Lookup,
): Promise<Request[]> {
  if (old !== undefined) return requestsOf(old, path);
  const name = valueAt(object, ['spec', 'job']);
  if (resource.gvk.kind !== 'Task' || typeof name !== 'string') return [];
  const ref = { name, ...(namespace === undefined ? {} : { namespace }) };
  const job = await lookup.get(jobResource.plural, ref);
  return job === undefined ? [] : requestsOf(job, templatePath);
}

const attachmentsSchema = networkAttachmentSchema.array();

function requestsOf(object: KubeObject, path: readonly string[]): Request[] {
  const given = valueAt(object, [...path, 'networks']);
  if (given === undefined) return [];
  const networks = attachmentsSchema.safeParse(given);
  return (networks.data ?? []).flatMap(({ name, ips = [], ipsByInstance = [] }, n) => {
    const field = `${path.join('.')}.networks[${n}]`;
    const request = (ip: string, at: string): Request => ({
      network: name,
      ip: canonicalAddress(ip),
      field: `${field}.${at}`,
    });
    return [
      ...ips.map((ip, i) => request(ip, `ips[${i}]`)),
      ...ipsByInstance.flatMap((list, instance) =>
        list.map((ip, i) => request(ip, `ipsByInstance[${instance}][${i}]`)),
      ),
    ];
  });
}

async function networkOf(name: string, lookup: Lookup): Promise<Network | undefined> {
  const found = await lookup.get(networkResource.plural, { name });
  const parsed = found === undefined ? undefined : networkResource.parse(found);
  return parsed?.ok === true ? parsed.value : undefined;
}

/** A Network that there is not is refused by the rule about networks. */
function problemOf({ network: name, ip }: Request, network: Network | undefined) {
  if (network === undefined) return undefined;
  const { staticRanges, ipFamilies } = network.spec;
  if (ipFamilies?.includes(familyOf(ip)) === false) {
    return `the Network "${name}" assigns ${ipFamilies.join(' and ')} only`;
  }
  if (staticRanges === undefined) {
    return `the Network "${name}" has no staticRanges, so no address of it may be asked for: an operator may add them, or use sticky`;
  }
  if (mayAskFor(network, ip)) return undefined;
  return `it is not in the staticRanges of the Network "${name}": ${staticRanges.join(', ')}`;
}

async function warnOfHolders(
  request: AdmissionRequest,
  requests: readonly Request[],
  lookup: Lookup,
): Promise<void> {
  const { namespace, object } = request;
  for (const { network, ip } of requests) {
    const found = await lookup.get(addressClaimResource.plural, { name: claimName(network, ip) });
    const claim = found === undefined ? undefined : addressClaimResource.parse(found);
    if (claim?.ok !== true) continue;
    const { holder } = claim.value.spec;
    const isOwn = holder.namespace === namespace && holder.job === object.metadata.name;
    if (isOwn) continue;
    request.warn(
      `${ip} on ${network} is held by Job ${holder.namespace}/${holder.job} (task ${holder.task}): this Job waits until it is released`,
    );
  }
}
