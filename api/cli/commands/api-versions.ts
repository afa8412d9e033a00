import { apiVersionOf } from '../../machinery/metadata.ts';
import { withConnection } from '../connection.ts';
import type { Invocation } from '../context.ts';
import { servedKinds } from '../discovery.ts';
import { parseOptions } from '../options.ts';

export async function run({ context, options }: Invocation): Promise<void> {
  const parsed = parseOptions({}, options);
  await withConnection(context, parsed, async (connection) => {
    const kinds = await servedKinds(connection);
    const versions = [...new Set(kinds.map(({ gvk }) => apiVersionOf(gvk)))].sort();
    context.stdout.write(versions.map((version) => `${version}\n`).join(''));
  });
}
