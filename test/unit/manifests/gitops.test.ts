import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';
import type { JsonObject } from '../../../api/machinery/json.ts';
import { healthOf } from '../../../api/machinery/kstatus.ts';
import { clusterRoleResource, type ClusterRole } from '../../../api/v1/rbac.ts';
import { resources } from '../../../api/v1/resources.ts';

const root = new URL('../../../manifests/gitops/', import.meta.url).pathname;
const documents = (file: string): unknown[] =>
  parseAllDocuments(readFileSync(join(root, file), 'utf8')).map((each) =>
    z.unknown().parse(each.toJS()),
  );
const first = <T>(schema: z.ZodType<T>, file: string): T => schema.parse(documents(file)[0]);

const settings = first(
  z.object({ data: z.record(z.string(), z.string()) }),
  'argocd/argocd-cm.yaml',
).data;
const inside = (key: string): unknown => parse(settings[key] ?? '');

const customizations = z
  .record(z.string(), z.strictObject({ 'health.lua': z.string() }))
  .parse(inside('resource.customizations'));
const check = customizations['mesocosm.dev/*']?.['health.lua'] ?? '';

/** A value as a Lua literal; a key that is absent is nil, as in Argo CD. */
function lua(value: unknown): string {
  if (Array.isArray(value)) return `{${value.map(lua).join(', ')}}`;
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).map(([key, child]) => `[${quoted(key)}] = ${lua(child)}`);
    return `{${fields.join(', ')}}`;
  }
  if (typeof value === 'string') return quoted(value);
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : 'nil';
}

function quoted(text: string): string {
  return `"${text.replace(/[^ -~]|["\\]/g, (char) => `\\${char.charCodeAt(0)}`)}"`;
}

/** What the check says of each object, in one run of the Lua that Argo CD speaks: 5.1. */
function checked(objects: readonly JsonObject[]): string[] {
  const cases = objects.map((object) => `print(check(${lua(object)}).status)`);
  const script = `local function check(obj)\n${check}\nend\n${cases.join('\n')}\n`;
  const said = execFileSync('lua5.1', ['-'], { input: script, encoding: 'utf8' });
  return said.split('\n').slice(0, -1);
}

const inWordsOfArgo = {
  Current: 'Healthy',
  InProgress: 'Progressing',
  Terminating: 'Progressing',
  Failed: 'Degraded',
} as const;

const anyObject: fc.Arbitrary<JsonObject> = fc
  .record(
    {
      kind: fc.constantFrom('Job', 'ServerSet', 'Network', 'Agent', 'Framework'),
      generation: fc.constantFrom(undefined, 1, 2),
      deletionTimestamp: fc.constantFrom(undefined, undefined, '2026-01-01T00:00:00Z'),
      status: fc.option(
        fc.record(
          {
            observedGeneration: fc.constantFrom(-1, 1, 2),
            conditions: fc.uniqueArray(
              fc.record({
                type: fc.constantFrom('Ready', 'Reconciling', 'Stalled', 'Held'),
                status: fc.constantFrom('True', 'False', 'Unknown'),
                reason: fc.constant('Said'),
                message: fc.constantFrom('', 'so "it" is'),
              }),
              { selector: ({ type }) => type },
            ),
          },
          { requiredKeys: [] },
        ),
        { nil: undefined },
      ),
    },
    { requiredKeys: ['kind'] },
  )
  .map(({ kind, status, ...metadata }) => ({
    kind,
    metadata: { name: 'x', ...metadata },
    ...(status === undefined ? {} : { status }),
  }));

describe('the health check for Argo CD', () => {
  it('says what kstatus says, of whatever status', () => {
    const objects = fc.sample(anyObject, 2000);
    const expected = objects.map((object) => inWordsOfArgo[healthOf(object).status]);
    expect(checked(objects)).toEqual(expected);
    expect(new Set(expected).size).toBe(3);
  });

  it('takes a task that has ended well for healthy, and one that failed for degraded', () => {
    const task = (phase: string): JsonObject => ({
      kind: 'Task',
      metadata: { name: 'web-0-x' },
      status: { phase, conditions: [{ type: 'Ready', status: 'False' }] },
    });
    const phases = ['Finished', 'Killed', 'Failed', 'Running', 'Unreachable'];
    expect(checked(phases.map(task))).toEqual([
      ...['Healthy', 'Healthy', 'Degraded', 'Progressing', 'Progressing'],
    ]);
  });

  it('waits for a Job of type Batch to run to completion, as for that of Kubernetes', () => {
    const batch = (type: string, status = 'True', observedGeneration = 1): JsonObject => ({
      kind: 'Job',
      metadata: { name: 'report', generation: 1 },
      spec: { type: 'Batch' },
      status: {
        observedGeneration,
        conditions: [
          { type: 'Ready', status: 'True' },
          { type, status },
        ],
      },
    });
    const said = [batch('Complete'), batch('Failed'), batch('Stalled')];
    const still = [batch('Reconciling'), batch('Reconciling', 'False'), batch('Failed', 'False')];
    expect(checked([...said, ...still, batch('Complete', 'True', -1)])).toEqual([
      ...['Healthy', 'Degraded', 'Degraded'],
      ...['Progressing', 'Progressing', 'Progressing', 'Progressing'],
    ]);
    const service = { ...batch('Reconciling', 'False'), spec: { type: 'Service' } };
    expect(checked([service])).toEqual(['Healthy']);
  });

  it('is about all of our kinds, by the group that they are in', () => {
    expect(Object.keys(customizations)).toEqual(['mesocosm.dev/*']);
  });
});

