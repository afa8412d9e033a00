import { z } from 'zod';
import type { FieldError } from '../machinery/errors.ts';
import type { KubeObject } from '../machinery/metadata.ts';
import { parseQuantity } from '../machinery/quantity.ts';
import { defineResource } from './zod-resource.ts';

const quantity = z
  .union([z.string(), z.number()])
  .meta({ 'x-kubernetes-int-or-string': true, description: 'A quantity: 200m, 1, 64Mi.' });

/** What a container is given or held to. */
const amounts = z.strictObject({
  cpu: quantity.optional(),
  memory: quantity.optional(),
  'ephemeral-storage': quantity.optional(),
});

const itemSchema = z.strictObject({
  type: z.enum(['Container']).describe('What is limited: each container of a Job.'),
  max: amounts.optional().describe('Most that a limit may be.'),
  min: amounts.optional().describe('Least that a request may be.'),
  default: amounts.optional().describe('Limits of containers that say none; max if absent.'),
  defaultRequest: amounts
    .optional()
    .describe('Requests of containers that say none; default, then min, if absent.'),
  maxLimitRequestRatio: amounts.optional().describe('Most that a limit may be above its request.'),
});
export type LimitRangeItem = z.infer<typeof itemSchema>;

export interface LimitRange extends KubeObject {
  apiVersion: 'v1';
  kind: 'LimitRange';
  spec?: { limits: LimitRangeItem[] } | undefined;
}

export const sizes = ['cpu', 'memory', 'ephemeral-storage'] as const;
export type Size = (typeof sizes)[number];

const lists = ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const;

/** What follows from what is said, as in Kubernetes: a bound is the default where there is none. */
function withDefaults(range: LimitRange): LimitRange {
  if (range.spec === undefined) return range;
  const limits = range.spec.limits.map((item) => {
    const byDefault = { ...item.max, ...item.default };
    const request = { ...item.min, ...byDefault, ...item.defaultRequest };
    return {
      ...item,
      ...(Object.keys(byDefault).length === 0 ? {} : { default: byDefault }),
      ...(Object.keys(request).length === 0 ? {} : { defaultRequest: request }),
    };
  });
  return { ...range, spec: { limits } };
}

/** Each may not be above the next. */
const order = ['min', 'defaultRequest', 'default', 'max'] as const;

function validate({ spec }: LimitRange): FieldError[] {
  return (spec?.limits ?? []).flatMap((item, index) => {
    const path = `spec.limits[${index}]`;
    // As upstream, a type is limited once, and there is one type.
    if (index > 0) return [twice(item, path)];
    const malformed = lists.flatMap((list) =>
      sizes.flatMap((size) => quantityErrors(item[list]?.[size], `${path}.${list}[${size}]`)),
    );
    return malformed.length > 0
      ? malformed
      : sizes.flatMap((size) => orderErrors(item, size, path));
  });
}

function twice({ type }: LimitRangeItem, path: string): FieldError {
  const message = `Duplicate value: ${JSON.stringify(type)}`;
  return { field: `${path}.type`, message, reason: 'FieldValueDuplicate' };
}

function quantityErrors(value: string | number | undefined, field: string): FieldError[] {
  if (value === undefined) return [];
  const amount = parseQuantity(value);
  if (amount !== undefined && amount >= 0) return [];
  const why =
    amount === undefined ? 'must be a quantity such as 200m or 64Mi' : 'must not be negative';
  return [{ field, message: `Invalid value: "${value}": ${why}`, reason: 'FieldValueInvalid' }];
}

function orderErrors(item: LimitRangeItem, size: Size, path: string): FieldError[] {
  const given = order.filter((list) => item[list]?.[size] !== undefined);
  const errors: FieldError[] = [];
  for (const [index, list] of given.entries()) {
    const value = item[list]?.[size] ?? 0;
    const above = given
      .slice(index + 1)
      .find((next) => (parseQuantity(value) ?? 0) > (parseQuantity(item[next]?.[size] ?? 0) ?? 0));
    if (above === undefined) continue;
    errors.push({
      field: `${path}.${list}[${size}]`,
      message: `Invalid value: "${value}": ${list} value ${value} is greater than ${above} value ${item[above]?.[size] ?? ''}`,
      reason: 'FieldValueInvalid',
    });
  }
  const ratio = item.maxLimitRequestRatio?.[size];
  if (ratio !== undefined && (parseQuantity(ratio) ?? 0) < 1) {
    errors.push({
      field: `${path}.maxLimitRequestRatio[${size}]`,
      message: `Invalid value: "${ratio}": ratio ${ratio} is less than 1`,
      reason: 'FieldValueInvalid',
    });
  }
  return errors;
}

export const limitRangeResource = defineResource<LimitRange>({
  group: '',
  version: 'v1',
  kind: 'LimitRange',
  plural: 'limitranges',
  shortNames: ['limits'],
  namespaced: true,
  strategicMerge: true,
  description: 'What the containers of new Jobs are given, and the bounds that they are held to.',
  fields: {
    spec: z
      .strictObject({ limits: z.array(itemSchema).describe('Defaults and bounds.') })
      .optional()
      .describe('Defaults and bounds.'),
  },
  columns: [
    {
      name: 'Created At',
      type: 'date',
      description: 'When the object was created.',
      priority: 0,
      cell: (range) => range.metadata.creationTimestamp,
    },
  ],
  defaults: withDefaults,
  validate,
});
