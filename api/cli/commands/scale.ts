import { z } from 'zod';
import { jobResource } from '../../v1/job.ts';
import { withConnection } from '../connection.ts';
import type { Invocation } from '../context.ts';
import { CommandError } from '../errors.ts';
import { parseNamedTargets, qualifiedName } from '../kinds.ts';
import { parseOptions } from '../options.ts';

const shape = {
  replicas: z.string().regex(/^\d+$/, 'must be a number of 0 or more').transform(Number),
};

export async function run({ context, args, options }: Invocation): Promise<void> {
  const parsed = parseOptions(shape, options);
  const targets = parseNamedTargets(args);
  const other = targets.find(({ resource }) => resource !== jobResource);
  if (other !== undefined) {
    throw new CommandError('usage', `${other.resource.plural} cannot be scaled; jobs can`);
  }
  await withConnection(context, parsed, async ({ client, namespace }) => {
    for (const name of targets.flatMap(({ names }) => names)) {
      await client.of(jobResource).setScale({ namespace, name }, parsed.replicas);
      context.stdout.write(
        `${qualifiedName(jobResource, name)} scaled to ${parsed.replicas} instances\n`,
      );
    }
  });
}
