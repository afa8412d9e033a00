import { jsonEqual, valueAt, without, withValueAt } from '../machinery/json.ts';
import type { KubeObject } from '../machinery/metadata.ts';

/**
 * On a Namespace: the Network that a Job joins which says nothing of networks. On a Job: that it was
 * given this one so when it was created. The attachment itself is written into the Job, so that a later
 * change of the Namespace moves nothing.
 */
export const defaultNetworkAnnotation = 'mesocosm.dev/default-network';

const networksPath = ['spec', 'template', 'spec', 'networks'];

/** Whether a Job leaves open which networks it joins; an empty list is the network of the agent. */
export function leavesNetworksOpen(job: KubeObject): boolean {
  return valueAt(job, networksPath) === undefined;
}

/** A new Job with the default network of its namespace, if it has one and the Job leaves it open. */
export function withDefaultNetwork(job: KubeObject, name: string | undefined): KubeObject {
  if (name === undefined || name === '' || !leavesNetworksOpen(job)) return marked(job, undefined);
  return marked(withNetworks(job, [{ name }]), name);
}

/**
 * An update that leaves networks open, as a manifest that is sent again does, keeps the default network
 * that the Job was created with; one that names its networks has chosen them itself.
 */
export function keepDefaultNetwork(updated: KubeObject, stored: KubeObject): KubeObject {
  const name = stored.metadata.annotations?.[defaultNetworkAnnotation];
  const given = valueAt(stored, networksPath);
  if (name === undefined || given === undefined) return marked(updated, undefined);
  if (leavesNetworksOpen(updated)) return marked(withNetworks(updated, given), name);
  return marked(updated, jsonEqual(valueAt(updated, networksPath), given) ? name : undefined);
}

function withNetworks(job: KubeObject, networks: unknown): KubeObject {
  return { ...job, ...withValueAt({ ...job }, networksPath, networks) };
}

/** The annotation is the server's: what a client writes there counts for nothing. */
function marked(job: KubeObject, name: string | undefined): KubeObject {
  const { annotations = {}, ...metadata } = job.metadata;
  if (annotations[defaultNetworkAnnotation] === name) return job;
  const others = without(annotations, defaultNetworkAnnotation);
  const next = name === undefined ? others : { ...others, [defaultNetworkAnnotation]: name };
  const isEmpty = Object.keys(next).length === 0;
  return { ...job, metadata: isEmpty ? metadata : { ...metadata, annotations: next } };
}
