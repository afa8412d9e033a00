/** What a look at a namespace that is being deleted found. */
export interface Contents {
  remaining: readonly Remaining[];
  /** What could not be deleted or read, a kind each. */
  failures: readonly Error[];
  /** Why it is not known which kinds there are. */
  unknown: Error | undefined;
}

export interface Remaining {
  /** `tasks.mesocosm.dev` */
  kind: string;
  count: number;
  /** Who still has to act, and on how many objects. */
  finalizers: ReadonlyMap<string, number>;
}

/** A condition as namespaces carry it. */
type Condition = Readonly<Record<string, unknown>>;

/** What one condition says: of trouble, or of none. */
interface Statement {
  type: string;
  trouble: boolean;
  reason: string;
  message: string;
}

/**
 * The conditions of Kubernetes' namespace controller, in its words. Those of other authors stay, and a
 * condition that says the same as before keeps its time.
 */
export function namespaceConditions(
  before: readonly Condition[],
  contents: Contents,
  now: string,
): Record<string, unknown>[] {
  const statements = statementsOf(contents);
  const others = before.filter(({ type }) => statements.every((ours) => ours.type !== type));
  const ours = statements.map(({ type, trouble, reason, message }) => {
    const status = trouble ? 'True' : 'False';
    const known = before.find((condition) => condition['type'] === type);
    const since = known?.['status'] === status ? known['lastTransitionTime'] : now;
    return { type, status, lastTransitionTime: since, reason, message };
  });
  return [...others.map((condition) => ({ ...condition })), ...ours];
}

function statementsOf({ remaining, failures, unknown }: Contents): Statement[] {
  const resources = remaining.map(({ kind, count }) => `${kind} has ${count} resource instances`);
  const holders = new Map<string, number>();
  for (const { finalizers } of remaining) {
    for (const [name, count] of finalizers) holders.set(name, (holders.get(name) ?? 0) + count);
  }
  const held = [...holders].sort().map(([name, count]) => `${name} in ${count} resource instances`);
  return [
    statement('NamespaceDeletionDiscoveryFailure', unknown !== undefined, [
      ['DiscoveryFailed', `Discovery failed for some groups: ${unknown?.message ?? ''}`],
      ['ResourcesDiscovered', 'All resources successfully discovered'],
    ]),
    statement('NamespaceDeletionGroupVersionParsingFailure', false, [
      ['GroupVersionParsingFailed', ''],
      ['ParsedGroupVersions', 'All legacy kube types successfully parsed'],
    ]),
    statement('NamespaceDeletionContentFailure', failures.length > 0, [
      [
        'ContentDeletionFailed',
        `Failed to delete all resource types, ${failures.length} remaining: ${failures.map(({ message }) => message).join(', ')}`,
      ],
      ['ContentDeleted', 'All content successfully deleted, may be waiting on finalization'],
    ]),
    statement('NamespaceContentRemaining', resources.length > 0, [
      ['SomeResourcesRemain', `Some resources are remaining: ${resources.join(', ')}`],
      ['ContentRemoved', 'All content successfully removed'],
    ]),
    statement('NamespaceFinalizersRemaining', held.length > 0, [
      [
        'SomeFinalizersRemain',
        `Some content in the namespace has finalizers remaining: ${held.join(', ')}`,
      ],
      ['ContentHasNoFinalizers', 'All content-preserving finalizers finished'],
    ]),
  ];
}

function statement(
  type: string,
  trouble: boolean,
  [bad, good]: readonly [readonly [string, string], readonly [string, string]],
): Statement {
  const [reason, message] = trouble ? bad : good;
  return { type, trouble, reason, message };
}
