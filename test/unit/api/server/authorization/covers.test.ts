import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compacted,
  ruleText,
  simpleRules,
  uncovered,
} from '../../../../../api/server/authorization/covers.ts';
import { allows, ruleOf, type Rule } from '../../../../../api/server/authorization/rules.ts';
import { arbitraryRule, everyQuestion } from './arbitraries.ts';

const rules = fc.array(arbitraryRule, { maxLength: 4 });

function permits(held: readonly Rule[], question: Parameters<typeof allows>[1]): boolean {
  return held.some((rule) => allows(rule, question));
}

describe('what somebody may grant', () => {
  it('is never more than they hold: each question that it allows they are allowed', () => {
    fc.assert(
      fc.property(rules, rules, (held, wanted) => {
        if (uncovered(held, wanted).length > 0) return;
        for (const question of everyQuestion) {
          if (permits(wanted, question)) expect(permits(held, question)).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('is what they hold, whole or in parts', () => {
    fc.assert(
      fc.property(arbitraryRule, (rule) => {
        expect(uncovered([rule], [rule])).toEqual([]);
        expect(uncovered(simpleRules(rule), [rule])).toEqual([]);
        expect(uncovered([rule], simpleRules(rule))).toEqual([]);
      }),
    );
  });

  it('grows with what they hold', () => {
    fc.assert(
      fc.property(rules, rules, arbitraryRule, (held, wanted, more) => {
        const before = uncovered(held, wanted).length;
        expect(uncovered([...held, more], wanted).length).toBeLessThanOrEqual(before);
      }),
    );
  });

  it('tells what is missing, and only that', () => {
    const held = [ruleOf({ apiGroups: ['a'], resources: ['x'], verbs: ['get', 'list'] })];
    const wanted = [ruleOf({ apiGroups: ['a'], resources: ['x', 'y'], verbs: ['get', 'list'] })];
    expect(compacted(uncovered(held, wanted)).map(ruleText)).toEqual([
      '{APIGroups:["a"], Resources:["y"], Verbs:["get" "list"]}',
    ]);
  });

  it('is refused as a whole if it is too large to be looked through', () => {
    const many = Array.from({ length: 1_000 }, (_, index) => `x${index}`);
    const huge = ruleOf({ apiGroups: many, resources: many, verbs: many, resourceNames: many });
    const everything = ruleOf({ apiGroups: ['*'], resources: ['*'], verbs: ['*'] });
    expect(uncovered([], [huge])).toEqual([huge]);
    expect(uncovered([everything], [huge])).toEqual([]);
  });
});
