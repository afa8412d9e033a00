import { z } from 'zod';
import type { FieldError } from '../machinery/errors.ts';
import { jsonEqual } from '../machinery/json.ts';
import type { KubeObject } from '../machinery/metadata.ts';
import { canonicalAddress, hexAddress, isAddress } from './addresses.ts';
import { group, version } from './group.ts';
import { ageColumn, defineResource } from './zod-resource.ts';

/** Keeps a claim that somebody deletes until the Task that holds it is dead. */
export const claimFinalizer = 'mesocosm.dev/claim';

const holderSchema = z.strictObject({
  namespace: z.string().min(1).describe('Namespace of the Job.'),
  job: z.string().min(1).describe('Job that the address is kept for.'),
  jobUid: z.string().min(1).describe('Its uid: another Job of the name has no part in the claim.'),
  instance: z.int().min(0).describe('Instance of the Job.'),
  task: z.string().min(1).describe('The only Task that may be launched with the address.'),
  taskUid: z.string().min(1).describe('Its uid.'),
});
export type ClaimHolder = z.infer<typeof holderSchema>;

export const addressClaimSpecSchema = z.strictObject({
  network: z.string().min(1).describe('Name of the Network object.'),
  cniName: z
    .string()
    .min(1)
    .optional()
    .describe(
      'CNI network of the address: it has one holder, under however many names the network is offered. The name of the Network if absent.',
    ),
  ip: z.string().refine(isAddress, 'must be an IPv4 or IPv6 address').describe('The address.'),
  holder: holderSchema.describe('Who has it. Handed on only once the Task is dead.'),
});
export type AddressClaimSpec = z.infer<typeof addressClaimSpecSchema>;

/**
 * Held: the holder lives, or its Job keeps the address for the next run. HolderUnreachable: Mesos lost
 * sight of the holder, which may return. AgentLost: the holder is dead because its agent is gone, and
 * what ran there is given time to end.
 */
const claimStates = ['Held', 'HolderUnreachable', 'AgentLost'] as const;

const addressClaimStatusSchema = z.strictObject({
  state: z.enum(claimStates).describe('Held, HolderUnreachable or AgentLost.'),
  message: z.string().optional().describe('The state in a sentence.'),
  holderUid: z.string().describe('uid of the Task that this is about.'),
  releaseTime: z
    .string()
    .optional()
    .describe('AgentLost: when the address may be handed on (RFC 3339).'),
});
export type AddressClaimStatus = z.infer<typeof addressClaimStatusSchema>;

export interface AddressClaim extends KubeObject {
  apiVersion: 'mesocosm.dev/v1';
  kind: 'AddressClaim';
  spec: AddressClaimSpec;
  status?: AddressClaimStatus | undefined;
}

/** One name an address and network: creating the object decides between rivals. */
export function claimName(network: string, ip: string): string {
  return `${network}-${hexAddress(ip)}`;
}

/** Equal for claims of one address, under whatever name its CNI network is offered. */
export function wireKey(spec: Pick<AddressClaimSpec, 'network' | 'cniName' | 'ip'>): string {
  return `${spec.cniName ?? spec.network} ${spec.ip}`;
}

function validate(claim: AddressClaim, context: { old?: KubeObject }): FieldError[] {
  const { network, ip } = claim.spec;
  const errors: FieldError[] = [];
  if (ip !== canonicalAddress(ip)) {
    errors.push({
      field: 'spec.ip',
      message: `Invalid value: "${ip}": write it as "${canonicalAddress(ip)}"`,
      reason: 'FieldValueInvalid',
    });
  }
  const name = claimName(network, ip);
  if (claim.metadata.name !== name) {
    errors.push({
      field: 'metadata.name',
      message: `Invalid value: "${claim.metadata.name}": the claim of ${ip} on ${network} is named ${name}`,
      reason: 'FieldValueInvalid',
    });
  }
  const old = context.old === undefined ? undefined : addressClaimResource.parse(context.old);
  const fixed = (spec: AddressClaimSpec) => [spec.network, spec.cniName, spec.ip];
  if (old?.ok === true && !jsonEqual(fixed(old.value.spec), fixed(claim.spec))) {
    errors.push({
      field: 'spec',
      message: 'Forbidden: network, cniName and ip of a claim do not change',
      reason: 'FieldValueForbidden',
    });
  }
  return errors;
}

export const addressClaimResource = defineResource<AddressClaim>({
  group,
  version,
  kind: 'AddressClaim',
  plural: 'addressclaims',
  shortNames: ['claim'],
  categories: ['mesocosm'],
  namespaced: false,
  fieldOwners: 'OnceApplied',
  description: 'Who holds an address of a network. Made by controllers.',
  fields: {
    spec: addressClaimSpecSchema.describe('Which address, and who holds it.'),
    status: addressClaimStatusSchema.optional().describe('Whether the holder still needs it.'),
  },
  subresources: { status: true },
  columns: [
    {
      name: 'Network',
      type: 'string',
      description: 'Network of the address.',
      priority: 0,
      cell: ({ spec }) => spec.network,
    },
    {
      name: 'IP',
      type: 'string',
      description: 'The address.',
      priority: 0,
      cell: ({ spec }) => spec.ip,
    },
    {
      name: 'Holder',
      type: 'string',
      description: 'Job and instance that it is kept for.',
      priority: 0,
      cell: ({ spec: { holder } }) => `${holder.namespace}/${holder.job}/${holder.instance}`,
    },
    {
      name: 'Task',
      type: 'string',
      description: 'The only Task that may be launched with it.',
      priority: 0,
      cell: ({ spec }) => spec.holder.task,
    },
    {
      name: 'State',
      type: 'string',
      description: 'Held, HolderUnreachable or AgentLost.',
      priority: 0,
      cell: ({ metadata, status }) =>
        metadata.deletionTimestamp === undefined ? (status?.state ?? 'Held') : 'Releasing',
    },
    ageColumn,
    {
      name: 'Message',
      type: 'string',
      description: 'The state in a sentence.',
      priority: 1,
      cell: ({ status }) => status?.message ?? '',
    },
  ],
  validate,
});
