import type { ApiResponse } from '../../../../../api/client/transport.ts';
import { isObject } from '../../../../../api/machinery/json.ts';
import { at, widgets, type Harness } from './harness.ts';

/** Path of the widget that most requests are about. */
export const one = `${widgets}/a`;

export interface ApplyOptions {
  /** Field manager; `one` if absent. */
  by?: string;
  force?: boolean;
  path?: string;
  dryRun?: boolean;
  validation?: string;
}

export function applyTo(
  api: Harness,
  body: unknown,
  options: ApplyOptions = {},
): Promise<ApiResponse> {
  return api.send('PATCH', options.path ?? one, {
    body,
    contentType: 'application/apply-patch+yaml',
    query: {
      fieldManager: options.by ?? 'one',
      ...(options.force === undefined ? {} : { force: String(options.force) }),
      ...(options.dryRun === true ? { dryRun: 'All' } : {}),
      ...(options.validation === undefined ? {} : { fieldValidation: options.validation }),
    },
  });
}

export function mergeInto(
  api: Harness,
  body: unknown,
  by = 'editor',
  path = one,
): Promise<ApiResponse> {
  return api.send('PATCH', path, {
    body,
    contentType: 'application/merge-patch+json',
    query: { fieldManager: by },
  });
}

/** Who owns what, in short: `ctl Apply status` and the fields. */
export function owners({ body }: ApiResponse): Record<string, unknown> {
  const entries = at(body, 'metadata.managedFields');
  const list = Array.isArray(entries) ? (entries as unknown[]) : [];
  return Object.fromEntries(
    list.filter(isObject).map(({ manager, operation, subresource, fieldsV1 }) => {
      const name = [manager, operation, subresource].filter((part) => typeof part === 'string');
      return [name.join(' '), fieldsV1];
    }),
  );
}
