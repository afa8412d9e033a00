import { apiVersionOf } from '../machinery/metadata.ts';
import type { AnyResource } from '../machinery/resource.ts';
import { resources } from '../v1/resources.ts';
import { CommandError } from './errors.ts';
import { closestWord } from '../machinery/suggest.ts';

/** What a kind is called and where it is served. */
export interface Kind extends Pick<
  AnyResource,
  'gvk' | 'plural' | 'singular' | 'shortNames' | 'categories' | 'namespaced'
> {
  /** Whether the server lists its subresource scale; absent for kinds that it was not asked about. */
  scalable?: boolean;
}

/** One kind with the names that were asked for; none: all objects of the kind. */
export interface Target {
  resource: Kind;
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

/** No kind is called so: perhaps one that only the server knows. */
export class UnknownKind extends CommandError {}

/** Kinds by the names that people and files call them. */
export class Kinds {
  readonly all: readonly Kind[];

  constructor(all: readonly Kind[]) {
    this.all = all;
  }

  /** The kind of an object, undefined if it is unknown. */
  ofObject(apiVersion: string, kind: string): Kind | undefined {
    return this.all.find(({ gvk }) => apiVersionOf(gvk) === apiVersion && gvk.kind === kind);
  }

  knows(word: string): boolean {
    const wanted = word.toLowerCase();
    return this.all.some((kind) => namesOf(kind).includes(wanted));
  }

  /** The kind that a person calls `job`, `jobs`, `mj`, `Job`, `jobs.mesocosm.dev` or `jobs.v1.mesocosm.dev`. */
  find(word: string): Kind {
    const wanted = word.toLowerCase();
    const found = this.all.find((kind) => namesOf(kind).includes(wanted));
    if (found !== undefined) return found;
    throw this.#unknown(word);
  }

  /**
   * The objects that operands name: `job web api`, `job/web task/web-0-x`, `jobs,tasks`, `all`.
   * A category stands for its kinds.
   */
  targets(args: readonly string[]): Target[] {
    const [first, ...names] = args;
    if (first === undefined) {
      throw new CommandError('usage', 'name a kind, as in "job" or "job/web"');
    }
    if (args.some((arg) => arg.includes('/'))) return this.#pairs(args);
    const words = first.split(',').filter((word) => word !== '');
    if (words.length > 1 && names.length > 0) {
      throw new CommandError('usage', `names cannot follow several kinds; write ${first} alone`);
    }
    return words.flatMap((word) => this.#category(word)).map((resource) => ({ resource, names }));
  }

  /** Operands that must name one object each: `job web`, `job/web`. */
  namedTargets(args: readonly string[]): Target[] {
    const targets = this.targets(args);
    const open = targets.find(({ names }) => names.length === 0);
    if (open === undefined) return targets;
    const { singular } = open.resource;
    throw new CommandError('usage', `say which ${singular}: "${singular}/NAME"`);
  }

  #category(word: string): Kind[] {
    const found = this.all.filter(({ categories }) => categories.includes(word.toLowerCase()));
    // Each in the version that comes first: objects are the same in all of theirs.
    const members = found.filter(
      (kind, index) =>
        found.findIndex((other) => qualifiedPlural(other) === qualifiedPlural(kind)) === index,
    );
    return members.length > 0 ? members : [this.find(word)];
  }

  #pairs(args: readonly string[]): Target[] {
    const targets: Target[] = [];
    for (const arg of args) {
      const [kind = '', name = '', ...rest] = arg.split('/');
      if (kind === '' || name === '' || rest.length > 0) {
        throw new CommandError(
          'usage',
          `"${arg}" is no KIND/NAME; use the form KIND/NAME throughout`,
        );
      }
      const resource = this.find(kind);
      const target = targets.find((other) => other.resource === resource);
      if (target === undefined) targets.push({ resource, names: [name] });
      else if (!target.names.includes(name)) target.names.push(name);
    }
    return targets;
  }

  #unknown(word: string): UnknownKind {
    // Of kinds of one name the first is what the name means.
    const first = this.all.filter(
      ({ plural }, index) => this.all.findIndex((other) => other.plural === plural) === index,
    );
    const known = first.map(({ plural, shortNames }) =>
      shortNames.length === 0 ? plural : `${plural} (${shortNames.join(', ')})`,
    );
    const near = closestWord(word.toLowerCase(), this.all.flatMap(namesOf));
    const hint = near === undefined ? '' : `; did you mean "${near}"?`;
    return new UnknownKind('usage', `no kind "${word}"${hint} (kinds: ${known.join(', ')})`);
  }
}

function namesOf({ gvk, plural, singular, shortNames }: Kind): string[] {
  const qualified =
    gvk.group === ''
      ? []
      : [plural, singular].flatMap((name) => [
          `${name}.${gvk.group}`,
          `${name}.${gvk.version}.${gvk.group}`,
        ]);
  return [plural, singular, ...shortNames, ...qualified];
}

/** Those that this version of cosm has been built with. */
export const builtInKinds = new Kinds(resources);

/** Operands of a command that is about kinds of ours; see Kinds. */
export function parseNamedTargets(args: readonly string[]): Target[] {
  return builtInKinds.namedTargets(args);
}
