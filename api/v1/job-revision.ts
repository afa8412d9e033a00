import { z } from 'zod';
import { jsonEqual } from '../machinery/json.ts';
import type { FieldError } from '../machinery/errors.ts';
import type { KubeObject } from '../machinery/metadata.ts';
import { group, version } from './group.ts';
import { templateSchema } from './template.ts';
import { ageColumn, defineResource } from './zod-resource.ts';

export const jobRevisionSpecSchema = z.strictObject({
  revision: z.int().min(1).describe('Counts the templates of the Job.'),
  template: templateSchema.describe('The template as it was submitted.'),
});

export interface JobRevision extends KubeObject {
  apiVersion: 'mesocosm.dev/v1';
  kind: 'JobRevision';
  spec: z.infer<typeof jobRevisionSpecSchema>;
}

function validate(revision: JobRevision, context: { old?: KubeObject }): FieldError[] {
  const old = context.old === undefined ? undefined : jobRevisionResource.parse(context.old);
  if (old?.ok !== true) return [];
  return jsonEqual(old.value.spec.template, revision.spec.template)
    ? []
    : [
        {
          field: 'spec.template',
          message: 'Forbidden: a revision does not change',
          reason: 'FieldValueForbidden',
        },
      ];
}

export const jobRevisionResource = defineResource<JobRevision>({
  group,
  version,
  kind: 'JobRevision',
  plural: 'jobrevisions',
  shortNames: ['jr'],
  namespaced: true,
  fieldOwners: 'OnceApplied',
  description: 'A template of a Job as it was submitted.',
  fields: { spec: jobRevisionSpecSchema.describe('The template and its number; never changed.') },
  columns: [
    {
      name: 'Revision',
      type: 'integer',
      description: 'Number of the template.',
      priority: 0,
      cell: (revision) => revision.spec.revision,
    },
    ageColumn,
  ],
  validate,
});
