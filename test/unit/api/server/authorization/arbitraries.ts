import fc from 'fast-check';
import { ruleOf, type Rule } from '../../../../../api/server/authorization/rules.ts';
import type { Attributes } from '../../../../../api/server/authorizer.ts';

const verbs = ['get', 'list', 'create', '*'];
const groups = ['', 'mesocosm.dev', '*'];
const resources = ['jobs', 'tasks', 'jobs/scale', 'jobs/status', '*/scale', '*'];
const names = ['web', 'db', ''];
const urls = ['/healthz', '/healthz/*', '/apis/*', '/a*', '*'];

function some(values: readonly string[], least = 0): fc.Arbitrary<string[]> {
  return fc.uniqueArray(fc.constantFrom(...values), { minLength: least, maxLength: 3 });
}

/** Rules about few things, so that they meet. */
export const arbitraryRule: fc.Arbitrary<Rule> = fc.oneof(
  fc
    .record({
      verbs: some(verbs, 1),
      apiGroups: some(groups, 1),
      resources: some(resources, 1),
      resourceNames: some(names),
    })
    .map(ruleOf),
  fc.record({ verbs: some(verbs, 1), nonResourceURLs: some(urls, 1) }).map(ruleOf),
);

export const asker = { name: 'ann', groups: ['devs', 'system:authenticated'] };

/** Everything that can be asked about what the rules speak of, and a little more. */
export const everyQuestion: readonly Attributes[] = [
  ...['get', 'list', 'create', 'delete'].flatMap((verb) => [
    ...['', 'mesocosm.dev', 'other'].flatMap((group) =>
      ['jobs', 'tasks', 'jobs/scale', 'jobs/status', 'tasks/scale', 'other'].flatMap((resource) =>
        ['web', 'db', 'x', undefined].map((name): Attributes => ({
          user: asker,
          verb,
          path: '/',
          resource: { group, version: 'v1', resource, namespace: 'prod', name },
        })),
      ),
    ),
    ...['/healthz', '/healthz/x', '/apis', '/apis/x', '/abc', '/metrics'].map(
      (path): Attributes => ({ user: asker, verb, path }),
    ),
  ]),
];
