import type { Filter, Operand, Operator, Part, Path, Step, Template } from './ast.ts';
import { JsonPathError } from './ast.ts';

/** Parses `{range .items[*]}{.metadata.name}{"\n"}{end}`. Throws JsonPathError. */
export function parseTemplate(text: string): Template {
  return new Parser(text).template();
}

/** Parses one path, with or without braces: `{.status.phase}`, `.status.phase`, `status.phase`. */
export function parsePath(text: string): Path {
  const inner = /^\s*\{(.*)\}\s*$/s.exec(text)?.[1] ?? text;
  const dotted = /^\s*[.[$@]/.test(inner) ? inner : `.${inner}`;
  return new Parser(dotted).onlyPath();
}

/** Characters that end a bare field name. */
const nameEnd = /[\s.[\](){}=!<>,'"]/;

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  template(): Template {
    const parts = this.#parts(false);
    return parts;
  }

  onlyPath(): Path {
    this.#skipSpace();
    const path = this.#path();
    this.#skipSpace();
    if (!this.#ended()) throw this.#error(`unexpected "${this.#peek()}"`);
    return path;
  }

  #parts(inRange: boolean): Part[] {
    const parts: Part[] = [];
    while (!this.#ended()) {
      if (this.#peek() !== '{') {
        parts.push({ type: 'text', text: this.#textUntilBrace() });
        continue;
      }
      this.#at += 1;
      if (this.#expression(parts, inRange) === 'end') return parts;
    }
    if (inRange) throw this.#error('a {range} without {end}');
    return parts;
  }

  #textUntilBrace(): string {
    const next = this.#text.indexOf('{', this.#at);
    const text = this.#text.slice(this.#at, next < 0 ? undefined : next);
    this.#at += text.length;
    return text;
  }

  /** One pair of braces, the first of which has been read. It may hold several expressions. */
  #expression(parts: Part[], inRange: boolean): 'end' | undefined {
    for (;;) {
      this.#skipSpace();
      const character = this.#peek();
      if (character === '}') {
        this.#at += 1;
        return undefined;
      }
      if (character === '') throw this.#error('a { without }');
      if (character === '"' || character === "'") {
        parts.push({ type: 'text', text: this.#quoted() });
      } else if (this.#word('range')) {
        this.#skipSpace();
        const path = this.#path();
        this.#close();
        parts.push({ type: 'range', path, body: this.#parts(true) });
        return undefined;
      } else if (this.#word('end')) {
        if (!inRange) throw this.#error('{end} without {range}');
        this.#close();
        return 'end';
      } else parts.push({ type: 'expression', path: this.#path() });
    }
  }

  #close(): void {
    this.#skipSpace();
    this.#expect('}');
  }

  /** Consumes `word` if it stands here as a whole word. */
  #word(word: string): boolean {
    if (!this.#text.startsWith(word, this.#at)) return false;
    const after = this.#text.charAt(this.#at + word.length);
    if (after !== '' && !/[\s}]/.test(after)) return false;
    this.#at += word.length;
    return true;
  }

  #path(): Path {
    const start = this.#at;
    const fromRoot = this.#peek() === '$';
    if (fromRoot || this.#peek() === '@') this.#at += 1;
    const steps: Step[] = [];
    if (this.#at === start && !/[.[]/.test(this.#peek())) {
      throw this.#error(`expected a path such as .metadata.name, not "${this.#peek()}"`);
    }
    for (;;) {
      if (this.#peek() === '.') this.#dot(steps);
      else if (this.#peek() === '[') steps.push(this.#bracket());
      else return { fromRoot, steps };
    }
  }

  #dot(steps: Step[]): void {
    this.#at += 1;
    if (this.#peek() === '.') {
      this.#at += 1;
      steps.push({ type: 'descendants' });
      if (this.#peek() === '[') return;
    }
    if (this.#peek() === '*') {
      this.#at += 1;
      steps.push({ type: 'wildcard' });
      return;
    }
    // A lone dot is the current object.
    const name = this.#name();
    if (name !== '') steps.push({ type: 'field', name });
    else if (steps.length > 0 && this.#peek() !== '[') throw this.#error('expected a field name');
  }

  #name(): string {
    let name = '';
    for (;;) {
      const character = this.#peek();
      if (character === '\\') {
        name += this.#text.charAt(this.#at + 1);
        this.#at += 2;
      } else if (character === '' || nameEnd.test(character)) return name;
      else {
        name += character;
        this.#at += 1;
      }
    }
  }

  #bracket(): Step {
    this.#at += 1;
    this.#skipSpace();
    if (this.#peek() === '?') return this.#filter();
    if (this.#peek() === '*') {
      this.#at += 1;
      this.#skipSpace();
      this.#expect(']');
      return { type: 'wildcard' };
    }
    if (this.#peek() === '"' || this.#peek() === "'") return this.#union(() => this.#quoted());
    const slice = /^(-?\d+)?\s*:\s*(-?\d+)?\s*(?::\s*(-?\d+)?\s*)?\]/.exec(this.#rest());
    if (slice !== null) return this.#slice(slice);
    return this.#union(() => this.#integer());
  }

  #slice(found: RegExpExecArray): Step {
    const [all, start, end, step] = found;
    if (step !== undefined && Number(step) < 1) throw this.#error('a step must be at least 1');
    this.#at += all.length;
    return {
      type: 'slice',
      ...(start === undefined ? {} : { start: Number(start) }),
      ...(end === undefined ? {} : { end: Number(end) }),
      step: Number(step ?? 1),
    };
  }

  #union(read: () => number | string): Step {
    const members: (number | string)[] = [];
    for (;;) {
      this.#skipSpace();
      members.push(read());
      this.#skipSpace();
      if (this.#peek() !== ',') break;
      this.#at += 1;
    }
    this.#expect(']');
    return { type: 'union', members };
  }

  #filter(): Step {
    this.#at += 1;
    this.#expect('(');
    const left = this.#operand();
    this.#skipSpace();
    const operator = this.#operator();
    const filter: Filter =
      operator === undefined
        ? { left }
        : { left, comparison: { operator, right: this.#operand() } };
    this.#skipSpace();
    this.#expect(')');
    this.#skipSpace();
    this.#expect(']');
    return { type: 'filter', filter };
  }

  #operator(): Operator | undefined {
    const operators: Operator[] = ['==', '!=', '<=', '>=', '<', '>'];
    const found = operators.find((operator) => this.#text.startsWith(operator, this.#at));
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #operand(): Operand {
    this.#skipSpace();
    const character = this.#peek();
    if (character === '"' || character === "'") return { type: 'literal', value: this.#quoted() };
    if (/[.[@$]/.test(character)) return { type: 'path', path: this.#path() };
    const word = /^(?:-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.])/.exec(
      this.#rest(),
    )?.[0];
    if (word === undefined) throw this.#error('expected @.path, "text", a number, true or false');
    this.#at += word.length;
    return { type: 'literal', value: literal(word) };
  }

  #integer(): number {
    const digits = /^-?\d+/.exec(this.#rest())?.[0];
    if (digits === undefined) throw this.#error('expected an index, *, a filter or a quoted name');
    this.#at += digits.length;
    return Number(digits);
  }

  #quoted(): string {
    const quote = this.#peek();
    let text = '';
    for (this.#at += 1; this.#peek() !== quote; this.#at += 1) {
      if (this.#ended()) throw this.#error(`a ${quote} without its end`);
      if (this.#peek() === '\\') {
        this.#at += 1;
        text += escaped(this.#peek());
      } else text += this.#peek();
    }
    this.#at += 1;
    return text;
  }

  #peek(): string {
    return this.#text.charAt(this.#at);
  }

  #rest(): string {
    return this.#text.slice(this.#at);
  }

  #ended(): boolean {
    return this.#at >= this.#text.length;
  }

  #skipSpace(): void {
    while (/\s/.test(this.#peek())) this.#at += 1;
  }

  #expect(character: string): void {
    if (this.#peek() !== character) throw this.#error(`expected "${character}"`);
    this.#at += 1;
  }

  #error(message: string): JsonPathError {
    return new JsonPathError(message, this.#text, this.#at);
  }
}

function literal(word: string): number | boolean | null {
  if (word === 'null') return null;
  if (word === 'true' || word === 'false') return word === 'true';
  return Number(word);
}

function escaped(character: string): string {
  const known: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };
  return known[character] ?? character;
}
