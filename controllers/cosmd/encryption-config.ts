import { z } from 'zod';

/** `api.encryption`: what lies encrypted in the store, and by which keys. */

const keySchema = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,63}$/, 'must consist of letters, digits, "_", "." and "-"')
    .refine((name) => name !== 'identity', 'must be another name: identity is no key')
    .describe('Stands in every value that the key encrypts: never give it to another key.'),
  keyFile: z.string().min(1).describe('File with 32 random bytes in base64.'),
});

export type EncryptionKeyConfig = z.infer<typeof keySchema> | 'identity';

const nameOf = (key: EncryptionKeyConfig): string => (key === 'identity' ? key : key.name);

export const encryptionSchema = z.strictObject({
  keys: z
    .array(z.union([keySchema, z.literal('identity')]))
    .min(1)
    .refine((keys) => new Set(keys.map(nameOf)).size === keys.length, 'must name each key once')
    .describe('The first one encrypts, all decrypt; identity: values that are not encrypted.'),
  resources: z
    .array(
      z
        .string()
        .regex(
          /^[a-z0-9]+(\.[a-z0-9.-]+)?$/,
          'must be a plural with its group, such as configmaps or jobs.mesocosm.dev',
        ),
    )
    .default([])
    .describe('Kinds to encrypt besides secrets: configmaps, jobs.mesocosm.dev.'),
});
export type EncryptionConfig = z.infer<typeof encryptionSchema>;
