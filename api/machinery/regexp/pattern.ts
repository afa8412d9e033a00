import { PatternError, type Assertion, type CharSet, type Node } from './ast.ts';
import { word } from './char-sets.ts';
import { parsePattern } from './parse.ts';

/** One step of a matching machine; `next` and the branches of a split are numbers of steps. */
type Step =
  | { type: 'set'; has: CharSet; next: number }
  | { type: 'split'; branches: readonly number[] }
  | { type: 'assert'; at: Assertion; next: number }
  | { type: 'match' };

/** A text and an expression that would keep the server busy for too long. */
export class PatternCostError extends Error {
  override readonly name = 'PatternCostError';
}

const bounds = {
  /** Of the machine of one expression. */
  steps: 20_000,
  /** Steps taken for one text: a few tenths of a second. */
  cost: 2_000_000,
} as const;

/**
 * A regular expression in Go's syntax, matched by following all ways at once: the time is that of the
 * text times that of the expression, whatever they are. People who may not be trusted write both.
 */
export class Pattern {
  readonly source: string;
  readonly #steps: readonly Step[];
  readonly #start: number;

  /** Throws PatternError for what is no expression. */
  constructor(source: string) {
    this.source = source;
    const machine = new Machine(source);
    this.#start = machine.add(parsePattern(source), machine.push({ type: 'match' }));
    this.#steps = machine.steps;
  }

  /** Whether some part of the text matches. Throws PatternCostError. */
  test(text: string): boolean {
    const points = Array.from(text, (character) => character.codePointAt(0) ?? 0);
    let cost = 0;
    let current = new Set<number>();
    for (let at = 0; ; at += 1) {
      if (this.#follow(this.#start, points, at, current)) return true;
      const point = points[at];
      if (point === undefined) return false;
      cost += current.size + 1;
      if (cost > bounds.cost) {
        throw new PatternCostError(`takes too long to be matched with '${this.source}'`);
      }
      const next = new Set<number>();
      for (const number of current) {
        const step = this.#steps[number];
        if (step?.type !== 'set' || !step.has(point)) continue;
        if (this.#follow(step.next, points, at + 1, next)) return true;
      }
      current = next;
    }
  }

  /** Adds the steps that can be reached without a character; true if the end is one of them. */
  #follow(start: number, points: readonly number[], at: number, into: Set<number>): boolean {
    const pending = [start];
    for (let number = pending.pop(); number !== undefined; number = pending.pop()) {
      if (into.has(number)) continue;
      into.add(number);
      const step = this.#steps[number];
      if (step === undefined || step.type === 'set') continue;
      if (step.type === 'match') return true;
      if (step.type === 'split') pending.push(...step.branches);
      else if (holds(step.at, points, at)) pending.push(step.next);
    }
    return false;
  }
}

function holds(assertion: Assertion, points: readonly number[], at: number): boolean {
  const before = points[at - 1];
  const after = points[at];
  switch (assertion) {
    case 'textStart':
      return at === 0;
    case 'textEnd':
      return after === undefined;
    case 'lineStart':
      return before === undefined || before === 10;
    case 'lineEnd':
      return after === undefined || after === 10;
    case 'wordBoundary':
      return isWord(before) !== isWord(after);
    case 'noWordBoundary':
      return isWord(before) === isWord(after);
  }
}

function isWord(point: number | undefined): boolean {
  return point !== undefined && word(point);
}

/** Thompson's construction, from the end of the expression to its beginning. */
class Machine {
  readonly steps: Step[] = [];
  readonly #source: string;

  constructor(source: string) {
    this.#source = source;
  }

  push(step: Step): number {
    if (this.steps.length >= bounds.steps) {
      throw new PatternError('expression too large', this.#source.slice(0, 64));
    }
    return this.steps.push(step) - 1;
  }

  /** The step at which matching `node`, then everything from `next` on, begins. */
  add(node: Node, next: number): number {
    switch (node.type) {
      case 'set':
        return this.push({ type: 'set', has: node.has, next });
      case 'assert':
        return this.push({ type: 'assert', at: node.at, next });
      case 'concat':
        return node.items.reduceRight((rest, item) => this.add(item, rest), next);
      case 'alternate':
        return this.push({
          type: 'split',
          branches: node.items.map((item) => this.add(item, next)),
        });
      case 'repeat':
        return this.#repeat(node.item, node.min, node.max, next);
    }
  }

  #repeat(item: Node, min: number, max: number | undefined, next: number): number {
    let start = next;
    if (max === undefined) {
      // The loop is known before its body is.
      const loop = this.push({ type: 'split', branches: [] });
      const body = this.add(item, loop);
      this.steps[loop] = { type: 'split', branches: [body, next] };
      start = loop;
    } else {
      for (let count = min; count < max; count += 1) {
        start = this.push({ type: 'split', branches: [this.add(item, start), next] });
      }
    }
    for (let count = 0; count < min; count += 1) start = this.add(item, start);
    return start;
  }
}
