import { readFileSync } from 'node:fs';
import { stable } from './replay-normal.ts';

/** One thing that the emulator answers otherwise than the recorded Mesos. */
export interface Difference {
  /** The exchange or event that it is in. */
  readonly where: string;
  /** Path to the field, `[]` for items of a list; or `status`, `header <name>`, `order`. */
  readonly field: string;
  /** Values as JSON; `absent` if there is none. */
  readonly mesos: string;
  readonly emulator: string;
}

/** A row of the table in hack/emulator/DIFFERENCES.md; every cell but the first may hold `*`. */
interface ListedDifference extends Difference {
  readonly scenarios: readonly string[];
  readonly text: string;
}

const heading = '## What the replay finds different';
const document = new URL('../../hack/emulator/DIFFERENCES.md', import.meta.url);

/** The differences that are listed for a recording, each with its row. */
export function listedDifferences(format: string, scenario: string): ListedDifference[] {
  const [, section = ''] = readFileSync(document, 'utf8').split(heading);
  const rows = section
    .split('\n## ')[0]
    ?.split('\n')
    .filter((line) => line.startsWith('|'))
    .slice(2);
  return (rows ?? []).map(parseRow).filter(({ scenarios }) => {
    return scenarios.includes(scenario) || scenarios.includes(`${format}/${scenario}`);
  });
}

function parseRow(line: string): ListedDifference {
  const cells = line
    .slice(1, -1)
    .split(/(?<!\\)\|/)
    .map((cell) =>
      cell
        .trim()
        .replaceAll('\\|', '|')
        .replace(/^`(.*)`$/, '$1'),
    );
  const [scenarios = '', where = '', field = '', mesos = '', emulator = '', reason = ''] = cells;
  if (cells.length !== 6 || reason === '') throw new Error(`not a row of differences: ${line}`);
  return { scenarios: scenarios.split(', '), where, field, mesos, emulator, text: line };
}

/** What was found and is not listed, and what is listed and was not found. */
export function judge(
  found: readonly Difference[],
  listed: readonly ListedDifference[],
): { unlisted: readonly Difference[]; vanished: readonly string[] } {
  const unlisted = found.filter((difference) => !listed.some((row) => covers(row, difference)));
  const vanished = listed
    .filter((row) => !found.some((difference) => covers(row, difference)))
    .map(({ text }) => text);
  return { unlisted, vanished };
}

function covers(row: Difference, found: Difference): boolean {
  return (
    matches(row.where, found.where) &&
    matches(row.field, found.field) &&
    matches(row.mesos, found.mesos) &&
    matches(row.emulator, found.emulator)
  );
}

function matches(pattern: string, text: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('[^]*')}$`).test(text);
}

/** Every field in which two normal values differ. */
export function differencesOf(
  where: string,
  mesos: unknown,
  emulator: unknown,
  field = '',
): Difference[] {
  if (stable(mesos) === stable(emulator)) return [];
  if (isRecord(mesos) && isRecord(emulator)) {
    const keys = new Set([...Object.keys(mesos), ...Object.keys(emulator)]);
    return [...keys].flatMap((key) =>
      differencesOf(where, mesos[key], emulator[key], field === '' ? key : `${field}.${key}`),
    );
  }
  if (Array.isArray(mesos) && Array.isArray(emulator)) {
    return paired(mesos, emulator).flatMap(([a, b, name]) =>
      differencesOf(where, a, b, `${field}[${name}]`),
    );
  }
  return [{ where, field, mesos: shown(mesos), emulator: shown(emulator) }];
}

/** Items that have a name are compared with those of the same name, others with their neighbours. */
function paired(
  mesos: readonly unknown[],
  emulator: readonly unknown[],
): [unknown, unknown, string][] {
  const [a, b] = [keyed(mesos), keyed(emulator)];
  const keys = new Set([...a.keys(), ...b.keys()]);
  return [...keys].map((key) => [a.get(key), b.get(key), key.replace(/^#\d+$/, '')]);
}

/** The second of a name, or of those without one, is told from the first by a number. */
function keyed(list: readonly unknown[]): ReadonlyMap<string, unknown> {
  const seen = new Map<string, number>();
  return new Map(
    list.map((item) => {
      const name = nameOf(item) ?? '';
      const count = seen.get(name) ?? 0;
      seen.set(name, count + 1);
      return [count === 0 && name !== '' ? name : `${name}#${count}`, item];
    }),
  );
}

function nameOf(item: unknown): string | undefined {
  if (!isRecord(item)) return undefined;
  const { state, timestamp, name, path, executor_id, executor_info, framework_info } = item;
  const names = [
    timestamp === undefined ? undefined : state,
    name === '' ? undefined : name,
    path,
    executor_id,
    valueOf(executor_id),
    isRecord(executor_info) ? valueOf(executor_info['executor_id']) : undefined,
    isRecord(framework_info) ? framework_info['name'] : undefined,
  ];
  return names.find((candidate) => typeof candidate === 'string');
}

function valueOf(id: unknown): unknown {
  return isRecord(id) ? id['value'] : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  return value === undefined ? 'absent' : stable(value);
}
