import type { GroupVersionKind } from '../machinery/metadata.ts';
import type { Resource, Verb } from '../machinery/resource.ts';
import type { Answer, AuthenticatedRequest } from './request.ts';
import type { ResourceRequestInfo } from './request-info.ts';

/** A kind in one version, and who answers for it. */
export interface Served {
  readonly resource: Resource;
  /** Whether the path names something that this kind has. */
  serves(info: ResourceRequestInfo): boolean;
  /** `authorize` throws 403 unless whoever asks may also do another thing with the same object. */
  handle(
    verb: Verb,
    info: ResourceRequestInfo,
    request: AuthenticatedRequest,
    authorize: (verb: Verb) => Promise<void>,
  ): Promise<Answer>;
}

/** The kinds that are served now. */
export interface Kinds {
  /** In the order of discovery, in which kubectl resolves ambiguous names. */
  readonly resources: readonly Resource[];
  /** Another after each change: documents made for an earlier one are old. */
  readonly generation: number;
}

/** All that is served now. The kinds of this program stay; users' kinds come and go. */
export class Catalog implements Kinds {
  readonly #own: readonly Served[];
  #served: readonly Served[];
  #byPlace: ReadonlyMap<string, Served>;
  #generation = 0;
  #refresh: () => Promise<void> = () => Promise.resolve();

  constructor(own: readonly Served[]) {
    this.#own = own;
    this.#served = own;
    this.#byPlace = byPlace(own);
  }

  get resources(): readonly Resource[] {
    return this.#served.map(({ resource }) => resource);
  }

  get generation(): number {
    return this.#generation;
  }

  find(
    place: Pick<GroupVersionKind, 'group' | 'version'> & { plural: string },
  ): Served | undefined {
    return this.#byPlace.get(keyOf(place));
  }

  /** How the catalog learns at once what it would learn a little later. */
  refreshBy(refresh: () => Promise<void>): void {
    this.#refresh = refresh;
  }

  /** Has heard of every kind that was there when this was called. Throws StorageError. */
  refresh(): Promise<void> {
    return this.#refresh();
  }

  /** Serves these kinds besides the program's own, and no other. A place that is taken stays as it is. */
  replaceCustom(custom: readonly Served[]): void {
    const own = byPlace(this.#own);
    const free = custom.filter(({ resource }) => !own.has(keyOf(placeOf(resource))));
    this.#served = [...this.#own, ...free];
    this.#byPlace = byPlace(this.#served);
    this.#generation += 1;
  }
}

function placeOf({ gvk, plural }: Resource): { group: string; version: string; plural: string } {
  return { group: gvk.group, version: gvk.version, plural };
}

function keyOf({ group, version, plural }: ReturnType<typeof placeOf>): string {
  return `${group}/${version}/${plural}`;
}

function byPlace(served: readonly Served[]): ReadonlyMap<string, Served> {
  return new Map(served.map((one) => [keyOf(placeOf(one.resource)), one]));
}
