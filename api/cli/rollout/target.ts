import { jobResource } from '../../v1/job.ts';
import type { Connection } from '../connection.ts';
import { withKinds } from '../discovery.ts';
import { CommandError } from '../errors.ts';

/** Names of the Jobs that operands are about; nothing else has rollouts. */
export async function jobNamesOf(
  connection: Connection,
  args: readonly string[],
): Promise<string[]> {
  const targets = await withKinds(connection, (kinds) => kinds.namedTargets(args));
  const other = targets.find(({ resource }) => resource !== jobResource);
  if (other === undefined) return targets.flatMap(({ names }) => names);
  throw new CommandError('usage', `${other.resource.plural} have no rollouts; jobs have`);
}
