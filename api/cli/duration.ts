import { CommandError } from './errors.ts';

const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds of a duration in Go's form (`90s`, `1m30s`, `500ms`) or a number of seconds. */
export function parseDuration(text: string, flag: string): number {
  if (/^\d+(?:\.\d+)?$/.test(text)) return Math.round(Number(text) * 1000);
  if (!/^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/.test(text)) {
    throw new CommandError(
      'usage',
      `${flag}: "${text}" is no duration; write 30s, 5m, 1m30s or a number of seconds`,
    );
  }
  const total = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)].reduce(
    (sum, [, amount, unit = 's']) => sum + Number(amount) * (unitMs[unit] ?? 0),
    0,
  );
  return Math.round(total);
}
