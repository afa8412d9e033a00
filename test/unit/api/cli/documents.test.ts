import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatProblem, parseManifests } from '../../../../api/cli/manifest/documents.ts';
import { parseFieldPath } from '../../../../api/cli/manifest/field-path.ts';
import { fieldPath } from '../../../../api/machinery/errors.ts';

const job = `# a job
apiVersion: mesocosm.dev/v1
kind: Job
metadata:
  name: web
  labels: {app.kubernetes.io/name: web}
spec:
  replicas: three
  template:
    spec:
      containers:
      - name: web
        script: exec ./web
      - name: side
`;

function locate(text: string, field: string): string {
  const { manifests, problems } = parseManifests('web.yaml', text);
  expect(problems).toEqual([]);
  const { line, column } = manifests[0]!.locate(field);
  return `${line}:${column}`;
}

describe('the place of a field', () => {
  it.each([
    ['spec.replicas', '8:13'],
    ['metadata.name', '5:9'],
    ['metadata.labels[app.kubernetes.io/name]', '6:36'],
    ['spec.template.spec.containers[1].name', '14:15'],
    ['spec.template.spec.containers[1]', '14:9'],
    ['spec.template.spec.containers', '11:7'],
    ['spec', '7:1'],
  ])('%s is at %s', (field, place) => {
    expect(locate(job, field)).toBe(place);
  });

  it.each([
    ['spec.serverSet.zkPath', '7:1'],
    ['spec.template.spec.containers[1].resources.requests', '14:9'],
    ['spec.template.spec.containers[7].name', '11:7'],
    ['spec.replicas.deeper', '8:13'],
    ['status', '2:1'],
    ['', '2:1'],
    ['???[[', '2:1'],
  ])('%s, which is not there, is at its nearest parent: %s', (field, place) => {
    expect(locate(job, field)).toBe(place);
  });

  it('is found through anchors, merge keys and flow style', () => {
    const text = `base: &base
  cpu: many
a: *base
b:
  <<: *base
c: {d: [1, {e: 2}]}
`;
    expect(locate(text, 'a.cpu')).toBe('2:8');
    expect(locate(text, 'b.cpu')).toBe('4:1');
    expect(locate(text, 'c.d[1].e')).toBe('6:16');
  });

  it('is right in the second document and in the items of a List', () => {
    const text = `kind: Namespace
metadata: {name: a}
---
kind: List
items:
- kind: Job
  metadata: {name: b}
- kind: Job
  metadata:
    name: c
`;
    const { manifests } = parseManifests('stdin', text);
    expect(manifests.map((manifest) => manifest.locate('metadata.name'))).toEqual([
      { line: 2, column: 18 },
      { line: 7, column: 20 },
      { line: 10, column: 11 },
    ]);
    expect(manifests[2]?.value).toEqual({ kind: 'Job', metadata: { name: 'c' } });
  });

  it('is within the text for any field path', () => {
    const segment = fc.oneof(
      fc.constantFrom('spec', 'template', 'containers', 'name', 'metadata', 'x'),
      fc.nat(3),
    );
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 6 }), (segments) => {
        const [line = 0] = locate(job, fieldPath(segments)).split(':').map(Number);
        expect(line).toBeGreaterThanOrEqual(2);
        expect(line).toBeLessThanOrEqual(14);
      }),
    );
  });
});

describe('a field path', () => {
  it('is read back from the form in which errors write it', () => {
    const key = fc.oneof(
      fc.stringMatching(/^[A-Za-z_][\w-]{0,8}$/),
      fc.stringMatching(/^[a-z]+\.[a-z]+\/[a-z]+$/),
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(key, fc.nat(99)), { minLength: 1 }), (segments) => {
        expect(parseFieldPath(fieldPath(segments))).toEqual(segments);
      }),
    );
  });
});

describe('a text that is not right', () => {
  const problems = (text: string): string[] =>
    parseManifests('web.yaml', text).problems.map(formatProblem);

  it('is refused as a whole, with the place of every mistake', () => {
    const text = 'kind: Job\n---\nkind: [Job\nmetadata: {name: x}\n---\na: 1\na: 2\n';
    const { manifests } = parseManifests('web.yaml', text);
    expect(manifests).toEqual([]);
    const found = problems(text);
    expect(found.length).toBeGreaterThanOrEqual(2);
    expect(found[0]).toMatch(/^web\.yaml:4:\d+: invalid YAML: /);
    expect(found.at(-1)).toMatch(/^web\.yaml:7:1: invalid YAML: Map keys must be unique/);
  });

  it('names a document that is no object', () => {
    expect(problems('- a\n- b\n')).toEqual([
      'web.yaml:1:1: a document must be an object with apiVersion, kind and metadata',
    ]);
    expect(problems('kind: List\nitems: 3\n')).toEqual([
      'web.yaml:2:8: items: Required value: a List has its objects in items',
    ]);
    expect(problems('kind: List\nitems: [3]\n')).toEqual([
      'web.yaml:2:9: items[0]: Invalid value: must be an object',
    ]);
  });

  it('cannot make a huge object of a small text', () => {
    const bomb = ['a: &a [x,x,x,x,x,x,x,x,x,x]']
      .concat(
        ['b', 'c', 'd', 'e', 'f'].map((name, i) => {
          const before = 'abcdef'.charAt(i);
          return `${name}: &${name} [${Array(10).fill(`*${before}`).join(',')}]`;
        }),
      )
      .join('\n');
    expect(problems(bomb)).toEqual([expect.stringContaining('Excessive alias count')]);
  });

  it('may be empty or hold empty documents', () => {
    expect(parseManifests('x', '')).toEqual({ manifests: [], problems: [] });
    expect(parseManifests('x', '---\n# nothing\n---\n')).toEqual({ manifests: [], problems: [] });
  });

  it('may be JSON, also with tabs', () => {
    const { manifests } = parseManifests('x.json', '{\n\t"kind": "Job",\n\t"spec": {"a": 1}\n}');
    expect(manifests[0]?.value).toEqual({ kind: 'Job', spec: { a: 1 } });
    expect(manifests[0]?.locate('spec.a')).toEqual({ line: 3, column: 16 });
  });
});
