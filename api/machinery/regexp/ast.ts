/** A regular expression in Go's syntax (RE2), as far as matching needs it: groups capture nothing. */
export type Node =
  /** One code point. */
  | { type: 'set'; has: CharSet }
  | { type: 'concat'; items: readonly Node[] }
  | { type: 'alternate'; items: readonly Node[] }
  /** `max` undefined: any number of times. */
  | { type: 'repeat'; item: Node; min: number; max: number | undefined }
  | { type: 'assert'; at: Assertion };

export type CharSet = (codePoint: number) => boolean;

export type Assertion =
  'textStart' | 'textEnd' | 'lineStart' | 'lineEnd' | 'wordBoundary' | 'noWordBoundary';

/** An expression that is none; the message is worded as Go's. */
export class PatternError extends Error {
  override readonly name = 'PatternError';

  constructor(what: string, excerpt: string) {
    super(`error parsing regexp: ${what}: \`${excerpt}\``);
  }
}
