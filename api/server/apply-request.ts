import { isObject, type JsonObject } from '../machinery/json.ts';
import { apiVersionOf, type GroupVersionKind } from '../machinery/metadata.ts';
import { badRequest } from './errors.ts';
import { parseForce, requireFieldManager } from './query.ts';
import type { AuthenticatedRequest } from './request.ts';
import { bodyOf } from './write-request.ts';

/** What a server-side apply asks for: an object that says only what its author cares about. */
export interface ApplyRequest {
  config: JsonObject;
  force: boolean;
}

/** Reads an apply of an object of this kind. Throws 400, 422. */
export function applyRequest(
  request: AuthenticatedRequest,
  of: { gvk: GroupVersionKind },
): ApplyRequest {
  requireFieldManager(request.query);
  const force = parseForce(request.query, true);
  const config = bodyOf(request, 'yaml', of);
  if (!isObject(config)) throw badRequest('the body of an apply must be an object');
  const expected = apiVersionOf(of.gvk);
  const version = config['apiVersion'] ?? '';
  if (version !== expected) {
    const given = typeof version === 'string' ? version : JSON.stringify(version);
    throw badRequest(
      `Incorrect version specified in apply patch. Specified patch version: ${given}, expected: ${expected}`,
    );
  }
  const { metadata } = config;
  if (isObject(metadata) && (metadata['managedFields'] ?? null) !== null) {
    throw badRequest('metadata.managedFields must be nil');
  }
  return { config, force };
}
