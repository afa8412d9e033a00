import { describe, expect, it } from 'vitest';
import { CommandError } from '../../../../api/cli/errors.ts';
import { builtInKinds, parseNamedTargets } from '../../../../api/cli/kinds.ts';
import { closestWord, editDistance } from '../../../../api/machinery/suggest.ts';

const named = (args: string[]): [string, string[]][] =>
  builtInKinds.targets(args).map(({ resource, names }) => [resource.plural, names]);

describe('naming objects on the command line', () => {
  it.each(['job', 'jobs', 'Job', 'mj', 'jobs.mesocosm.dev', 'job.v1.mesocosm.dev'])(
    'takes %s for jobs',
    (word) => {
      expect(builtInKinds.find(word).plural).toBe('jobs');
    },
  );

  it.each([
    [['job'], [['jobs', []]]],
    [['job', 'web', 'api'], [['jobs', ['web', 'api']]]],
    [
      ['job/web', 'task/web-0-x', 'job/api', 'job/web'],
      [
        ['jobs', ['web', 'api']],
        ['tasks', ['web-0-x']],
      ],
    ],
    [
      ['jobs,mt'],
      [
        ['jobs', []],
        ['tasks', []],
      ],
    ],
    [
      ['all'],
      [
        ['jobs', []],
        ['tasks', []],
        ['serversets', []],
        ['horizontalpodautoscalers', []],
      ],
    ],
  ] as [string[], [string, string[]][]][])('reads %j', (args, expected) => {
    expect(named(args)).toEqual(expected);
  });

  it.each([
    [['jbo'], 'no kind "jbo"; did you mean "job"?'],
    [['pods'], 'no kind "pods" (kinds: jobs (mj)'],
    [['jobs,tasks', 'web'], 'names cannot follow several kinds'],
    [['job/web', 'api'], '"api" is no KIND/NAME'],
    [['job/'], '"job/" is no KIND/NAME'],
    [[], 'name a kind'],
  ])('refuses %j', (args, message) => {
    expect(() => builtInKinds.targets(args)).toThrow(CommandError);
    expect(() => builtInKinds.targets(args)).toThrow(message);
  });

  it('asks for a name where one is needed', () => {
    expect(() => parseNamedTargets(['job'])).toThrow('say which job: "job/NAME"');
    expect(parseNamedTargets(['job/web'])).toHaveLength(1);
  });
});

describe('a suggestion', () => {
  it('is the nearest word, and none if nothing is near', () => {
    expect(editDistance('kitten', 'sitting')).toBe(3);
    expect(editDistance('jbo', 'job')).toBe(1);
    expect(closestWord('netwroks', ['jobs', 'networks'])).toBe('networks');
    expect(closestWord('pods', ['jobs', 'networks'])).toBeUndefined();
  });
});
