import { z } from 'zod';
import { compactRules, ruleRows } from '../access/rules.ts';
import { review } from '../access/reviews.ts';
import { withConnection, type Connection } from '../connection.ts';
import type { Context, Invocation } from '../context.ts';
import { servedKinds, withKinds } from '../discovery.ts';
import { CommandError } from '../errors.ts';
import { UnknownKind, type Kind } from '../kinds.ts';
import { parseOptions } from '../options.ts';
import { alignRows } from '../output/columns.ts';

const shape = {
  list: z.boolean().default(false),
  allNamespaces: z.boolean().default(false),
  subresource: z.string().optional(),
  quiet: z.boolean().default(false),
  headers: z.boolean().default(true),
};

/** Ends with 0 for yes and 1 for no; anything else that keeps it from an answer has its own code. */
export async function run({ context, args, options }: Invocation): Promise<void> {
  const parsed = parseOptions(shape, options);
  const [verb, resource, ...more] = args;
  if (parsed.list) {
    if (verb !== undefined || parsed.quiet || parsed.subresource !== undefined) {
      throw new CommandError('usage', '--list shows all: it takes no verb, resource or -q');
    }
    if (parsed.allNamespaces) {
      throw new CommandError('usage', '--list is about one namespace; use -n instead of -A');
    }
    await withConnection(context, parsed, (connection) =>
      listRules(context, connection, parsed.headers),
    );
    return;
  }
  if (verb === undefined || resource === undefined || more.length > 0) {
    throw new CommandError('usage', 'ask for VERB and RESOURCE, RESOURCE/NAME or /PATH, or --list');
  }
  await withConnection(context, parsed, async (connection) => {
    const asked = resource.startsWith('/')
      ? aboutPath(context, verb, resource, parsed.subresource)
      : await aboutResource(context, connection, { verb, resource, ...parsed });
    const { allowed, reason, evaluationError } = await review(connection, asked);
    if (!parsed.quiet) {
      const why = [reason, evaluationError].filter((part) => part !== '');
      const answer = allowed ? 'yes' : ['no', ...why].join(' - ');
      context.stdout.write(`${answer}\n`);
    }
    if (!allowed) throw new CommandError('failed', '');
  });
}

interface Question {
  verb: string;
  /** RESOURCE or RESOURCE/NAME. */
  resource: string;
  subresource?: string | undefined;
  allNamespaces: boolean;
}

const resourceVerbs = [
  ...['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'],
  ...['bind', 'escalate', 'impersonate', '*'],
];
const pathVerbs = ['get', 'post', 'put', 'patch', 'delete', 'head', 'options', '*'];

async function aboutResource(
  context: Context,
  connection: Connection,
  { verb, resource, subresource = '', allNamespaces }: Question,
): Promise<object> {
  warnOfVerb(context, verb, resourceVerbs);
  const [word = '', name = '', ...rest] = resource.split('/');
  if (rest.length > 0) {
    throw new CommandError('usage', `"${resource}" is no RESOURCE/NAME; see --subresource`);
  }
  const kind = await kindOf(context, connection, word);
  if (kind !== undefined && name !== '' && subresource === '') {
    await warnOfSubresource(context, connection, kind, name);
  }
  const namespaced = kind?.namespaced ?? true;
  const [plural = '', ...group] = word.split('.');
  return {
    resourceAttributes: {
      ...(namespaced && !allNamespaces ? { namespace: connection.namespace } : {}),
      verb,
      group: kind?.gvk.group ?? group.join('.'),
      resource: kind?.plural ?? plural,
      ...(subresource === '' ? {} : { subresource }),
      ...(name === '' ? {} : { name }),
    },
  };
}

function aboutPath(
  context: Context,
  verb: string,
  path: string,
  subresource: string | undefined,
): object {
  if (subresource !== undefined) {
    throw new CommandError('usage', '--subresource goes with a resource, not with a path');
  }
  warnOfVerb(context, verb, pathVerbs);
  return { nonResourceAttributes: { path, verb } };
}

/** undefined: one that the server does not have; the question is asked all the same, as kubectl does. */
async function kindOf(
  { stderr }: Context,
  connection: Connection,
  word: string,
): Promise<Kind | undefined> {
  if (word === '*') return undefined;
  try {
    return await withKinds(connection, (kinds) => kinds.find(word));
  } catch (error) {
    if (!(error instanceof UnknownKind)) throw error;
    stderr.write(`Warning: the server has no resource type "${word}"\n`);
    return undefined;
  }
}

function warnOfVerb({ stderr }: Context, verb: string, known: readonly string[]): void {
  if (!known.includes(verb)) stderr.write(`Warning: "${verb}" is no verb that is known\n`);
}

/** `can-i create pods/exec` asks about a pod called exec, which is hardly ever meant. */
async function warnOfSubresource(
  { stderr }: Context,
  connection: Connection,
  { gvk }: Kind,
  name: string,
): Promise<void> {
  const served = await servedKinds(connection);
  const same = served.find((one) => one.gvk.kind === gvk.kind && one.gvk.group === gvk.group);
  if (same?.subresources.includes(name) !== true) return;
  stderr.write(
    `Warning: "${name}" is taken for the name of an object; for the subresource say --subresource=${name}\n`,
  );
}

async function listRules(
  { stdout, stderr }: Context,
  connection: Connection,
  headers: boolean,
): Promise<void> {
  const rules = await compactRules(connection);
  if (rules.incomplete) {
    stderr.write(`Warning: the list may be incomplete: ${rules.evaluationError}\n`);
  }
  const titles = ['Resources', 'Non-Resource URLs', 'Resource Names', 'Verbs'];
  const rows = [...(headers ? [titles] : []), ...ruleRows(rules)];
  stdout.write(
    alignRows(rows)
      .map((row) => `${row}\n`)
      .join(''),
  );
}
