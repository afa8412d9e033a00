import { z } from 'zod';
import type { FieldError } from '../machinery/errors.ts';
import { jsonEqual } from '../machinery/json.ts';
import type { KubeObject } from '../machinery/metadata.ts';
import {
  base64Schema,
  canonicalBase64,
  decodedLength,
  frozenField,
  tooMuchData,
  validateDataKeys,
} from './data-rules.ts';
import { present } from './present.ts';
import { ageColumn, defineResource } from './zod-resource.ts';

const fields = {
  data: z
    .record(z.string(), z.string())
    .optional()
    .describe("Texts by key; keys consist of letters, digits, '-', '_' and '.'."),
  binaryData: z
    .record(z.string(), base64Schema)
    .optional()
    .describe('Bytes by key, in base64; no key may be in data, too.'),
  immutable: z
    .boolean()
    .optional()
    .describe('Whether the data can never change again; deleting it is the only way back.'),
};

export interface ConfigMap extends KubeObject, z.infer<z.ZodObject<typeof fields>> {
  apiVersion: 'v1';
  kind: 'ConfigMap';
}

export const configMapResource = defineResource<ConfigMap>({
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  shortNames: ['cm'],
  namespaced: true,
  strategicMerge: true,
  unknownFields: 'prune',
  description: 'Configuration that tasks get as environment variables and files.',
  fields,
  columns: [
    {
      name: 'Data',
      type: 'string',
      description: 'Number of keys.',
      priority: 0,
      cell: ({ data, binaryData }) =>
        Object.keys(data ?? {}).length + Object.keys(binaryData ?? {}).length,
    },
    ageColumn,
  ],
  defaults: ({ data, binaryData, ...rest }) => ({
    ...rest,
    ...present('data', data),
    ...present('binaryData', binaryData, canonicalBase64),
  }),
  validate: (map, { old }) => [
    ...(old === undefined ? [] : frozen(map, old as ConfigMap)),
    ...validateDataKeys(map.data, 'data'),
    ...validateDataKeys(map.binaryData, 'binaryData'),
    ...givenTwice(map),
    // The whole object is meant, which Kubernetes writes so.
    ...tooMuchData('[]', dataBytes(map)),
  ],
});

function frozen(map: ConfigMap, old: ConfigMap): FieldError[] {
  if (old.immutable !== true) return [];
  return [
    ...(map.immutable === true ? [] : [frozenField('immutable')]),
    ...(jsonEqual(map.data, old.data) ? [] : [frozenField('data')]),
    ...(jsonEqual(map.binaryData, old.binaryData) ? [] : [frozenField('binaryData')]),
  ];
}

function givenTwice({ data = {}, binaryData = {} }: ConfigMap): FieldError[] {
  return Object.keys(data)
    .filter((key) => Object.hasOwn(binaryData, key))
    .flatMap((key) =>
      (
        [
          ['data', 'binaryData'],
          ['binaryData', 'data'],
        ] as const
      ).map(([one, other]) => ({
        field: `${one}[${key}]`,
        message: `Invalid value: ${JSON.stringify(key)}: duplicate of key present in ${other}`,
        reason: 'FieldValueInvalid' as const,
      })),
    );
}

function dataBytes({ data = {}, binaryData = {} }: ConfigMap): number {
  const texts = Object.values(data).reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  return Object.values(binaryData).reduce((sum, text) => sum + decodedLength(text), texts);
}
