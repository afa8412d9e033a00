import { z } from 'zod';

/** Options of the commands that change what is there. */
export const changeShape = {
  dryRun: z.enum(['server', 'none'], 'there is server').default('none'),
  output: z.string().optional(),
  fieldManager: z
    .string()
    .regex(/^[\x20-\x7e]{1,128}$/, 'must be a name of at most 128 printable characters')
    .optional(),
};

/** The query of a write, by the name of the command unless another was chosen. */
export function writeQueryOf(
  { dryRun, fieldManager }: { dryRun: string; fieldManager?: string | undefined },
  command: string,
): Record<string, string> {
  return {
    fieldManager: fieldManager ?? `cosm-${command}`,
    fieldValidation: 'Strict',
    ...(dryRun === 'server' ? { dryRun: 'All' } : {}),
  };
}
