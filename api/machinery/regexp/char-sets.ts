import { PatternError, type CharSet } from './ast.ts';

export const anything: CharSet = () => true;
export const notNewline: CharSet = (point) => point !== 10;

export function single(point: number): CharSet {
  return (other) => other === point;
}

export function range(low: number, high: number): CharSet {
  return (point) => point >= low && point <= high;
}

export function anyOf(sets: readonly CharSet[]): CharSet {
  return (point) => sets.some((has) => has(point));
}

export function not(has: CharSet): CharSet {
  return (point) => !has(point);
}

/** The set with the upper and lower case forms of its members. */
export function folded(has: CharSet): CharSet {
  return (point) => {
    if (has(point)) return true;
    const text = String.fromCodePoint(point);
    return [text.toLowerCase(), text.toUpperCase()].some((form) => {
      const other = form.codePointAt(0);
      return other !== undefined && Array.from(form).length === 1 && has(other);
    });
  };
}

const digit = range(48, 57);
const lower = range(97, 122);
const upper = range(65, 90);
const space = anyOf([9, 10, 12, 13, 32].map(single));
export const word = anyOf([digit, lower, upper, single(95)]);

const perl: Readonly<Record<string, CharSet>> = { d: digit, s: space, w: word };

/** `\d`, `\S`, …; undefined for a letter that stands for no class. */
export function perlClass(letter: string): CharSet | undefined {
  const small = letter.toLowerCase();
  const found = Object.hasOwn(perl, small) ? perl[small] : undefined;
  return found === undefined || small === letter ? found : not(found);
}

const posix: Readonly<Record<string, CharSet>> = {
  alnum: anyOf([digit, lower, upper]),
  alpha: anyOf([lower, upper]),
  ascii: range(0, 127),
  blank: anyOf([9, 32].map(single)),
  cntrl: anyOf([range(0, 31), single(127)]),
  digit,
  graph: range(33, 126),
  lower,
  print: range(32, 126),
  punct: anyOf([range(33, 47), range(58, 64), range(91, 96), range(123, 126)]),
  space: anyOf([range(9, 13), single(32)]),
  upper,
  word,
  xdigit: anyOf([digit, range(97, 102), range(65, 70)]),
};

/** `[:alpha:]`, `[:^alpha:]`. */
export function posixClass(name: string): CharSet {
  const bare = name.replace(/^\^/, '');
  const found = Object.hasOwn(posix, bare) ? posix[bare] : undefined;
  if (found === undefined) throw new PatternError('invalid character class range', `[:${name}:]`);
  return bare === name ? found : not(found);
}

/** A general category or a script: `\pL`, `\p{Greek}`. */
export function unicodeClass(name: string): CharSet {
  const inverse = name.startsWith('^');
  const bare = inverse ? name.slice(1) : name;
  for (const property of [`gc=${bare}`, `sc=${bare}`]) {
    const pattern = propertyPattern(property);
    if (pattern === undefined) continue;
    const has: CharSet = (point) => pattern.test(String.fromCodePoint(point));
    return inverse ? not(has) : has;
  }
  throw new PatternError('invalid character class range', `\\p{${name}}`);
}

function propertyPattern(property: string): RegExp | undefined {
  if (!/^\w+=\w+$/.test(property)) return undefined;
  try {
    return new RegExp(`^\\p{${property}}$`, 'u');
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
