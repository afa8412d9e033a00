import { z } from 'zod';
import { CommandError } from './errors.ts';

/** Options that every command has. */
export const globalOptions = {
  kubeconfig: z.string().optional(),
  context: z.string().optional(),
  namespace: z.string().optional(),
  server: z.string().optional(),
  as: z.string().optional(),
  asGroup: z.array(z.string()).optional(),
  asUid: z.string().optional(),
  requestTimeout: z.string().default('30s'),
  verbose: z.boolean().default(false),
};

export type GlobalOptions = z.infer<z.ZodObject<typeof globalOptions>>;

/** The options of an invocation, held against what its command expects. */
export function parseOptions<Shape extends z.ZodRawShape>(
  shape: Shape,
  options: unknown,
): z.infer<z.ZodObject<Shape & typeof globalOptions>> {
  const result = z.object({ ...globalOptions, ...shape }).safeParse(options);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const name = flagOf(String(issue?.path[0] ?? ''));
  throw new CommandError('usage', `--${name}: ${issue?.message ?? ''}`);
}

/** What a person types for an option: dry-run, where commander says dryRun. */
function flagOf(option: string): string {
  return option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
