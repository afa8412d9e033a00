import { z } from 'zod';
import type { FieldError } from '../machinery/errors.ts';
import { isObject, jsonEqual } from '../machinery/json.ts';
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
    .record(z.string(), base64Schema)
    .optional()
    .describe("Bytes by key, in base64; keys consist of letters, digits, '-', '_' and '.'."),
  stringData: z
    .record(z.string(), z.string())
    .optional()
    .describe('Texts by key, which are written into data over what is there. Never read back.'),
  type: z
    .string()
    .optional()
    .describe('What kind of secret it is, e.g. kubernetes.io/tls; Opaque if absent. Immutable.'),
  immutable: z
    .boolean()
    .optional()
    .describe('Whether the data can never change again; deleting it is the only way back.'),
};

export interface Secret extends KubeObject, z.infer<z.ZodObject<typeof fields>> {
  apiVersion: 'v1';
  kind: 'Secret';
}

export const secretResource = defineResource<Secret>({
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  namespaced: true,
  strategicMerge: true,
  unknownFields: 'prune',
  confidential: true,
  description: 'Confidential data that tasks get as environment variables and files.',
  fields,
  columns: [
    {
      name: 'Type',
      type: 'string',
      description: 'What kind of secret it is.',
      priority: 0,
      cell: (secret) => secret.type ?? '',
    },
    {
      name: 'Data',
      type: 'string',
      description: 'Number of keys.',
      priority: 0,
      cell: (secret) => Object.keys(secret.data ?? {}).length,
    },
    ageColumn,
  ],
  selectableFields: { type: (secret) => secret.type ?? '' },
  defaults: ({ data, stringData, type, ...rest }) => ({
    ...rest,
    ...present('data', {
      ...present('data', data, canonicalBase64).data,
      ...present('data', stringData, (text) => Buffer.from(text).toString('base64')).data,
    }),
    type: type === undefined || type === '' ? 'Opaque' : type,
  }),
  validate: (secret, { old }) => [
    ...(old === undefined ? [] : frozen(secret, old as Secret)),
    ...validateDataKeys(secret.data, 'data'),
    ...tooMuchData('data', dataBytes(secret)),
    ...validateType(secret),
  ],
});

function frozen(secret: Secret, old: Secret): FieldError[] {
  const errors: FieldError[] = [];
  if (secret.type !== old.type) {
    const message = `Invalid value: ${JSON.stringify(secret.type)}: field is immutable`;
    errors.push({ field: 'type', message, reason: 'FieldValueInvalid' });
  }
  if (old.immutable !== true) return errors;
  if (secret.immutable !== true) errors.push(frozenField('immutable'));
  if (!jsonEqual(secret.data, old.data)) errors.push(frozenField('data'));
  return errors;
}

function dataBytes({ data = {} }: Secret): number {
  return Object.values(data).reduce((sum, text) => sum + decodedLength(text), 0);
}

/** What the types of Kubernetes demand of the data. */
function validateType({ type, data = {} }: Secret): FieldError[] {
  const lacking = (...keys: string[]): FieldError[] =>
    keys.filter((key) => !Object.hasOwn(data, key)).map(required);
  switch (type) {
    case 'kubernetes.io/tls':
      return lacking('tls.crt', 'tls.key');
    case 'kubernetes.io/ssh-auth':
      return lacking('ssh-privatekey');
    case 'kubernetes.io/basic-auth': {
      const missing = lacking('username', 'password');
      return missing.length === 2 ? missing : [];
    }
    case 'kubernetes.io/dockercfg':
      return [...lacking('.dockercfg'), ...notJson(data, '.dockercfg')];
    case 'kubernetes.io/dockerconfigjson':
      return [...lacking('.dockerconfigjson'), ...notJson(data, '.dockerconfigjson')];
    case 'kubernetes.io/service-account-token':
      return [
        {
          field: 'type',
          message:
            'Forbidden: no token is ever written into a Secret: ask for one with "kubectl create token"',
          reason: 'FieldValueForbidden',
        },
      ];
    default:
      return [];
  }
}

function required(key: string): FieldError {
  return { field: `data[${key}]`, message: 'Required value', reason: 'FieldValueRequired' };
}

function notJson(data: Readonly<Record<string, string>>, key: string): FieldError[] {
  const value = data[key];
  if (value === undefined || isJsonObject(Buffer.from(value, 'base64').toString())) return [];
  const message =
    'Invalid value: "<secret contents redacted>": must be a JSON object of registries and credentials';
  return [{ field: `data[${key}]`, message, reason: 'FieldValueInvalid' }];
}

function isJsonObject(text: string): boolean {
  try {
    return isObject(JSON.parse(text));
  } catch {
    return false;
  }
}
