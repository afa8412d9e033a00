import { readFileSync } from 'node:fs';
import { z } from 'zod';

/**
 * One exchange recorded from kube-apiserver 1.20.2. managedFields are left out, since nothing here
 * keeps them before server-side apply; a stream is in `lines`, plain text in `text`.
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
    .map((line) => exchangeSchema.parse(JSON.parse(line)));
}
