import type { ServerSet } from '../../api/v1/serverset.ts';

/** Paths where members of the set may exist. */
export function publishedPaths(serverSet: ServerSet): readonly string[] {
  return serverSet.status?.publishedPaths ?? [];
}

/** Those, and the one that it wants. */
export function claimedPaths(serverSet: ServerSet): string[] {
  return [...new Set([...publishedPaths(serverSet), serverSet.spec.zkPath])];
}

/**
 * The one set that may write a path. One that is being deleted hands it on, members and all, so that a
 * path can change hands without a gap. One that publishes there already goes before one that only wants
 * to: a later change takes nothing from it. Then the oldest, then the lowest uid.
 */
export function ownerOf(path: string, sets: readonly ServerSet[]): ServerSet | undefined {
  let owner: ServerSet | undefined;
  for (const set of sets) {
    if (!claimedPaths(set).includes(path)) continue;
    if (owner === undefined || goesBefore(set, owner, path)) owner = set;
  }
  return owner;
}

export function isGoing({ metadata }: ServerSet): boolean {
  return metadata.deletionTimestamp !== undefined;
}

function goesBefore(left: ServerSet, right: ServerSet, path: string): boolean {
  if (isGoing(left) !== isGoing(right)) return isGoing(right);
  const [isIn, isOtherIn] = [left, right].map((set) => publishedPaths(set).includes(path));
  if (isIn !== isOtherIn) return isIn === true;
  const [a, b] = [left.metadata, right.metadata];
  if (a.creationTimestamp !== b.creationTimestamp) return a.creationTimestamp < b.creationTimestamp;
  return a.uid < b.uid;
}

/** What a set does with its paths. */
export interface PathRoles {
  /** Where its members are published; undefined if nowhere. */
  active: string | undefined;
  /** What is left once the active path is complete. */
  leaving: readonly string[];
  /** Who has the path that it wants. */
  conflict: ServerSet | undefined;
}

/**
 * A set whose path belongs to another stays where it was: its members must not vanish over a typing
 * error. A set that is being deleted leaves all that nobody has taken over.
 */
export function rolesOf(
  serverSet: ServerSet,
  owner: (path: string) => ServerSet | undefined,
): PathRoles {
  const { uid } = serverSet.metadata;
  const isOurs = (path: string): boolean => owner(path)?.metadata.uid === uid;
  const wanted = serverSet.spec.zkPath;
  const ours = claimedPaths(serverSet).filter(isOurs);
  if (isGoing(serverSet)) {
    return { active: undefined, leaving: ours, conflict: undefined };
  }
  const hasWanted = isOurs(wanted);
  const active = hasWanted ? wanted : publishedPaths(serverSet).filter(isOurs).at(-1);
  return {
    active,
    leaving: ours.filter((path) => path !== active),
    conflict: hasWanted ? undefined : owner(wanted),
  };
}
