import { describe, expect, it } from 'vitest';
import {
  matches,
  parseFieldSelector,
  parseLabelSelector,
  requirementsOf,
  SelectorError,
} from '../../../../api/machinery/selectors.ts';

describe('a label selector in text', () => {
  const labels = { app: 'web', tier: 'front', weight: '7' };

  it.each([
    ['app=web', true],
    ['app==web,tier=front', true],
    ['app=db', false],
    ['app!=db', true],
    ['missing!=db', true],
    ['app in (db, web)', true],
    ['app notin (db,web)', false],
    ['missing notin (x)', true],
    ['app', true],
    ['missing', false],
    ['!missing', true],
    ['! app', false],
    ['weight>5', true],
    ['weight<5', false],
    ['', true],
    ['  app = web , tier  in ( front ) ', true],
  ])('%j matches as Kubernetes has it', (text, expected) => {
    expect(matches(parseLabelSelector(text), labels)).toBe(expected);
  });

  it.each([
    'a=(',
    'a in b',
    'a in (b',
    '=b',
    'a=b c',
    `a=${' '.repeat(60_000)}(`,
    'a,'.repeat(501),
  ])('%.20j is refused', (text) => {
    expect(() => parseLabelSelector(text)).toThrow(SelectorError);
  });
});

it('an object selector demands all of its parts', () => {
  const requirements = requirementsOf({
    matchLabels: { app: 'web' },
    matchExpressions: [{ key: 'tier', operator: 'NotIn', values: ['back'] }],
  });
  expect(matches(requirements, { app: 'web', tier: 'front' })).toBe(true);
  expect(matches(requirements, { app: 'web', tier: 'back' })).toBe(false);
});

it('a field selector knows equal and unequal, and says what is wrong', () => {
  expect(parseFieldSelector('metadata.name=web, reason!=Killed')).toEqual([
    { path: 'metadata.name', value: 'web', equal: true },
    { path: 'reason', value: 'Killed', equal: false },
  ]);
  expect(() => parseFieldSelector('name')).toThrow('"name" is not of the form path=value');
});
