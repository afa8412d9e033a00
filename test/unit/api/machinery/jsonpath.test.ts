import { describe, expect, it } from 'vitest';
import { JsonPathError } from '../../../../api/machinery/jsonpath/ast.ts';
import { evaluatePath, renderTemplate } from '../../../../api/machinery/jsonpath/evaluate.ts';
import { parsePath, parseTemplate } from '../../../../api/machinery/jsonpath/parse.ts';

const list = {
  kind: 'List',
  items: [
    {
      metadata: { name: 'a', labels: { 'app.kubernetes.io/name': 'web' } },
      status: { phase: 'Running', ips: ['10.0.0.1', '10.0.0.2'], restarts: 0 },
    },
    { metadata: { name: 'b' }, status: { phase: 'Failed', ips: ['10.0.0.3'], restarts: 7 } },
    { metadata: { name: 'c' }, status: { phase: 'Pending', ready: true } },
  ],
};

const text = (template: string): string => renderTemplate(parseTemplate(template), list);

describe('a jsonpath template', () => {
  it.each([
    ['{.kind}', 'List'],
    ['{$.kind} {@.kind} {kind}', null],
    ['{.items[*].metadata.name}', 'a b c'],
    ['{.items[0].status}', '{"phase":"Running","ips":["10.0.0.1","10.0.0.2"],"restarts":0}'],
    ['{.items[-1].metadata.name}', 'c'],
    ['{.items[5].metadata.name}', ''],
    ['{.items[-5].metadata.name}', ''],
    ['{.items[0:2].metadata.name}', 'a b'],
    ['{.items[1:].metadata.name}', 'b c'],
    ['{.items[:-1].metadata.name}', 'a b'],
    ['{.items[::2].metadata.name}', 'a c'],
    ['{.items[0,2].metadata.name}', 'a c'],
    ["{.items[0]['metadata','status'].name}", 'a'],
    ["{.items[*]['metadata'].name}", 'a b c'],
    ['{..name}', 'a b c'],
    [
      '{.items[*].status.*}',
      'Running ["10.0.0.1","10.0.0.2"] 0 Failed ["10.0.0.3"] 7 Pending true',
    ],
    ['{.items[?(@.status.phase=="Running")].metadata.name}', 'a'],
    ["{.items[?(@.status.phase != 'Running')].metadata.name}", 'b c'],
    ['{.items[?(@.status.restarts>3)].metadata.name}', 'b'],
    ['{.items[?(@.status.restarts<=0)].metadata.name}', 'a'],
    ['{.items[?(@.status.ready==true)].metadata.name}', 'c'],
    ['{.items[?(@.status.ips)].metadata.name}', 'a b'],
    ['{.items[?(@.status.restarts>"3")].metadata.name}', ''],
    ['{.items[0].metadata.labels.app\\.kubernetes\\.io/name}', 'web'],
    ["{.items[0].metadata.labels['app.kubernetes.io/name']}", 'web'],
    ['{.nowhere.at.all}', ''],
    ['names: {.items[*].metadata.name}!', 'names: a b c!'],
    [
      '{range .items[*]}{.metadata.name}{"\\t"}{.status.phase}{"\\n"}{end}done',
      'a\tRunning\nb\tFailed\nc\tPending\ndone',
    ],
    [
      '{range .items[*]}{range .status.ips[*]}<{@}>{end};{end}',
      '<10.0.0.1><10.0.0.2>;<10.0.0.3>;;',
    ],
    ['{range .items[*]}{$.kind}{end}', 'ListListList'],
    ['{.items[0].metadata.name}{"/"}{.items[1].metadata.name}', 'a/b'],
    ["{'it''s'}", 'its'],
  ])('%s', (template, expected) => {
    if (expected === null) expect(() => text(template)).toThrow(JsonPathError);
    else expect(text(template)).toBe(expected);
  });

  it.each([
    ['{.items[*}', 'expected "]" at character 10'],
    ['{range .items[*]}{.x}', 'a {range} without {end}'],
    ['{end}', '{end} without {range}'],
    ['{.a', 'a { without }'],
    ['{"open}', 'a " without its end'],
    ['{.items[?(@.a=b)]}', 'expected ")"'],
    ['{.items[?(@.a==b)]}', 'expected @.path, "text", a number, true or false'],
    ['{.items[::0]}', 'a step must be at least 1'],
  ])('%s is refused and says where', (template, message) => {
    expect(() => text(template)).toThrow(message);
  });

  it('never yields what a prototype has', () => {
    expect(text('{.constructor}{.__proto__}{.items.length}')).toBe('');
  });
});

describe('a single path', () => {
  it.each(['{.items[0].metadata.name}', '.items[0].metadata.name', 'items[0].metadata.name'])(
    '%s may leave out braces and the first dot',
    (path) => {
      expect(evaluatePath(parsePath(path), list)).toEqual(['a']);
    },
  );

  it('is refused if something follows it', () => {
    expect(() => parsePath('{.a} {.b}')).toThrow(JsonPathError);
  });
});
