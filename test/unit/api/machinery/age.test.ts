import { expect, it } from 'vitest';
import { humanDuration, since } from '../../../../api/machinery/age.ts';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

it.each([
  [-3 * second, '<invalid>'],
  [-1 * second, '0s'],
  [999, '0s'],
  [second, '1s'],
  [119 * second, '119s'],
  [2 * minute, '2m'],
  [2 * minute + 5 * second, '2m5s'],
  [9 * minute + 59 * second, '9m59s'],
  [10 * minute + 30 * second, '10m'],
  [179 * minute, '179m'],
  [3 * hour, '3h'],
  [3 * hour + 12 * minute, '3h12m'],
  [7 * hour + 59 * minute, '7h59m'],
  [8 * hour + 59 * minute, '8h'],
  [47 * hour, '47h'],
  [2 * day, '2d'],
  [2 * day + hour, '2d1h'],
  [7 * day + 23 * hour, '7d23h'],
  [8 * day + 5 * hour, '8d'],
  [729 * day, '729d'],
  [730 * day, '2y'],
  [731 * day, '2y1d'],
  [8 * 365 * day, '8y'],
  [20 * 365 * day + 200 * day, '20y'],
])('prints %d ms as %s', (ms, text) => {
  expect(humanDuration(ms)).toBe(text);
});

it('tells the age of a time, and that it is unknown if there is none', () => {
  const now = Date.parse('2026-01-01T00:05:00Z');
  expect(since('2026-01-01T00:00:00Z', now)).toBe('5m');
  expect(since(undefined, now)).toBe('<unknown>');
  expect(since('long ago', now)).toBe('<unknown>');
});

it('calls a time of a clock that is ahead just now', () => {
  expect(since('2026-01-01T00:00:10Z', Date.parse('2026-01-01T00:00:00Z'))).toBe('0s');
});
