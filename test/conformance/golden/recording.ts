import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { isObject } from '../../../api/machinery/json.ts';

/**
 * One exchange recorded from kube-apiserver 1.20.2. A stream is in `lines`, plain text in `text`.
 */
const exchangeSchema = z.strictObject({
  name: z.string(),
  method: z.string(),
  path: z.string(),
  headers: z.record(z.string(), z.string()).optional(),
  body: z.string().optional(),
  status: z.number(),
  contentType: z.string().optional(),
  answer: z.unknown().optional(),
});
export type Exchange = z.infer<typeof exchangeSchema>;

export function recording(scenario: string): Exchange[] {
  const file = new URL(`../data/kubernetes/${scenario}.jsonl`, import.meta.url);
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => exchangeSchema.parse(JSON.parse(line)))
    .map((exchange) =>
      exchange.answer === undefined
        ? exchange
        : { ...exchange, answer: withSubresources(exchange.answer) },
    );
}

/**
 * What newer Kubernetes says of who owns a status: it remembers the subresource that was used (1.22),
 * and nobody owns a status that was sent to the object itself, where it is ignored.
 */
function withSubresources(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withSubresources);
  if (!isObject(value)) return value;
  const entries = Object.entries(value).map(([key, child]) => [key, withSubresources(child)]);
  const object = z.record(z.string(), z.unknown()).parse(Object.fromEntries(entries));
  const parsed = z
    .looseObject({ managedFields: z.array(entrySchema) })
    .safeParse(object['metadata']);
  if (!parsed.success) return object;
  // Without a spec it is only the metadata of an object, of which any may have a status.
  const ignored = !('status' in object) && 'spec' in object;
  const managedFields = parsed.data.managedFields.flatMap((entry) => {
    const { 'f:status': status, ...rest } = entry.fieldsV1;
    if (status === undefined) return [entry];
    const main = Object.keys(rest).length === 0 ? [] : [{ ...entry, fieldsV1: rest }];
    const own = { ...entry, fieldsV1: { 'f:status': status }, subresource: 'status' };
    return ignored ? main : [...main, own];
  });
  return { ...object, metadata: { ...parsed.data, managedFields } };
}

const entrySchema = z.looseObject({ fieldsV1: z.record(z.string(), z.unknown()) });
