/**
 * Recorded names of what differs from run to run (uids, resourceVersions, continue tokens, generated
 * names) and what stands for them in this run. Learned from answers, put into later requests.
 */
export class Aliases {
  readonly #ours = new Map<string, string>();

  /** Whether `ours` may stand for `recorded`: always the same one. */
  agree(recorded: string, ours: string): boolean {
    const known = this.#ours.get(recorded);
    if (known === undefined) this.#ours.set(recorded, ours);
    return known === undefined || known === ours;
  }

  /** A recorded request text with this run's values in it. */
  translate(text: string): string {
    let result = text;
    for (const [recorded, ours] of this.#ours) {
      const pattern = new RegExp(
        `(?<![\\w-])${recorded.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}(?![\\w-])`,
        'g',
      );
      result = result.replace(pattern, encodeURI(ours));
    }
    return result;
  }
}

const aliased = new Set(['uid', 'resourceVersion', 'continue']);
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/;
const age = /^\d+[smh]$/;

/**
 * The paths at which `ours` says something else than `recorded`. Times and ages are any times and
 * ages; uids and versions are compared through the aliases.
 */
export function differences(
  recorded: unknown,
  ours: unknown,
  aliases: Aliases,
  path = '',
  key = '',
): string[] {
  // What columns are about is said in our own words.
  if (key === 'description') return [];
  if (typeof recorded === 'string' && typeof ours === 'string') {
    if (recorded === ours) return [];
    if (time.test(recorded) && time.test(ours)) return [];
    if (age.test(recorded) && age.test(ours)) return [];
    if (aliased.has(key) && recorded !== '' && ours !== '' && aliases.agree(recorded, ours))
      return [];
    if (key === 'name' && recorded.startsWith('gen-') && aliases.agree(recorded, ours)) return [];
    if (key === 'message' && aliases.translate(recorded) === ours) return [];
    return [`${path}: ${JSON.stringify(recorded)} became ${JSON.stringify(ours)}`];
  }
  if (Array.isArray(recorded) && Array.isArray(ours)) {
    if (recorded.length !== ours.length) {
      return [`${path}: ${recorded.length} items became ${ours.length}`];
    }
    return recorded.flatMap((item: unknown, index) =>
      differences(item, ours[index], aliases, `${path}[${index}]`, key),
    );
  }
  if (isRecord(recorded) && isRecord(ours)) {
    const keys = new Set([...Object.keys(recorded), ...Object.keys(ours)]);
    return [...keys].flatMap((name) =>
      differences(recorded[name], ours[name], aliases, `${path}.${name}`, name),
    );
  }
  if (Object.is(recorded, ours)) return [];
  // Kubernetes writes the empty token in lists of custom kinds and leaves it out in its own.
  if (key === 'continue' && recorded === '' && ours === undefined) return [];
  return [`${path}: ${JSON.stringify(recorded)} became ${JSON.stringify(ours)}`];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
