import { closestWord } from './suggest.ts';
import type { AnyResource } from '../machinery/resource.ts';
import { resources } from '../v1/resources.ts';
import { CommandError } from './errors.ts';

/** One kind with the names that were asked for; none: all objects of the kind. */
export interface Target {
  resource: AnyResource;
  names: string[];
}

/** `jobs.mesocosm.dev`, or `namespaces` for the core group: unique over all groups. */
export function qualifiedPlural({ gvk, plural }: Pick<AnyResource, 'gvk' | 'plural'>): string {
  return gvk.group === '' ? plural : `${plural}.${gvk.group}`;
}

/** `job.mesocosm.dev/web`, kubectl's form of an object's name. */
export function qualifiedName(
  { gvk, singular }: Pick<AnyResource, 'gvk' | 'singular'>,
  name: string,
): string {
  return gvk.group === '' ? `${singular}/${name}` : `${singular}.${gvk.group}/${name}`;
}

/** The kind of an object, undefined if this version does not have it. */
export function resourceOf(apiVersion: string, kind: string): AnyResource | undefined {
  return resources.find(({ gvk }) => {
    const own = gvk.group === '' ? gvk.version : `${gvk.group}/${gvk.version}`;
    return own === apiVersion && gvk.kind === kind;
  });
}

/** The kind that a person calls `job`, `jobs`, `mj`, `Job`, `jobs.mesocosm.dev` or `jobs.v1.mesocosm.dev`. */
export function findResource(word: string): AnyResource {
  const wanted = word.toLowerCase();
  const found = resources.find((resource) => namesOf(resource).includes(wanted));
  if (found !== undefined) return found;
  throw unknownKind(word);
}

function namesOf(resource: AnyResource): string[] {
  const { gvk, plural, singular, shortNames } = resource;
  const qualified =
    gvk.group === ''
      ? []
      : [plural, singular].flatMap((name) => [
          `${name}.${gvk.group}`,
          `${name}.${gvk.version}.${gvk.group}`,
        ]);
  return [plural, singular, ...shortNames, ...qualified];
}

function unknownKind(word: string): CommandError {
  const known = resources.map(({ plural, shortNames }) =>
    shortNames.length === 0 ? plural : `${plural} (${shortNames.join(', ')})`,
  );
  const near = closestWord(word.toLowerCase(), resources.flatMap(namesOf));
  const hint = near === undefined ? '' : `; did you mean "${near}"?`;
  return new CommandError('usage', `no kind "${word}"${hint} (kinds: ${known.join(', ')})`);
}

/**
 * The objects that operands name: `job web api`, `job/web task/web-0-x`, `jobs,tasks`, `all`.
 * A category stands for its kinds.
 */
export function parseTargets(args: readonly string[]): Target[] {
  const [first, ...names] = args;
  if (first === undefined) throw new CommandError('usage', 'name a kind, as in "job" or "job/web"');
  if (args.some((arg) => arg.includes('/'))) return pairs(args);
  const kinds = first.split(',').filter((word) => word !== '');
  if (kinds.length > 1 && names.length > 0) {
    throw new CommandError('usage', `names cannot follow several kinds; write ${first} alone`);
  }
  return kinds.flatMap(expandCategory).map((resource) => ({ resource, names }));
}

function expandCategory(word: string): AnyResource[] {
  const members = resources.filter(({ categories }) => categories.includes(word.toLowerCase()));
  return members.length > 0 ? members : [findResource(word)];
}

function pairs(args: readonly string[]): Target[] {
  const targets: Target[] = [];
  for (const arg of args) {
    const [kind = '', name = '', ...rest] = arg.split('/');
    if (kind === '' || name === '' || rest.length > 0) {
      throw new CommandError(
        'usage',
        `"${arg}" is no KIND/NAME; use the form KIND/NAME throughout`,
      );
    }
    const resource = findResource(kind);
    const target = targets.find((other) => other.resource === resource);
    if (target === undefined) targets.push({ resource, names: [name] });
    else if (!target.names.includes(name)) target.names.push(name);
  }
  return targets;
}

/** Operands that must name one object each: `job web`, `job/web`. */
export function parseNamedTargets(args: readonly string[]): Target[] {
  const targets = parseTargets(args);
  const open = targets.find(({ names }) => names.length === 0);
  if (open !== undefined) {
    throw new CommandError(
      'usage',
      `say which ${open.resource.singular}: "${open.resource.singular}/NAME"`,
    );
  }
  return targets;
}
