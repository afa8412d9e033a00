import { z } from 'zod';
import type { FieldError } from '../../../../../api/machinery/errors.ts';
import type { KubeObject } from '../../../../../api/machinery/metadata.ts';
import { ageColumn, defineResource } from '../../../../../api/v1/zod-resource.ts';

const specSchema = z.strictObject({
  color: z.enum(['red', 'green', 'blue']),
  replicas: z.int().min(0).max(100).optional(),
  note: z
    .string()
    .max(20)
    .regex(/^[a-z ]*$/)
    .optional(),
  flag: z.boolean().optional(),
  ratio: z.number().optional(),
  when: z.iso.datetime().optional(),
  port: z.union([z.int(), z.string()]).optional(),
  nested: z
    .strictObject({
      a: z.string().optional(),
      b: z.int().optional(),
      deep: z.strictObject({ c: z.string().optional() }).optional(),
    })
    .optional(),
  free: z.record(z.string(), z.unknown()).optional(),
  items: z
    .array(
      z.strictObject({
        name: z.string(),
        image: z.string().optional(),
        weight: z.int().optional(),
      }),
    )
    .max(5)
    .optional(),
  tags: z.array(z.string()).optional(),
  args: z.array(z.string()).optional(),
  labelsMap: z.record(z.string(), z.string()).optional(),
  atom: z.strictObject({ p: z.string().optional(), q: z.string().optional() }).optional(),
});

const statusSchema = z.strictObject({
  phase: z.string().optional(),
  replicas: z.int().optional(),
  selector: z.string().optional(),
  observedGeneration: z.int().optional(),
  conditions: z
    .array(z.strictObject({ type: z.string(), status: z.string(), reason: z.string().optional() }))
    .optional(),
});

interface Widget extends KubeObject {
  spec: z.infer<typeof specSchema>;
  status?: z.infer<typeof statusSchema> | undefined;
}

function duplicates(field: string, values: readonly string[]): FieldError[] {
  return values.flatMap((value, index) =>
    values.indexOf(value) === index
      ? []
      : [
          {
            field: `${field}[${index}]`,
            message: `Duplicate value: ${JSON.stringify(value)}`,
            reason: 'FieldValueDuplicate' as const,
          },
        ],
  );
}

/** The kind that the recorded answers of a real kube-apiserver are about. */
export const widgetResource = defineResource<Widget>({
  group: 'conformance.dev',
  version: 'v1',
  kind: 'Widget',
  plural: 'widgets',
  shortNames: ['wd'],
  categories: ['all'],
  namespaced: true,
  unknownFields: 'prune',
  description: 'A thing to test with.',
  fields: { spec: specSchema, status: statusSchema.optional() },
  subresources: {
    status: true,
    scale: {
      specReplicas: ['spec', 'replicas'],
      statusReplicas: ['status', 'replicas'],
      statusSelector: ['status', 'selector'],
    },
  },
  columns: [
    {
      name: 'Replicas',
      type: 'integer',
      description: 'Wanted.',
      priority: 0,
      cell: (widget) => widget.spec.replicas ?? null,
    },
    {
      name: 'Phase',
      type: 'string',
      description: 'where it is',
      priority: 0,
      cell: (widget) => widget.status?.phase ?? null,
    },
    {
      name: 'Image',
      type: 'string',
      description: 'Of the first item.',
      priority: 1,
      cell: (widget) => widget.spec.items?.[0]?.image ?? null,
    },
    ageColumn,
  ],
  validate: ({ spec }) => [
    ...duplicates('spec.items', spec.items?.map(({ name }) => name) ?? []),
    ...duplicates('spec.tags', spec.tags ?? []),
  ],
  defaults: (widget) => ({
    ...widget,
    spec: {
      ...widget.spec,
      replicas: widget.spec.replicas ?? 1,
      ...(widget.spec.nested === undefined
        ? {}
        : { nested: { ...widget.spec.nested, a: widget.spec.nested.a ?? 'x' } }),
      ...(widget.spec.items === undefined
        ? {}
        : { items: widget.spec.items.map((item) => ({ ...item, weight: item.weight ?? 10 })) }),
    },
  }),
});
