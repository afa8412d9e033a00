import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PatternError } from '../../../../../api/machinery/regexp/ast.ts';
import { Pattern, PatternCostError } from '../../../../../api/machinery/regexp/pattern.ts';

describe('a pattern in the syntax of Go', () => {
  it.each<[pattern: string, matching: string[], other: string[]]>([
    ['^[a-z ]*$', ['', 'some words'], ['Word', 'a1']],
    ['b', ['abc'], ['ac']],
    ['^(a|bc)+$', ['a', 'bca', 'bcbc'], ['', 'b', 'ab']],
    ['^a{2,3}$', ['aa', 'aaa'], ['a', 'aaaa']],
    ['^a{2}$', ['aa'], ['a', 'aaa']],
    ['^a{2,}$', ['aa', 'aaaaa'], ['a']],
    ['^a{,2}$', ['a{,2}'], ['a', 'aa']],
    ['^x*?y+?$', ['y', 'xxyy'], ['x']],
    ['^\\d+\\.\\d{3}$', ['1.234'], ['1x234', '1.23']],
    ['^[^a-c\\d]$', ['d', 'é'], ['a', '5', '\u{1f600}x']],
    ['^.$', ['a', '\u{1f600}'], ['\n', 'ab']],
    ['(?s)^.$', ['\n'], ['']],
    ['(?i)^straße[a-c]$', ['STRAßEB'], ['strase']],
    ['(?i:A)b', ['ab', 'Ab'], ['aB']],
    ['(?m)^b$', ['a\nb\nc'], ['ab']],
    ['^[[:alpha:]_-]+$', ['a_-b'], ['a1']],
    ['^[]a]+$', [']a'], ['b']],
    ['^[a-]+$', ['a-'], ['b']],
    ['^\\p{Greek}\\pL$', ['αb'], ['ab', 'α1']],
    ['^\\P{Lu}$', ['a'], ['A']],
    ['\\bword\\b', ['a word here'], ['swords']],
    ['\\Bx', ['ax'], ['x']],
    ['^\\x41\\x{42}\\103\\t$', ['ABC\t'], ['ABC']],
    ['^\\Qa.b*\\Ec$', ['a.b*c'], ['axbc']],
    ['^(?P<year>\\d{4})-(?<month>\\d\\d)$', ['2026-11'], ['26-11']],
    ['\\Aab\\z', ['ab'], ['abc']],
    ['^$', [''], ['a']],
    ['', ['', 'x'], []],
    ['a|', ['', 'b'], []],
    ['^()*$', [''], ['a']],
    ['^(a*)*$', ['', 'aa'], ['b']],
    ['^[a-z0-9]([-a-z0-9]*[a-z0-9])?$', ['web-1'], ['-web', 'web-']],
  ])('%s', (source, matching, other) => {
    const pattern = new Pattern(source);
    expect(matching.filter((text) => !pattern.test(text))).toEqual([]);
    expect(other.filter((text) => pattern.test(text))).toEqual([]);
  });

  it.each([
    ['a(b', 'missing closing )'],
    ['a)b', 'unexpected )'],
    ['[a', 'missing closing ]'],
    ['*a', 'missing argument to repetition operator'],
    ['a**', 'invalid nested repetition operator'],
    ['a{1001}', 'invalid repeat count'],
    ['a{3,2}', 'invalid repeat count'],
    ['(?=a)', 'invalid or unsupported Perl syntax'],
    ['(?<!a)', 'invalid or unsupported Perl syntax'],
    ['(a)\\1', 'invalid escape sequence'],
    ['\\Z', 'invalid escape sequence'],
    ['[z-a]', 'invalid character class range'],
    ['\\p{Klingon}', 'invalid character class range'],
    ['[[:nope:]]', 'invalid character class range'],
    ['a\\', 'trailing backslash'],
    ['((a{1000}){1000}){1000}', 'expression too large'],
    ['('.repeat(300) + ')'.repeat(300), 'expression nests too deeply'],
  ])('%s is none', (source, why) => {
    expect(() => new Pattern(source)).toThrow(PatternError);
    expect(() => new Pattern(source)).toThrow(why);
  });

  it('matches in time that grows with the text, where backtracking would never end', () => {
    const pattern = new Pattern('^(a+)+$');
    expect(pattern.test(`${'a'.repeat(50_000)}b`)).toBe(false);
  });

  it('gives up a text that would take too long', () => {
    const pattern = new Pattern('(.*a){500}z');
    expect(() => pattern.test('a'.repeat(100_000))).toThrow(PatternCostError);
  });

  it('agrees with JavaScript on what both have', () => {
    const atom = fc.constantFrom('a', 'b', '[ab]', '[^a]', '.', '\\w', 'c');
    const piece = fc.tuple(atom, fc.constantFrom('', '*', '+', '?', '{1,2}', '*?'));
    const sequence = fc
      .array(piece, { maxLength: 4 })
      .map((all) => all.map((one) => one.join('')).join(''));
    const source = fc
      .tuple(fc.constantFrom('', '^'), fc.array(sequence, { minLength: 1, maxLength: 3 }))
      .map(([start, all]) => `${start}(${all.join('|')})(${all[0] ?? ''})?$`);
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '\n', 'é'), maxLength: 8 });
    fc.assert(
      fc.property(source, text, (given, value) => {
        expect(new Pattern(given).test(value)).toBe(new RegExp(given, 'u').test(value));
      }),
    );
  });
});
