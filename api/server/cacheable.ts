import { createHash } from 'node:crypto';
import type { BytesAnswer, ServerRequest } from './request.ts';

/** A document that stays as it is while the server runs. */
export interface CachedDocument {
  bytes: Uint8Array;
  contentType: string;
  /** Hash of the bytes, in upper-case hexadecimal. */
  hash: string;
}

export function documentOf(bytes: Uint8Array, contentType: string): CachedDocument {
  const hash = createHash('sha256').update(bytes).digest('hex').toUpperCase();
  return { bytes, contentType, hash };
}

export function jsonDocument(value: unknown, contentType = 'application/json'): CachedDocument {
  return documentOf(Buffer.from(`${JSON.stringify(value)}\n`), contentType);
}

/** The document, or 304 for a client that has it. */
export function documentAnswer(
  document: CachedDocument,
  { ifNoneMatch }: Pick<ServerRequest, 'ifNoneMatch'>,
  cacheControl = 'public',
): BytesAnswer {
  const tag = `"${document.hash}"`;
  const known = (ifNoneMatch ?? '').split(',').some((candidate) => {
    const text = candidate.trim();
    return text === tag || text === `W/${tag}` || text === '*';
  });
  return {
    kind: 'bytes',
    code: known ? 304 : 200,
    headers: { ETag: tag, 'Cache-Control': cacheControl },
    warnings: [],
    contentType: document.contentType,
    bytes: known ? new Uint8Array() : document.bytes,
  };
}
