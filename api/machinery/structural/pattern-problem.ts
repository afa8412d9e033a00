import { PatternError } from '../regexp/ast.ts';
import { Pattern } from '../regexp/pattern.ts';

/** Why a pattern is none; undefined: it is one. */
export function patternProblem(pattern: string): string | undefined {
  try {
    new Pattern(pattern);
    return undefined;
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    return `must be a valid regular expression, but isn't: ${error.message}`;
  }
}
