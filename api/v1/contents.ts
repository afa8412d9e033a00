import { z } from 'zod';
import type { FieldError } from '../machinery/errors.ts';
import { dataKeyErrors } from './data-rules.ts';
import { keyedBy } from './list-types.ts';

/** What a task takes from the Secrets and ConfigMaps of its namespace, when it is launched. */

const maxVolumes = 32;

const objectName = z
  .string()
  .max(253)
  .regex(
    /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/,
    'must be the name of an object: lower case, digits, - and .',
  );
const dataKey = z.string().superRefine((key, context) => {
  for (const message of dataKeyErrors(key)) context.addIssue({ code: 'custom', message });
});
const optional = z
  .boolean()
  .optional()
  .describe('Whether the task is launched although it is not there; false if absent.');

/** Stays below the directory that it is relative to. */
const innerPath = z
  .string()
  .max(255)
  .refine(
    (path) => path.split('/').every((part) => /^(?!\.{1,2}$)[^\p{Cc}]+$/u.test(part)),
    'must be a relative path without empty parts, "." and ".."',
  );

const keyReference = (kind: string) =>
  z.strictObject({
    name: objectName.describe(`Name of the ${kind}.`),
    key: dataKey.describe('Key of its data.'),
    optional,
  });

export const variableSourceSchema = z.strictObject({
  secretKeyRef: keyReference('Secret').optional().describe('A value of a Secret.'),
  configMapKeyRef: keyReference('ConfigMap').optional().describe('A text of a ConfigMap.'),
});

const wholeReference = (kind: string) =>
  z.strictObject({ name: objectName.describe(`Name of the ${kind}.`), optional });

export const environmentSourceSchema = z.strictObject({
  prefix: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be a name that a shell accepts')
    .optional()
    .describe('Comes before each key.'),
  secretRef: wholeReference('Secret').optional().describe('All values of a Secret.'),
  configMapRef: wholeReference('ConfigMap').optional().describe('All texts of a ConfigMap.'),
});

const items = z
  .array(
    z.strictObject({
      key: dataKey.describe('Key of the data.'),
      path: innerPath.describe('The file, relative to the mountPath.'),
    }),
  )
  .optional()
  .describe('Which keys, and as which files; if absent each key is a file of that name.');

export const volumeSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'must be a DNS label: lower case, digits and -')
    .describe('Name that volumeMounts use.'),
  secret: z
    .strictObject({ secretName: objectName.describe('Name of the Secret.'), items, optional })
    .optional()
    .describe('The values of a Secret.'),
  configMap: z
    .strictObject({ name: objectName.describe('Name of the ConfigMap.'), items, optional })
    .optional()
    .describe('The texts and bytes of a ConfigMap.'),
});
export type Volume = z.infer<typeof volumeSchema>;

export const volumesSchema = z.array(volumeSchema).max(maxVolumes).meta(keyedBy('name'));

export const volumeMountSchema = z.strictObject({
  name: z.string().describe('Name of a volume of the task.'),
  mountPath: innerPath
    .refine(
      (path) => !/^(stdout|stderr)(\/|$)/.test(path),
      'must not be where the output of the task is written',
    )
    .describe(
      'Directory in the sandbox, such as config, where the files are: the task begins in its sandbox, whose path is in MESOS_SANDBOX.',
    ),
});

export const volumeMountsSchema = z
  .array(volumeMountSchema)
  .max(maxVolumes)
  .meta(keyedBy('mountPath'));

/** The parts of a launchable spec that are about contents. */
interface Contents {
  volumes?: readonly Volume[] | undefined;
  containers: readonly {
    env?:
      | readonly { value?: string | undefined; valueFrom?: object | undefined; name: string }[]
      | undefined;
    envFrom?: readonly z.infer<typeof environmentSourceSchema>[] | undefined;
    volumeMounts?: readonly z.infer<typeof volumeMountSchema>[] | undefined;
  }[];
}

/** Rules beyond the shape; names that are given twice are found with all others. */
export function validateContents(
  { volumes = [], containers }: Contents,
  path: string,
): FieldError[] {
  const known = new Set(volumes.map(({ name }) => name));
  return [
    ...volumes.flatMap((volume, index) => validateVolume(volume, `${path}.volumes[${index}]`)),
    ...containers.flatMap(({ env = [], envFrom = [], volumeMounts = [] }, c) => {
      const container = `${path}.containers[${c}]`;
      return [
        ...env.flatMap((variable, index) =>
          validateVariable(variable, `${container}.env[${index}]`),
        ),
        ...envFrom.flatMap(({ secretRef, configMapRef }, index) =>
          exactlyOne({ secretRef, configMapRef }, `${container}.envFrom[${index}]`),
        ),
        ...volumeMounts.flatMap(({ name }, index) =>
          known.has(name) ? [] : [noSuchVolume(name, `${container}.volumeMounts[${index}].name`)],
        ),
      ];
    }),
  ];
}

function validateVolume({ secret, configMap }: Volume, field: string): FieldError[] {
  const sources = { secret, configMap };
  const paths = Object.entries(sources).flatMap(([name, source]) => {
    const given = (source?.items ?? []).map((item) => item.path);
    return given.flatMap((one, index) =>
      given.indexOf(one) === index
        ? []
        : [
            {
              field: `${field}.${name}.items[${index}].path`,
              message: `Duplicate value: ${JSON.stringify(one)}: give each file its own path`,
              reason: 'FieldValueDuplicate' as const,
            },
          ],
    );
  });
  return [...exactlyOne(sources, field), ...paths];
}

function validateVariable(
  { value, valueFrom }: { value?: string | undefined; valueFrom?: object | undefined },
  field: string,
): FieldError[] {
  if (valueFrom === undefined) return [];
  if (value !== undefined && value !== '') {
    return [
      {
        field: `${field}.valueFrom`,
        message: 'Forbidden: may not be specified when `value` is not empty',
        reason: 'FieldValueForbidden',
      },
    ];
  }
  return exactlyOne(
    { secretKeyRef: undefined, configMapKeyRef: undefined, ...valueFrom },
    `${field}.valueFrom`,
  );
}

/** One of the fields must be there, and no two. */
function exactlyOne(fields: Readonly<Record<string, unknown>>, field: string): FieldError[] {
  const names = Object.keys(fields);
  const given = names.filter((name) => fields[name] !== undefined);
  if (given.length === 1) return [];
  return given.length === 0
    ? [
        {
          field,
          message: `Required value: must specify one of: ${names.join(', ')}`,
          reason: 'FieldValueRequired',
        },
      ]
    : [
        {
          field,
          message: `Forbidden: give ${names.join(' or ')}, not both`,
          reason: 'FieldValueForbidden',
        },
      ];
}

function noSuchVolume(name: string, field: string): FieldError {
  const message = `Invalid value: ${JSON.stringify(name)}: is the name of no volume of the task`;
  return { field, message, reason: 'FieldValueInvalid' };
}
