/** A template of kubectl's JSONPath dialect: text, expressions in braces, and ranges. */
export type Template = readonly Part[];

export type Part =
  | { type: 'text'; text: string }
  | { type: 'expression'; path: Path }
  | { type: 'range'; path: Path; body: Template };

export interface Path {
  /** `$` starts at the whole document; everything else at the current object. */
  fromRoot: boolean;
  steps: readonly Step[];
}

export type Step =
  | { type: 'field'; name: string }
  | { type: 'wildcard' }
  /** `..`: the value itself and all below it. */
  | { type: 'descendants' }
  /** `[1,-1]` or `['a','b']`. */
  | { type: 'union'; members: readonly (number | string)[] }
  /** `[start:end:step]`, as in Python. */
  | { type: 'slice'; start?: number; end?: number; step: number }
  | { type: 'filter'; filter: Filter };

export interface Filter {
  left: Operand;
  /** Absent: whether `left` yields anything. */
  comparison?: { operator: Operator; right: Operand };
}

export type Operator = '==' | '!=' | '<' | '<=' | '>' | '>=';

export type Operand =
  { type: 'path'; path: Path } | { type: 'literal'; value: string | number | boolean | null };

/** A template that is none; `at` is the offset of the mistake in the text. */
export class JsonPathError extends Error {
  override readonly name = 'JsonPathError';
  readonly at: number;

  constructor(message: string, template: string, at: number) {
    super(`jsonpath ${JSON.stringify(template)}: ${message} at character ${at + 1}`);
    this.at = at;
  }
}
