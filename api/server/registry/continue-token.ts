import { z } from 'zod';
import { decodeJson, DecodeError } from '../decode.ts';
import { badRequest } from '../errors.ts';

/** Where a list goes on. Opaque to clients; the form is upstream's. */
export interface ContinueToken {
  /** Revision that all pages are read at; -1: whatever is newest, after that one had expired. */
  revision: number;
  /** First key of the next page, relative to the prefix of the list. */
  start: string;
}

const tokenSchema = z.object({
  v: z.literal('meta.k8s.io/v1'),
  rv: z.int().min(-1),
  start: z.string().min(1).max(1024),
});

export function encodeContinue({ revision, start }: ContinueToken): string {
  const text = JSON.stringify({ v: 'meta.k8s.io/v1', rv: revision, start });
  return Buffer.from(text).toString('base64url');
}

/** Throws 400 for what is no token of ours. */
export function decodeContinue(text: string): ContinueToken {
  let value: unknown;
  try {
    value = decodeJson(Buffer.from(text, 'base64url').toString('utf8'));
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw badRequest(`invalid continue token: continue key is not valid: ${error.message}`);
  }
  const parsed = tokenSchema.safeParse(value);
  if (!parsed.success || !/^[\x21-\x7e]+\0?$/.test(parsed.data.start)) {
    throw badRequest('invalid continue token: continue key is not valid');
  }
  return { revision: parsed.data.rv, start: parsed.data.start };
}
