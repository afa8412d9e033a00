import { z } from 'zod';
import type { Connection } from '../connection.ts';
import { noAnswer } from './reviews.ts';

const names = z
  .array(z.string())
  .nullish()
  .transform((list) => list ?? []);

const statusSchema = z.object({
  resourceRules: z
    .array(z.object({ verbs: names, apiGroups: names, resources: names, resourceNames: names }))
    .nullish()
    .transform((list) => list ?? []),
  nonResourceRules: z
    .array(z.object({ verbs: names, nonResourceURLs: names }))
    .nullish()
    .transform((list) => list ?? []),
  incomplete: z.boolean().default(false),
  evaluationError: z.string().default(''),
});

/** What somebody may do in a namespace, a rule a line of the table. */
export interface Rules {
  /** `jobs.mesocosm.dev`, with the names that the rule is about; none: all. */
  resources: { resource: string; names: string[]; verbs: string[] }[];
  paths: { path: string; verbs: string[] }[];
  incomplete: boolean;
  evaluationError: string;
}

/** What whoever asks may do in the namespace of the connection, rules for one thing together. */
export async function compactRules({
  send,
  namespace,
}: Pick<Connection, 'send' | 'namespace'>): Promise<Rules> {
  const kind = 'SelfSubjectRulesReview';
  const answer = z.object({ status: statusSchema }).safeParse(
    await send({
      method: 'POST',
      path: '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews',
      body: { apiVersion: 'authorization.k8s.io/v1', kind, spec: { namespace } },
    }),
  );
  if (!answer.success) throw noAnswer(kind);
  return compacted(answer.data.status);
}

/** Pure: the rules broken down by what they are about, in the order of that. */
export function compacted(status: z.infer<typeof statusSchema>): Rules {
  const resources = new Map<string, { resource: string; names: string[]; verbs: Set<string> }>();
  for (const rule of status.resourceRules) {
    const only = [...rule.resourceNames].sort();
    for (const group of rule.apiGroups) {
      for (const plural of rule.resources) {
        const resource = group === '' ? plural : `${plural}.${group}`;
        const key = JSON.stringify([resource, only]);
        const known = resources.get(key) ?? { resource, names: only, verbs: new Set() };
        resources.set(key, known);
        for (const verb of rule.verbs) known.verbs.add(verb);
      }
    }
  }
  const paths = new Map<string, Set<string>>();
  for (const rule of status.nonResourceRules) {
    for (const path of rule.nonResourceURLs) {
      const verbs = paths.get(path) ?? new Set();
      paths.set(path, verbs);
      for (const verb of rule.verbs) verbs.add(verb);
    }
  }
  const { incomplete, evaluationError } = status;
  return {
    resources: [...resources.values()]
      .map((rule) => ({ ...rule, verbs: [...rule.verbs] }))
      .sort(by(({ resource, names: only }) => `${resource} ${only.join(' ')}`)),
    paths: [...paths]
      .map(([path, verbs]) => ({ path, verbs: [...verbs] }))
      .sort(by(({ path }) => path)),
    incomplete,
    evaluationError,
  };
}

function by<T>(key: (value: T) => string): (left: T, right: T) => number {
  return (left, right) => (key(left) < key(right) ? -1 : 1);
}

/** Cells in the form of `kubectl auth can-i --list`. */
export function ruleRows({ resources, paths }: Rules): string[][] {
  const list = (values: readonly string[]): string => `[${values.join(' ')}]`;
  return [
    ...resources.map((rule) => [rule.resource, '[]', list(rule.names), list(rule.verbs)]),
    ...paths.map(({ path, verbs }) => ['', list([path]), '[]', list(verbs)]),
  ];
}
