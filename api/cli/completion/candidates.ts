import type { Command, Option } from 'commander';
import type { Kind } from '../kinds.ts';

/** A word that may come next. */
export interface Candidate {
  word: string;
  description: string;
}

/** What only the server knows; each answer is empty if it does not come soon. */
export interface Lookups {
  kinds(): Promise<readonly Kind[]>;
  namespaces(): Promise<readonly string[]>;
  names(kind: Kind): Promise<readonly string[]>;
}

/** `files`: the shell itself completes names of files. */
export interface Completion {
  candidates: Candidate[];
  files: boolean;
}

/** Commands whose operands are objects, and of which kind if only one will do. */
const takesObjects: Readonly<Record<string, string | undefined>> = {
  get: undefined,
  describe: undefined,
  delete: undefined,
  wait: undefined,
  edit: undefined,
  explain: undefined,
  patch: undefined,
  label: undefined,
  annotate: undefined,
  'can-i': undefined,
  scale: 'jobs',
  status: 'jobs',
  history: 'jobs',
  undo: 'jobs',
  restart: 'jobs',
  token: 'serviceaccounts',
  drift: 'jobs',
  logs: 'tasks',
  exec: 'tasks',
  attach: 'tasks',
  release: 'serversets',
  purge: 'serversets',
};

/** Kinds whose objects a command takes by their names alone. */
const bare = ['tasks', 'serviceaccounts'];

const verbs = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'];

/** What may stand where the last of `words` is being typed; `words` follow the program's name. */
export async function complete(
  program: Command,
  words: readonly string[],
  lookups: Lookups,
): Promise<Completion> {
  const current = words.at(-1) ?? '';
  const { command, operands, pending } = read(program, words.slice(0, -1));
  const found = await candidatesOf({ program, command, operands, pending, current, lookups });
  return {
    files: found.files,
    candidates: found.candidates.filter(({ word }) => word.startsWith(current)),
  };
}

interface Situation {
  program: Command;
  command: Command;
  operands: readonly string[];
  /** The option whose value comes next. */
  pending: Option | undefined;
  current: string;
  lookups: Lookups;
}

async function candidatesOf(situation: Situation): Promise<Completion> {
  const { program, command, operands, pending, current, lookups } = situation;
  if (pending !== undefined) return valuesOf(pending, lookups);
  if (current.startsWith('-')) {
    const options = [...command.options, ...(command === program ? [] : program.options)];
    return words(options.map(({ long, description }) => ({ word: long ?? '', description })));
  }
  if (command.commands.length > 0 && operands.length === 0) {
    const shown = command.createHelp().visibleCommands(command);
    const named = command.commands.filter((each) => shown.includes(each));
    return words(named.map((each) => ({ word: each.name(), description: each.description() })));
  }
  if (command.name() === 'sync') return { candidates: [], files: true };
  if (command.name() === 'completion') return plain(['bash', 'zsh', 'fish']);
  if (!Object.hasOwn(takesObjects, command.name())) return plain([]);
  if (command.name() === 'can-i') return access(situation);
  return objects(situation, takesObjects[command.name()]);
}

/** After a verb a kind, or an object of it; nothing after that. */
async function access(situation: Situation): Promise<Completion> {
  const [verb, ...resources] = situation.operands;
  if (verb === undefined) return plain(verbs);
  return resources.length > 0 ? plain([]) : objects({ ...situation, operands: [] }, undefined);
}

async function objects(
  { command, operands, current, lookups }: Situation,
  only: string | undefined,
): Promise<Completion> {
  const kinds = await lookups.kinds();
  const kindOf = (word: string): Kind | undefined =>
    kinds.find(({ plural, singular, shortNames }) =>
      [plural, singular, ...shortNames].includes(word.toLowerCase()),
    );
  const typed = /^([^/]+)\//.exec(current)?.[1];
  const prefix = typed === undefined ? undefined : kindOf(typed);
  if (prefix !== undefined) {
    const names = await lookups.names(prefix);
    return plain(names.map((name) => `${typed ?? ''}/${name}`));
  }
  const [first] = operands;
  const isFirst = first === undefined;
  if (only !== undefined) {
    const kind = kindOf(only);
    const names = kind === undefined || !isFirst ? [] : await lookups.names(kind);
    const pairs = bare.includes(only)
      ? names
      : names.map((name) => `${kind?.singular ?? ''}/${name}`);
    return plain(pairs);
  }
  if (isFirst) {
    const listed = kinds.map(({ plural, gvk }) => ({ word: plural, description: gvk.group }));
    const categories = new Set(kinds.flatMap((kind) => kind.categories));
    return words([...listed, ...[...categories].map((word) => ({ word, description: '' }))]);
  }
  const kind = first.includes('/') || command.name() === 'explain' ? undefined : kindOf(first);
  return plain(kind === undefined ? [] : await lookups.names(kind));
}

async function valuesOf(option: Option, lookups: Lookups): Promise<Completion> {
  switch (option.long) {
    case '--namespace':
      return plain(await lookups.namespaces());
    case '--filename':
    case '--patch-file':
    case '--kubeconfig':
      return { candidates: [], files: true };
    case '--output':
      return plain(
        ['wide', 'json', 'yaml', 'name'].filter((each) => option.description.includes(each)),
      );
    case '--dry-run':
      return plain(['server', 'client'].filter((each) => option.description.includes(each)));
    case '--type':
      return plain(['strategic', 'merge', 'json']);
    case '--subresource':
      return plain(['status', 'scale', 'log', 'exec', 'attach']);
    case '--bound-object-kind':
      return plain(['Secret', 'Pod']);
    case '--for':
      return plain(['healthy', 'condition=Ready', 'delete', 'create', 'jsonpath=']);
    default:
      return plain([]);
  }
}

function plain(list: readonly string[]): Completion {
  return words(list.map((word) => ({ word, description: '' })));
}

function words(candidates: Candidate[]): Completion {
  return { candidates, files: false };
}

/** Which command the words before have chosen, its operands, and the option that waits for a value. */
function read(
  program: Command,
  typed: readonly string[],
): Pick<Situation, 'command' | 'operands' | 'pending'> {
  let command = program;
  let pending: Option | undefined;
  const operands: string[] = [];
  for (const word of typed) {
    if (pending !== undefined) pending = undefined;
    else if (word.startsWith('-')) {
      const options = [...command.options, ...program.options];
      const option = options.find(({ long, short }) => word === long || word === short);
      if (option !== undefined && (option.required || option.optional)) pending = option;
    } else {
      const next =
        operands.length > 0 ? undefined : command.commands.find((each) => each.name() === word);
      if (next === undefined) operands.push(word);
      else command = next;
    }
  }
  return { command, operands, pending };
}
