import { z } from 'zod';
import { withConnection } from '../connection.ts';
import type { Invocation } from '../context.ts';
import { CommandError } from '../errors.ts';
import { parseOptions } from '../options.ts';
import { formatDocument, parseOutputFormat, type OutputFormat } from '../output/objects.ts';
import { cosmVersion } from '../version.ts';

const shape = { client: z.boolean().default(false), output: z.string().optional() };

const serverVersionSchema = z.looseObject({
  gitVersion: z.string(),
  platform: z.string().optional(),
});

export async function run({ context, options }: Invocation): Promise<void> {
  const parsed = parseOptions(shape, options);
  const format = documentFormat(parsed.output);
  const clientVersion = { gitVersion: `v${cosmVersion}`, platform: platform() };
  const print = (server: z.infer<typeof serverVersionSchema> | undefined): void => {
    const document = {
      clientVersion,
      ...(server === undefined ? {} : { serverVersion: server }),
    };
    if (format !== undefined) {
      context.stdout.write(formatDocument(document, format));
      return;
    }
    context.stdout.write(`cosm: ${clientVersion.gitVersion} (${clientVersion.platform})\n`);
    if (server === undefined) return;
    context.stdout.write(
      `server: ${server.gitVersion} (${server.platform ?? 'unknown platform'})\n`,
    );
  };
  if (parsed.client) {
    print(undefined);
    return;
  }
  await withConnection(context, parsed, async (connection) => {
    const answer = await connection.send({ method: 'GET', path: '/version' });
    const server = serverVersionSchema.safeParse(answer);
    if (!server.success) {
      throw new CommandError('failed', `${connection.server} answers /version with no version`);
    }
    print(server.data);
  });
}

type DocumentFormat = Exclude<OutputFormat, { type: 'table' } | { type: 'name' }>;

/** The format of a command that prints one document: everything but tables and names. */
export function documentFormat(output: string | undefined): DocumentFormat | undefined {
  const format = parseOutputFormat(output);
  if (output === undefined) return undefined;
  if (format.type !== 'table' && format.type !== 'name') return format;
  throw new CommandError('usage', `-o ${output}: there is json, yaml and jsonpath=TEMPLATE`);
}

function platform(): string {
  return `${process.platform}/${process.arch}`;
}
