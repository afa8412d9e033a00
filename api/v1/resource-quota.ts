import { z } from 'zod';
import type { FieldError } from '../machinery/errors.ts';
import type { KubeObject } from '../machinery/metadata.ts';
import { parseQuantity } from '../machinery/quantity.ts';
import { amountOf, isPieces, quotaNameProblem } from './quota-names.ts';
import { keyedBy } from './list-types.ts';
import { ageColumn, defineResource } from './zod-resource.ts';

const quantity = z
  .union([z.string(), z.number()])
  .meta({ 'x-kubernetes-int-or-string': true, description: 'A quantity: 200m, 1, 64Mi.' });
const amounts = z.record(z.string(), quantity);

const chargeSchema = z.strictObject({
  id: z.string().describe('Unique.'),
  resource: z.string().describe('Kind of the object: jobs.mesocosm.dev.'),
  name: z.string().describe('Name of the object.'),
  base: z.string().describe('resourceVersion that the write replaces; empty: it creates.'),
  amounts: z.record(z.string(), z.int()).describe('What it takes, in thousandths, bytes, pieces.'),
});
/** A write that is under way, or whose outcome nobody has written down yet. */
export type Charge = z.infer<typeof chargeSchema>;

const specSchema = z.strictObject({
  hard: amounts
    .optional()
    .describe(
      'Most that the namespace may have: requests.cpu, requests.memory, limits.memory, requests.ephemeral-storage, count/<plural>.<group>, mesocosm.dev/addresses.<network>.',
    ),
});
const statusSchema = z.strictObject({
  hard: amounts.optional().describe('What was bounded when it was last counted.'),
  used: amounts.optional().describe('What the namespace has, writes under way included.'),
  pending: z
    .array(chargeSchema)
    .meta(keyedBy('id'))
    .optional()
    .describe('Writes that are under way; they are in used.'),
});
export type ResourceQuotaStatus = z.infer<typeof statusSchema>;

export interface ResourceQuota extends KubeObject {
  apiVersion: 'v1';
  kind: 'ResourceQuota';
  spec?: z.infer<typeof specSchema> | undefined;
  status?: ResourceQuotaStatus | undefined;
}

function validate({ spec }: ResourceQuota): FieldError[] {
  return Object.entries(spec?.hard ?? {}).flatMap(([name, value]): FieldError[] => {
    const field = `spec.hard[${name}]`;
    const problem = quotaNameProblem(name);
    if (problem !== undefined) {
      const message = `Unsupported value: "${name}": ${problem}`;
      return [{ field, message, reason: 'FieldValueNotSupported' }];
    }
    const amount = amountOf(name, value);
    const why =
      amount === undefined
        ? 'must be a quantity such as 10, 500m or 64Mi'
        : amount < 0
          ? 'must be greater than or equal to 0'
          : isPieces(name) && !Number.isInteger(parseQuantity(value))
            ? 'must be an integer'
            : undefined;
    const message = `Invalid value: "${value}": ${why ?? ''}`;
    return why === undefined ? [] : [{ field, message, reason: 'FieldValueInvalid' }];
  });
}

/** `count/jobs.mesocosm.dev: 1/10, requests.cpu: 200m/2`, of the limits or of everything else. */
function shares({ spec, status }: ResourceQuota, limits: boolean): string {
  return Object.entries(status?.hard ?? spec?.hard ?? {})
    .filter(([name]) => name.startsWith('limits.') === limits)
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, hard]) => `${name}: ${status?.used?.[name] ?? '0'}/${hard}`)
    .join(', ');
}

export const resourceQuotaResource = defineResource<ResourceQuota>({
  group: '',
  version: 'v1',
  kind: 'ResourceQuota',
  plural: 'resourcequotas',
  shortNames: ['quota'],
  namespaced: true,
  strategicMerge: true,
  fieldOwners: 'OnceApplied',
  description: 'Bounds what a namespace may have, and tells what it has.',
  fields: {
    spec: specSchema.optional().describe('What is bounded.'),
    status: statusSchema.optional().describe('What is used of it.'),
  },
  subresources: { status: true },
  columns: [
    {
      name: 'Request',
      type: 'string',
      description: 'Used and allowed amounts of what is requested.',
      priority: 0,
      cell: (quota) => shares(quota, false),
    },
    {
      name: 'Limit',
      type: 'string',
      description: 'Used and allowed amounts of limits.',
      priority: 0,
      cell: (quota) => shares(quota, true),
    },
    ageColumn,
  ],
  validate,
});
