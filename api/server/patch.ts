import { ApiError } from '../machinery/errors.ts';
import { isObject, type JsonObject } from '../machinery/json.ts';
import { applyJsonPatch, applyMergePatch, PatchError } from '../machinery/patches.ts';
import type { SchemaNode } from '../machinery/resource.ts';
import { applyStrategicMergePatch } from '../machinery/strategic-merge.ts';
import { badRequest } from './errors.ts';
import type { PatchFormat } from './negotiation.ts';

/** The document that `patch` makes of the stored one. Throws 400 for no patch, 422 for one that fails. */
export function patchedDocument(
  format: Exclude<PatchFormat, 'apply'>,
  stored: JsonObject,
  patch: unknown,
  schema: SchemaNode,
): JsonObject {
  if (patch === undefined) throw badRequest('the body is empty: it must be a patch');
  try {
    if (format === 'json') return applyJsonPatch(stored, patch);
    if (!isObject(patch)) throw notAnObject(patch);
    if (format === 'strategic') return applyStrategicMergePatch(stored, patch, schema);
    const merged = applyMergePatch(stored, patch);
    return isObject(merged) ? merged : {};
  } catch (error) {
    if (!(error instanceof PatchError)) throw error;
    if (error.code === 'malformed') throw badRequest(error.message);
    if (error.code === 'too-large') {
      throw new ApiError('RequestEntityTooLarge', error.message, { cause: error });
    }
    // It begins as upstream's; what exactly failed is in the causes too, all that kubectl prints.
    throw new ApiError(
      'Invalid',
      `the server rejected our request due to an error in our request: ${error.message}`,
      {
        details: {
          causes: [{ reason: 'FieldValueInvalid', message: error.message, field: 'patch' }],
        },
        cause: error,
      },
    );
  }
}

function notAnObject(patch: unknown): ApiError {
  const message = `Invalid value: ${JSON.stringify(patch).slice(0, 100)}: a merge patch must be an object`;
  return new ApiError('Invalid', ` "" is invalid: patch: ${message}`, {
    details: { causes: [{ reason: 'FieldValueInvalid', message, field: 'patch' }] },
  });
}
