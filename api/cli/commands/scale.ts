import { z } from 'zod';
import { resourcePath } from '../../client/resource-client.ts';
import { jobResource } from '../../v1/job.ts';
import { withConnection } from '../connection.ts';
import type { Invocation } from '../context.ts';
import { withKinds } from '../discovery.ts';
import { CommandError } from '../errors.ts';
import { qualifiedName } from '../kinds.ts';
import { parseOptions } from '../options.ts';

const shape = {
  replicas: z.string().regex(/^\d+$/, 'must be a number of 0 or more').transform(Number),
};

export async function run({ context, args, options }: Invocation): Promise<void> {
  const parsed = parseOptions(shape, options);
  await withConnection(context, parsed, async (connection) => {
    const targets = await withKinds(connection, (kinds) => kinds.namedTargets(args));
    const other = targets.find(
      ({ resource }) => resource !== jobResource && resource.scalable !== true,
    );
    if (other !== undefined) {
      throw new CommandError(
        'usage',
        `${other.resource.plural} cannot be scaled; jobs can, and custom kinds with the subresource scale`,
      );
    }
    for (const { resource, names } of targets) {
      const namespace = connection.namespaceFor(resource);
      for (const name of names) {
        // A merge patch, so that no version is needed: the newest wish for replicas wins.
        await connection.send({
          method: 'PATCH',
          path: resourcePath(resource, { namespace, name }, 'scale'),
          query: { fieldManager: 'cosm' },
          contentType: 'application/merge-patch+json',
          body: { spec: { replicas: parsed.replicas } },
        });
        context.stdout.write(
          `${qualifiedName(resource, name)} scaled to ${parsed.replicas} instances\n`,
        );
      }
    }
  });
}
