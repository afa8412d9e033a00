import { isIP } from 'node:net';

type Check = (text: string) => boolean;

const uuid = (version: string): RegExp =>
  new RegExp(`^[0-9a-f]{8}-?[0-9a-f]{4}-?${version}[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$`, 'i');

const matching =
  (pattern: RegExp): Check =>
  (text) =>
    pattern.test(text);

/** The formats of strings that Kubernetes checks. One that is not here is a note to readers. */
const checks: Readonly<Record<string, Check>> = {
  'date-time': isDateTime,
  datetime: isDateTime,
  date: isDate,
  duration: (text) =>
    /^[-+]?(?:0|(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h))+)$/.test(text) ||
    /^\d+ ?(?:d|days?|w|weeks?|h|hours?|hrs?|m|mins?|minutes?|s|secs?|seconds?)$/i.test(text),
  email: matching(/^[^\s@<>()[\]\\,;:"]{1,64}@[^\s@]{1,255}$/),
  hostname: (text) =>
    text.length <= 255 &&
    /^(?:[a-z0-9_](?:[-a-z0-9_]{0,61}[a-z0-9_])?)(?:\.(?:[a-z0-9_](?:[-a-z0-9_]{0,61}[a-z0-9_])?))*\.?$/i.test(
      text,
    ),
  ipv4: (text) => isIP(text) === 4,
  ipv6: (text) => isIP(text) === 6,
  ip: (text) => isIP(text) !== 0,
  cidr: isCidr,
  mac: matching(
    /^(?:[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}|[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4})$/i,
  ),
  uri: (text) => /^(?:[a-z][-a-z0-9+.]*:|\/)\S*$/i.test(text),
  uuid: matching(uuid('[0-9a-f]')),
  uuid3: matching(uuid('3')),
  uuid4: matching(uuid('4')),
  uuid5: matching(uuid('5')),
  byte: (text) => text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text),
  bsonobjectid: matching(/^[0-9a-f]{24}$/i),
  hexcolor: matching(/^#?(?:[0-9a-f]{3}|[0-9a-f]{6})$/i),
  rgbcolor: matching(/^rgb\(\s*(?:\d{1,3}\s*,\s*){2}\d{1,3}\s*\)$/),
};

/** Whether `text` is of the format, or the format is none that is checked. */
export function hasFormat(text: string, format: string): boolean {
  const check = Object.hasOwn(checks, format) ? checks[format] : undefined;
  return check === undefined || check(text);
}

function isDate(text: string): boolean {
  const found = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text);
  if (found === null) return false;
  const time = Date.parse(`${text}T00:00:00Z`);
  // Some engines let the 30th of February be the 2nd of March.
  return !Number.isNaN(time) && Number(found[3]) <= daysIn(Number(found[1]), Number(found[2]));
}

function daysIn(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

/** RFC 3339. */
function isDateTime(text: string): boolean {
  const found = /^([-\d]{10})[Tt](\d\d):(\d\d):(\d\d)(?:[.,]\d+)?(?:[Zz]|[-+]\d\d:?\d\d)$/.exec(
    text,
  );
  if (found === null) return false;
  const [, day = '', hours, minutes, seconds] = found;
  return isDate(day) && Number(hours) < 24 && Number(minutes) < 60 && Number(seconds) < 61;
}

function isCidr(text: string): boolean {
  const found = /^([^/]+)\/(\d{1,3})$/.exec(text);
  if (found === null) return false;
  const [, address = '', length] = found;
  const family = isIP(address);
  return family !== 0 && Number(length) <= (family === 4 ? 32 : 128);
}
