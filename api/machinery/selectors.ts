import { z } from 'zod';

/** metav1.LabelSelector. An empty selector matches everything. */
export const labelSelectorSchema = z.strictObject({
  matchLabels: z
    .record(z.string(), z.string())
    .optional()
    .describe('Labels that must be there with these values.'),
  matchExpressions: z
    .array(
      z.strictObject({
        key: z.string().describe('Name of the label.'),
        operator: z
          .enum(['In', 'NotIn', 'Exists', 'DoesNotExist'])
          .describe('How the label is compared.'),
        values: z
          .array(z.string())
          .optional()
          .describe('Values for In and NotIn; none for others.'),
      }),
    )
    .optional()
    .describe('Further requirements; all of them must hold.'),
});
export type LabelSelector = z.infer<typeof labelSelectorSchema>;

export type Operator = 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'GreaterThan' | 'LessThan';

export interface Requirement {
  key: string;
  operator: Operator;
  values: readonly string[];
}

/** A conjunction of requirements. */
export type Requirements = readonly Requirement[];

export class SelectorError extends Error {
  override readonly name = 'SelectorError';
}

export function requirementsOf(selector: LabelSelector): Requirements {
  const equals = Object.entries(selector.matchLabels ?? {}).map(([key, value]): Requirement => ({
    key,
    operator: 'In',
    values: [value],
  }));
  const expressions = (selector.matchExpressions ?? []).map(
    ({ key, operator, values }): Requirement => ({ key, operator, values: values ?? [] }),
  );
  return [...equals, ...expressions];
}

/** Kubernetes' rule: NotIn and DoesNotExist also match objects without the key. */
export function matches(
  requirements: Requirements,
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  return requirements.every(({ key, operator, values }) => {
    const value = labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
    switch (operator) {
      case 'In':
        return value !== undefined && values.includes(value);
      case 'NotIn':
        return value === undefined || !values.includes(value);
      case 'Exists':
        return value !== undefined;
      case 'DoesNotExist':
        return value === undefined;
      case 'GreaterThan':
        return value !== undefined && compare(value, values[0]) > 0;
      case 'LessThan':
        return value !== undefined && compare(value, values[0]) < 0;
    }
  });
}

function compare(left: string, right: string | undefined): number {
  const difference = Number(left) - Number(right);
  return Number.isNaN(difference) ? 0 : difference;
}

const clause =
  /^\s*(?:(!)\s*([^\s!=,()<>]+)|([^\s!=,()<>]+)(?:\s*(?:(==|=|!=|>|<)\s*([^\s,()=!<>]*)|\s(in|notin)\s*\(([^()]*)\)))?)\s*(?:,|$)/;

/** More than anybody writes; every object of a list and every event of a watch is held against each. */
const maxRequirements = 500;

/** Parses the query form of a label selector: `a=b,c!=d,e in (f,g),!h,i,j>5`. */
export function parseLabelSelector(text: string): Requirements {
  const requirements: Requirement[] = [];
  // Long runs of blanks would make the expression look at each of them many times.
  let rest = text.replace(/\s+/g, ' ').trim();
  while (rest.trim() !== '') {
    const found = clause.exec(rest);
    if (found === null) {
      throw new SelectorError(`unable to parse label selector "${text}" at "${rest.trim()}"`);
    }
    requirements.push(requirementOf(found));
    if (requirements.length > maxRequirements) {
      throw new SelectorError(`the label selector has more than ${maxRequirements} requirements`);
    }
    rest = rest.slice(found[0].length);
  }
  return requirements;
}

function requirementOf(found: RegExpExecArray): Requirement {
  const [, not, absentKey, key = '', sign, value = '', set, list = ''] = found;
  if (not !== undefined) return { key: absentKey ?? '', operator: 'DoesNotExist', values: [] };
  if (set !== undefined) {
    const values = list.split(',').map((item) => item.trim());
    return { key, operator: set === 'in' ? 'In' : 'NotIn', values };
  }
  switch (sign) {
    case undefined:
      return { key, operator: 'Exists', values: [] };
    case '!=':
      return { key, operator: 'NotIn', values: [value] };
    case '>':
      return { key, operator: 'GreaterThan', values: [value] };
    case '<':
      return { key, operator: 'LessThan', values: [value] };
    default:
      return { key, operator: 'In', values: [value] };
  }
}

export interface FieldRequirement {
  path: string;
  value: string;
  equal: boolean;
}

/** Parses the query form of a field selector: `metadata.name=x,involvedObject.kind!=Job`. */
export function parseFieldSelector(text: string): FieldRequirement[] {
  const parts = text.split(',').filter((part) => part.trim() !== '');
  if (parts.length > maxRequirements) {
    throw new SelectorError(`the field selector has more than ${maxRequirements} requirements`);
  }
  return parts.map((part) => {
    const found = /^\s*([^=!\s]+)\s*(!=|==|=)\s*(.*?)\s*$/.exec(part);
    if (found === null) {
      throw new SelectorError(
        `invalid field selector "${text}"; "${part}" is not of the form path=value`,
      );
    }
    const [, path = '', sign, value = ''] = found;
    return { path, value, equal: sign !== '!=' };
  });
}
