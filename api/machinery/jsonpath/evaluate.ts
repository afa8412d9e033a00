import { isObject, jsonEqual, own } from '../json.ts';
import type { Filter, Operand, Operator, Path, Step, Template } from './ast.ts';

/** The text of a template over a document. A path that leads nowhere yields nothing, as in kubectl. */
export function renderTemplate(template: Template, root: unknown): string {
  return render(template, root, root);
}

/** The values that a path yields. */
export function evaluatePath(path: Path, root: unknown): unknown[] {
  return follow(path, root, root);
}

function render(template: Template, root: unknown, current: unknown): string {
  return template
    .map((part) => {
      switch (part.type) {
        case 'text':
          return part.text;
        case 'expression':
          return follow(part.path, root, current).map(valueText).join(' ');
        case 'range':
          return follow(part.path, root, current)
            .map((item) => render(part.body, root, item))
            .join('');
      }
    })
    .join('');
}

/** Strings as they are, everything else as JSON. */
export function valueText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function follow(path: Path, root: unknown, current: unknown): unknown[] {
  return path.steps.reduce<unknown[]>(
    (values, step) => values.flatMap((value) => stepInto(step, value, root)),
    [path.fromRoot ? root : current],
  );
}

function stepInto(step: Step, value: unknown, root: unknown): unknown[] {
  switch (step.type) {
    case 'field':
      return field(value, step.name);
    case 'wildcard':
      return children(value);
    case 'descendants':
      return descendants(value);
    case 'union':
      return step.members.flatMap((member) =>
        typeof member === 'string' ? field(value, member) : element(value, member),
      );
    case 'slice':
      return slice(value, step);
    case 'filter':
      return children(value).filter((child) => passes(step.filter, child, root));
  }
}

function field(value: unknown, name: string): unknown[] {
  if (!isObject(value)) return [];
  const child = own(value, name);
  return child === undefined ? [] : [child];
}

function element(value: unknown, index: number): unknown[] {
  if (!Array.isArray(value)) return [];
  const position = index < 0 ? value.length + index : index;
  return value.slice(position, position + 1).filter(() => position >= 0);
}

function children(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  return isObject(value) ? Object.values(value) : [];
}

function descendants(value: unknown): unknown[] {
  return [value, ...children(value).flatMap(descendants)];
}

function slice(value: unknown, { start, end, step }: Extract<Step, { type: 'slice' }>): unknown[] {
  if (!Array.isArray(value)) return [];
  const chosen: unknown[] = value.slice(start, end);
  return chosen.filter((_item, index) => index % step === 0);
}

function passes(filter: Filter, item: unknown, root: unknown): boolean {
  const left = operandValues(filter.left, item, root);
  if (filter.comparison === undefined) return left.length > 0;
  const { operator, right: operand } = filter.comparison;
  const [first] = left;
  const [second] = operandValues(operand, item, root);
  return first !== undefined && second !== undefined && compares(first, operator, second);
}

function operandValues(operand: Operand, item: unknown, root: unknown): unknown[] {
  return operand.type === 'literal' ? [operand.value] : follow(operand.path, root, item);
}

function compares(left: unknown, operator: Operator, right: unknown): boolean {
  if (operator === '==') return jsonEqual(left, right);
  if (operator === '!=') return !jsonEqual(left, right);
  const comparable =
    (typeof left === 'number' && typeof right === 'number') ||
    (typeof left === 'string' && typeof right === 'string');
  if (!comparable) return false;
  switch (operator) {
    case '<':
      return left < right;
    case '<=':
      return left <= right;
    case '>':
      return left > right;
    case '>=':
      return left >= right;
  }
}