const roles = documents('10-rbac.yaml').flatMap((document) => {
  const parsed = clusterRoleResource.parse(document);
  return parsed.ok ? [parsed.value] : [];
});
const served = new Map(resources.map(({ gvk, plural }) => [`${gvk.group}/${gvk.kind}`, plural]));

function allows(role: ClusterRole, verb: string, group: string, resource: string): boolean {
  return (role.rules ?? []).some(
    ({ apiGroups, resources: named, verbs = [] }) =>
      (apiGroups ?? []).includes(group) && (named ?? []).includes(resource) && verbs.includes(verb),
  );
}

describe('what Argo CD watches', () => {
  const inclusions = z
    .array(
      z.strictObject({
        apiGroups: z.array(z.string()),
        kinds: z.array(z.string()),
        clusters: z.array(z.string()),
      }),
    )
    .parse(inside('resource.inclusions'));

  it('exists, and its role may read it', () => {
    const [role] = roles;
    if (role === undefined) throw new Error('there is no role');
    for (const { apiGroups, kinds } of inclusions) {
      for (const group of apiGroups) {
        for (const kind of kinds) {
          const plural = served.get(`${group}/${kind}`);
          expect(plural, `${group}/${kind}`).toBeDefined();
          for (const verb of ['get', 'list', 'watch']) {
            expect(allows(role, verb, group, plural ?? ''), `${verb} ${kind}`).toBe(true);
          }
        }
      }
    }
  });

  it('is in the cluster that it deploys to', () => {
    const cluster = first(
      z.object({ stringData: z.object({ server: z.string(), config: z.string() }) }),
      'argocd/cluster.yaml',
    ).stringData;
    const application = first(
      z.object({ spec: z.object({ destination: z.object({ server: z.string() }) }) }),
      'argocd/application.yaml',
    );
    expect(application.spec.destination.server).toBe(cluster.server);
    expect(inclusions.flatMap(({ clusters }) => clusters)).toEqual([
      cluster.server,
      cluster.server,
    ]);
    expect(JSON.parse(cluster.config)).toMatchObject({ tlsClientConfig: { insecure: false } });
  });

  it('leaves out what controllers write', () => {
    expect(inside('resource.compareoptions')).toEqual({ ignoreResourceStatusField: 'all' });
  });
});

describe('the role of a pipeline', () => {
  it('names what is served, and writes nothing that controllers own', () => {
    expect(roles).toHaveLength(1);
    const plurals = new Set(resources.map(({ gvk, plural }) => `${gvk.group}/${plural}`));
    for (const { apiGroups = [], resources: named = [], verbs = [] } of roles[0]?.rules ?? []) {
      for (const group of apiGroups) {
        for (const name of named) {
          expect(plurals).toContain(`${group}/${name}`);
          const isOurs = ['tasks', 'agents', 'frameworks', 'events'].includes(name);
          if (isOurs) expect(verbs).toEqual(['get', 'list', 'watch']);
        }
      }
    }
  });
});

describe('the Kustomization for Flux', () => {
  it('says what Flux knows, and waits for what it applies', () => {
    const duration = z.string().regex(/^(\d+(\.\d+)?(ms|s|m|h))+$/);
    const spec = z.strictObject({
      interval: duration,
      retryInterval: duration,
      timeout: duration,
      path: z.string().startsWith('./'),
      sourceRef: z.strictObject({ kind: z.literal('GitRepository'), name: z.string() }),
      kubeConfig: z.strictObject({
        secretRef: z.strictObject({ name: z.string(), key: z.string() }),
      }),
      prune: z.literal(true),
      wait: z.literal(true),
      force: z.literal(false),
    });
    const schema = z.object({
      apiVersion: z.literal('kustomize.toolkit.fluxcd.io/v1'),
      kind: z.literal('Kustomization'),
      spec,
    });
    expect(() => first(schema, 'flux/kustomization.yaml')).not.toThrow();
  });
});

describe('the files', () => {
  it('are all read here', () => {
    const found = readdirSync(root, { recursive: true, encoding: 'utf8' });
    expect(found.filter((name) => name.endsWith('.yaml')).sort()).toEqual([
      '10-rbac.yaml',
      'argocd/application.yaml',
      'argocd/argocd-cm.yaml',
      'argocd/cluster.yaml',
      'flux/kustomization.yaml',
    ]);
  });
});
