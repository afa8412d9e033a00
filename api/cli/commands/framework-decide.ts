import { z } from 'zod';
import { frameworkAnnotations, frameworkResource, type Framework } from '../../v1/framework.ts';
import type { Connection } from '../connection.ts';
import { withConnection } from '../connection.ts';
import type { Invocation } from '../context.ts';
import { CommandError } from '../errors.ts';
import { parseOptions } from '../options.ts';

const shape = { name: z.string().optional(), confirmAllDead: z.boolean().default(false) };

type Decision = (
  invocation: Invocation,
  options: z.infer<z.ZodObject<typeof shape>>,
) => {
  annotation: string;
  value: string;
  said: string;
};

/** `framework adopt ID`: go on with the tasks of this framework id. */
export const adopt = deciding(({ args }) => {
  const [id = ''] = args;
  return {
    annotation: frameworkAnnotations.adopt,
    value: id,
    said: `will subscribe as ${id}`,
  };
});

/** `framework reset --confirm-all-dead`: forget the id; tasks that do live would be left behind. */
export const reset = deciding((_invocation, { confirmAllDead }) => {
  if (!confirmAllDead) {
    throw new CommandError(
      'usage',
      'a reset leaves behind every task that still runs under the old id; if none does, say so with --confirm-all-dead',
    );
  }
  return { annotation: frameworkAnnotations.reset, value: 'true', said: 'will register anew' };
});

/** `framework release-replacing`: replace the tasks that were lost all at once. */
export const release = deciding(() => ({
  annotation: frameworkAnnotations.releaseReplacing,
  value: 'true',
  said: 'will replace the tasks that were held',
}));

/** `framework take-epoch EPOCH`: ZooKeeper remembers this leader; it is none any more. */
export const takeEpoch = deciding(({ args }) => {
  const [epoch = ''] = args;
  if (!/^[1-9]\d*$/.test(epoch)) {
    throw new CommandError(
      'usage',
      `"${epoch}" is no epoch: give the number that the condition EpochAhead of a ServerSet names`,
    );
  }
  return {
    annotation: frameworkAnnotations.takeEpoch,
    value: epoch,
    said: `will write over epoch ${epoch} in ZooKeeper`,
  };
});

function deciding(decide: Decision): (invocation: Invocation) => Promise<void> {
  return async (invocation) => {
    const { context, options } = invocation;
    const parsed = parseOptions(shape, options);
    const { annotation, value, said } = decide(invocation, parsed);
    await withConnection(context, parsed, async (connection) => {
      const { metadata } = await theFramework(connection, parsed.name);
      const patch = { metadata: { annotations: { [annotation]: value } } };
      await connection.client.of(frameworkResource).patch(metadata, patch, { type: 'merge' });
      context.stdout.write(`framework.mesocosm.dev/${metadata.name} ${said}\n`);
    });
  };
}

/** There is one, named after the cluster; several only if the name has been changed. */
async function theFramework({ client }: Connection, name: string | undefined): Promise<Framework> {
  if (name !== undefined) return client.of(frameworkResource).get({ name });
  const { items } = await client.of(frameworkResource).list();
  const [first, second] = items;
  if (first === undefined) {
    throw new CommandError('failed', 'there is no framework: no cosmd has run its controllers yet');
  }
  if (second === undefined) return first;
  const names = items.map(({ metadata }) => metadata.name).join(', ');
  throw new CommandError('usage', `say which framework with --name: ${names}`);
}
