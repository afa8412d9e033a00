import { ApiError, type StatusCause } from '../../machinery/errors.ts';
import { fieldPathText, pathsOf } from '../../machinery/field-set.ts';
import type { Manager } from '../../machinery/managed-fields.ts';
import type { Dispute } from '../../machinery/server-side-apply.ts';

/** 409 that names every field in dispute and its owner, as Kubernetes words it. */
export function applyConflict(disputes: readonly Dispute[]): ApiError {
  const sorted = [...disputes].sort((left, right) => (rank(left) < rank(right) ? -1 : 1));
  const conflicts = sorted.map(({ owner, fields }) => ({
    owner: ownerText(owner),
    paths: [...pathsOf(fields)].map(fieldPathText),
  }));
  const causes = conflicts.flatMap(({ owner, paths }) =>
    paths.map((field): StatusCause => ({
      reason: 'FieldManagerConflict',
      message: `conflict with ${owner}`,
      field,
    })),
  );
  return new ApiError('Conflict', messageOf(conflicts), { details: { causes } });
}

function messageOf(conflicts: readonly { owner: string; paths: readonly string[] }[]): string {
  const count = conflicts.reduce((sum, { paths }) => sum + paths.length, 0);
  const [first] = conflicts;
  if (count === 1 && first !== undefined) {
    return `Apply failed with 1 conflict: conflict with ${first.owner}: ${first.paths.join()}`;
  }
  const lines = conflicts.flatMap(({ owner, paths }) => [
    `conflicts with ${owner}:`,
    ...paths.map((path) => `- ${path}`),
  ]);
  return `Apply failed with ${count} conflicts: ${lines.join('\n')}`;
}

function ownerText({ name, subresource, operation, apiVersion }: Manager): string {
  const through = subresource === '' ? '' : ` with subresource ${JSON.stringify(subresource)}`;
  const using = operation === 'Update' ? ` using ${apiVersion}` : '';
  return `${JSON.stringify(name)}${through}${using}`;
}

function rank({ owner }: Dispute): string {
  return JSON.stringify([owner.name, owner.operation, owner.apiVersion, owner.subresource]);
}
