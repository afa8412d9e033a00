import { PatternError, type CharSet, type Node } from './ast.ts';
import * as sets from './char-sets.ts';

interface Flags {
  ignoreCase: boolean;
  multiLine: boolean;
  dotAll: boolean;
}

/** Go's bounds, so that what is accepted there is here. */
const bounds = { repeat: 1000, depth: 250 } as const;

/** Parses an expression in Go's syntax. Throws PatternError. */
export function parsePattern(text: string): Node {
  return new Parser(text).whole();
}

class Parser {
  readonly #text: readonly string[];
  #at = 0;
  #flags: Flags = { ignoreCase: false, multiLine: false, dotAll: false };
  #depth = 0;

  constructor(text: string) {
    this.#text = Array.from(text);
  }

  whole(): Node {
    const node = this.#alternatives();
    if (this.#at < this.#text.length) throw new PatternError('unexpected )', this.#all());
    return node;
  }

  #all(): string {
    return this.#text.join('');
  }

  #peek(offset = 0): string | undefined {
    return this.#text[this.#at + offset];
  }

  #take(): string {
    const character = this.#peek();
    if (character === undefined) throw new PatternError('unexpected end', this.#all());
    this.#at += 1;
    return character;
  }

  #skip(text: string): boolean {
    const found = Array.from(text).every((character, index) => this.#peek(index) === character);
    if (found) this.#at += text.length;
    return found;
  }

  #alternatives(): Node {
    this.#depth += 1;
    if (this.#depth > bounds.depth) {
      throw new PatternError('expression nests too deeply', this.#all());
    }
    // Flags that a group sets end with it.
    const flags = this.#flags;
    const items = [this.#sequence()];
    while (this.#skip('|')) items.push(this.#sequence());
    this.#flags = flags;
    this.#depth -= 1;
    const [only] = items;
    return items.length === 1 && only !== undefined ? only : { type: 'alternate', items };
  }

  #sequence(): Node {
    const items: Node[] = [];
    for (;;) {
      const next = this.#peek();
      if (next === undefined || next === '|' || next === ')') return { type: 'concat', items };
      const start = this.#at;
      const repetition = this.#repetition();
      if (repetition !== undefined) {
        const excerpt = this.#text.slice(start, this.#at).join('');
        throw new PatternError('missing argument to repetition operator', excerpt);
      }
      items.push(...this.#repeated(this.#atoms()));
    }
  }

  /** The atoms, the last of which is repeated if an operator follows. */
  #repeated(atoms: Node[]): Node[] {
    const last = atoms.at(-1);
    const start = this.#at;
    const times = this.#repetition();
    if (times === undefined) return atoms;
    if (this.#repetition() !== undefined) {
      const excerpt = this.#text.slice(start, this.#at).join('');
      throw new PatternError('invalid nested repetition operator', excerpt);
    }
    if (last === undefined) {
      const excerpt = this.#text.slice(start, this.#at).join('');
      throw new PatternError('missing argument to repetition operator', excerpt);
    }
    return [...atoms.slice(0, -1), { type: 'repeat', item: last, ...times }];
  }

  #repetition(): { min: number; max: number | undefined } | undefined {
    const times = this.#operator();
    // Whether it is greedy makes no difference to whether it matches.
    if (times !== undefined) this.#skip('?');
    return times;
  }

  #operator(): { min: number; max: number | undefined } | undefined {
    if (this.#skip('*')) return { min: 0, max: undefined };
    if (this.#skip('+')) return { min: 1, max: undefined };
    if (this.#skip('?')) return { min: 0, max: 1 };
    if (this.#peek() !== '{') return undefined;
    const found = /^\{(\d+)(,(\d*))?\}/.exec(this.#text.slice(this.#at, this.#at + 16).join(''));
    // A brace that counts nothing is a character.
    if (found === null) return undefined;
    const [all, low = '', comma, high] = found;
    this.#at += all.length;
    const min = Number(low);
    const upper = high === undefined || high === '' ? undefined : Number(high);
    const max = comma === undefined ? min : upper;
    if (min > bounds.repeat || (max !== undefined && (max > bounds.repeat || max < min))) {
      throw new PatternError('invalid repeat count', all);
    }
    return { min, max };
  }

  #atoms(): Node[] {
    const character = this.#take();
    switch (character) {
      case '(':
        return this.#group();
      case '[':
        return [this.#set(this.#bracket())];
      case '.':
        return [{ type: 'set', has: this.#flags.dotAll ? sets.anything : sets.notNewline }];
      case '^':
        return [{ type: 'assert', at: this.#flags.multiLine ? 'lineStart' : 'textStart' }];
      case '$':
        return [{ type: 'assert', at: this.#flags.multiLine ? 'lineEnd' : 'textEnd' }];
      case '\\':
        return this.#escaped();
      default:
        return [this.#literal(character)];
    }
  }

  #set(has: CharSet): Node {
    return { type: 'set', has: this.#flags.ignoreCase ? sets.folded(has) : has };
  }

  #literal(character: string): Node {
    return this.#set(sets.single(character.codePointAt(0) ?? 0));
  }

  #group(): Node[] {
    if (this.#peek() === '?') {
      const rest = this.#text.slice(this.#at, this.#at + 64).join('');
      const named = /^\?P?<([A-Za-z_]\w*)>/.exec(rest);
      const flags = /^\?([imsU]*)(?:-([imsU]+))?([:)])/.exec(rest);
      if (named !== null) this.#at += named[0].length;
      else if (flags !== null) {
        const [all, on = '', off = '', end] = flags;
        this.#at += all.length;
        const before = this.#flags;
        this.#flags = withFlags(withFlags(before, on, true), off, false);
        if (end === ')') return [];
        const node = this.#closed();
        this.#flags = before;
        return [node];
      } else {
        const excerpt = `(${rest.slice(0, /^\?<?[=!]/.exec(rest)?.[0].length ?? 2)}`;
        throw new PatternError('invalid or unsupported Perl syntax', excerpt);
      }
    }
    return [this.#closed()];
  }

  #closed(): Node {
    const node = this.#alternatives();
    if (!this.#skip(')')) throw new PatternError('missing closing )', this.#all());
    return node;
  }

  #escaped(): Node[] {
    const character = this.#peek();
    switch (character) {
      case undefined:
        throw new PatternError('trailing backslash at end of expression', '');
      case 'A':
        this.#at += 1;
        return [{ type: 'assert', at: 'textStart' }];
      case 'z':
        this.#at += 1;
        return [{ type: 'assert', at: 'textEnd' }];
      case 'b':
        this.#at += 1;
        return [{ type: 'assert', at: 'wordBoundary' }];
      case 'B':
        this.#at += 1;
        return [{ type: 'assert', at: 'noWordBoundary' }];
      case 'Q':
        this.#at += 1;
        return this.#quoted();
      default:
        return [this.#set(this.#class() ?? sets.single(this.#escapedPoint()))];
    }
  }

  #quoted(): Node[] {
    const items: Node[] = [];
    while (this.#peek() !== undefined && !this.#skip('\\E')) {
      items.push(this.#literal(this.#take()));
    }
    return items;
  }

  /** A class behind a backslash that has been read. */
  #class(): CharSet | undefined {
    const letter = this.#peek() ?? '';
    const perl = sets.perlClass(letter);
    if (perl !== undefined) {
      this.#at += 1;
      return perl;
    }
    if (letter !== 'p' && letter !== 'P') return undefined;
    this.#at += 1;
    const named = /^\{([^}]*)\}/.exec(this.#text.slice(this.#at, this.#at + 64).join(''));
    if (named !== null) this.#at += named[0].length;
    const has = sets.unicodeClass(named?.[1] ?? this.#take());
    return letter === 'p' ? has : sets.not(has);
  }

  #escapedPoint(): number {
    const rest = this.#text.slice(this.#at, this.#at + 16).join('');
    const hex = /^x(?:\{([\dA-Fa-f]{1,8})\}|([\dA-Fa-f]{2}))/.exec(rest);
    if (hex !== null) {
      const point = Number.parseInt(hex[1] ?? hex[2] ?? '', 16);
      if (point > 0x10ffff) throw new PatternError('invalid escape sequence', `\\${hex[0]}`);
      this.#at += hex[0].length;
      return point;
    }
    const octal = /^(?:0[0-7]{0,2}|[1-7][0-7]{1,2})/.exec(rest);
    if (octal !== null) {
      this.#at += octal[0].length;
      return Number.parseInt(octal[0], 8);
    }
    const character = this.#take();
    const control = controls[character];
    if (control !== undefined) return control;
    const point = character.codePointAt(0) ?? 0;
    if (point < 128 && !sets.word(point)) return point;
    throw new PatternError('invalid escape sequence', `\\${character}`);
  }

  /** The rest of a bracket expression. */
  #bracket(): CharSet {
    const start = this.#at - 1;
    const inverse = this.#skip('^');
    const parts: CharSet[] = [];
    for (let first = true; first || this.#peek() !== ']'; first = false) {
      if (this.#peek() === undefined) {
        throw new PatternError('missing closing ]', this.#text.slice(start).join(''));
      }
      parts.push(this.#bracketPart());
    }
    this.#at += 1;
    const union = sets.anyOf(parts);
    // Case must be folded before the set is turned round.
    const has = this.#flags.ignoreCase ? sets.folded(union) : union;
    return inverse ? sets.not(has) : has;
  }

  #bracketPart(): CharSet {
    const named = /^\[:([\^\w]+):\]/.exec(this.#text.slice(this.#at, this.#at + 24).join(''));
    if (named !== null) {
      this.#at += named[0].length;
      return sets.posixClass(named[1] ?? '');
    }
    const start = this.#at;
    const low = this.#bracketPoint();
    if (typeof low === 'function') return low;
    if (this.#peek() !== '-' || this.#peek(1) === ']' || this.#peek(1) === undefined) {
      return sets.single(low);
    }
    this.#at += 1;
    const high = this.#bracketPoint();
    if (typeof high === 'function' || high < low) {
      const excerpt = this.#text.slice(start, this.#at).join('');
      throw new PatternError('invalid character class range', excerpt);
    }
    return sets.range(low, high);
  }

  #bracketPoint(): number | CharSet {
    const character = this.#take();
    if (character !== '\\') return character.codePointAt(0) ?? 0;
    return this.#class() ?? this.#escapedPoint();
  }
}

const controls: Readonly<Record<string, number>> = { a: 7, f: 12, t: 9, n: 10, r: 13, v: 11 };

function withFlags(flags: Flags, letters: string, on: boolean): Flags {
  return {
    ignoreCase: letters.includes('i') ? on : flags.ignoreCase,
    multiLine: letters.includes('m') ? on : flags.multiLine,
    dotAll: letters.includes('s') ? on : flags.dotAll,
  };
}
