const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;
const year = 365 * day;

/** Up to which age, in seconds, which units tell it: the rules of Kubernetes' HumanDuration. */
const rules: readonly { below: number; units: readonly (readonly [string, number])[] }[] = [
  { below: 2 * minute, units: [['s', 1]] },
  {
    below: 10 * minute,
    units: [
      ['m', minute],
      ['s', 1],
    ],
  },
  { below: 3 * hour, units: [['m', minute]] },
  {
    below: 8 * hour,
    units: [
      ['h', hour],
      ['m', minute],
    ],
  },
  { below: 2 * day, units: [['h', hour]] },
  {
    below: 8 * day,
    units: [
      ['d', day],
      ['h', hour],
    ],
  },
  { below: 2 * year, units: [['d', day]] },
  {
    below: 8 * year,
    units: [
      ['y', year],
      ['d', day],
    ],
  },
  { below: Infinity, units: [['y', year]] },
];

/** A span of milliseconds as kubectl prints ages: `42s`, `9m30s`, `5h`, `3d4h`. */
export function ageText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const { units = [] } = rules.find(({ below }) => seconds < below) ?? {};
  let rest = seconds;
  let text = '';
  for (const [unit, size] of units) {
    const count = Math.floor(rest / size);
    rest %= size;
    if (count > 0 || text === '') text += `${count}${unit}`;
  }
  return text;
}

/** The age of an RFC 3339 time; `<unknown>` if there is none. */
export function since(time: string | null | undefined, now: number): string {
  const then = time === undefined || time === null ? Number.NaN : Date.parse(time);
  return Number.isNaN(then) ? '<unknown>' : ageText(now - then);
}
