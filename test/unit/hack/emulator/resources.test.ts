import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  allocatedResources,
  contains,
  describeResources,
  isEmpty,
  minus,
  parseResources,
  plus,
  type Quantities,
} from '../../../../hack/emulator/resources.ts';

const range = fc
  .tuple(fc.nat(50), fc.nat(10))
  .map(([begin, length]) => ({ begin, end: begin + length }));

const quantities: fc.Arbitrary<Quantities> = fc
  .record({ cpus: fc.nat(9000), mem: fc.nat(9000), ports: fc.array(range, { maxLength: 4 }) })
  .map(({ cpus, mem, ports }) =>
    parseResources([
      { name: 'cpus', type: 'SCALAR', scalar: { value: cpus / 1000 } },
      { name: 'mem', type: 'SCALAR', scalar: { value: mem / 1000 } },
      { name: 'ports', type: 'RANGES', ranges: { range: ports } },
    ]),
  );

test('what was taken from a sum gives back the rest', () => {
  fc.assert(
    fc.property(quantities, quantities, (a, b) => {
      const both = plus(a, b);
      expect(contains(both, a)).toBe(true);
      expect(contains(both, b)).toBe(true);
      const rest = minus(both, a);
      expect(contains(both, rest)).toBe(true);
      expect(allocatedResources(plus(rest, a), 'r')).toEqual(allocatedResources(both, 'r'));
    }),
  );
});

test('nothing is left of something without itself', () => {
  fc.assert(
    fc.property(quantities, (a) => {
      expect(isEmpty(minus(a, a))).toBe(true);
      expect(contains(a, a)).toBe(true);
    }),
  );
});

test('ports are cut out of the middle of a range and joined again', () => {
  const ports = (...pairs: [number, number][]): Quantities =>
    parseResources([
      {
        name: 'ports',
        type: 'RANGES',
        ranges: { range: pairs.map(([begin, end]) => ({ begin, end })) },
      },
    ]);
  const rest = minus(ports([31000, 32000]), ports([31700, 31700]));
  expect(rest.ranges.get('ports')).toEqual([
    { begin: 31000, end: 31699 },
    { begin: 31701, end: 32000 },
  ]);
  expect(plus(rest, ports([31700, 31700])).ranges.get('ports')).toEqual([
    { begin: 31000, end: 32000 },
  ]);
});

test('tenths add up exactly, as in the arithmetic of Mesos', () => {
  const tenth = parseResources([{ name: 'cpus', type: 'SCALAR', scalar: { value: 0.1 } }]);
  const sum = plus(plus(tenth, tenth), tenth);
  expect(describeResources(sum, 'web')).toBe('cpus(allocated: web):0.3');
});
