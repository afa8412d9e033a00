import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { formatIndexes, indexesPattern, parseIndexes } from '../../../../api/v1/indexes.ts';
import { jobResource, type Job } from '../../../../api/v1/job.ts';
import { usageOf } from '../../../../api/v1/quota-usage.ts';

function document(spec: string): string {
  return `
apiVersion: mesocosm.dev/v1
kind: Job
metadata: {name: report, namespace: prod}
spec:
  ${spec.split('\n').join('\n  ')}
  template:
    spec:
      containers:
      - {name: main, script: ./report, resources: {requests: {cpu: 500m, memory: 1Gi}}}
`;
}

/** What is refused: `field: message` each. `old` is stored already. */
function refusals(spec: string, old?: Job): string[] {
  const result = jobResource.parse(parse(document(spec)));
  if (!result.ok) return result.errors.map(({ field, message }) => `${field}: ${message}`);
  const sent = jobResource.defaults(result.value);
  const errors = jobResource.validate(sent, old === undefined ? {} : { old });
  return errors.map(({ field, message }) => `${field}: ${message}`);
}

function job(spec: string): Job {
  const result = jobResource.parse(parse(document(spec)));
  if (!result.ok) throw new Error(result.errors[0]?.message);
  return jobResource.defaults(result.value);
}

const full = `type: Batch
replicas: 5
parallelism: 2
backoffLimit: 3
activeDeadlineSeconds: 600
ttlSecondsAfterFinished: 0`;

describe('a Job of type Batch', () => {
  it("is accepted with the fields of Kubernetes' Job, and has its default of backoffLimit alone", () => {
    expect(refusals(full)).toEqual([]);
    expect(job('type: Batch').spec).toMatchObject({ type: 'Batch', replicas: 1, backoffLimit: 6 });
    expect(job('type: Batch').spec).not.toHaveProperty('updateStrategy');
    expect(job('replicas: 1').spec).not.toHaveProperty('backoffLimit');
  });

  it.each([
    ['serverSet: {zkPath: /aurora/prod/live/report, primaryPort: http}', 'spec.serverSet'],
    ['updateStrategy: {maxUnavailable: 1}', 'spec.updateStrategy'],
    ['parallelism: 0', 'spec.parallelism'],
    ['backoffLimit: -1', 'spec.backoffLimit'],
    ['backoffLimit: 1001', 'spec.backoffLimit'],
    ['activeDeadlineSeconds: 0', 'spec.activeDeadlineSeconds'],
    ['ttlSecondsAfterFinished: 1.5', 'spec.ttlSecondsAfterFinished'],
  ])('is refused with %s', (line, field) => {
    const fields = refusals(`type: Batch\n${line}`).map((text) => text.split(':')[0]);
    expect(fields).toContain(field);
  });

  it.each([
    ['completions: 3', /say replicas/],
    ['completionMode: Indexed', /COSM_INSTANCE/],
    ['suspend: true', /create the Job when it is to run/],
    ['podFailurePolicy: {}', /not counted as failed anyway/],
  ])("says what to write for Kubernetes' %s", (line, mend) => {
    const [refusal, ...others] = refusals(`type: Batch\n${line}`);
    expect(refusal).toMatch(mend);
    expect(others).toEqual([]);
  });

  it.each(['parallelism', 'backoffLimit', 'activeDeadlineSeconds', 'ttlSecondsAfterFinished'])(
    'alone has %s',
    (name) => {
      expect(refusals(`type: Service\n${name}: 1`)).toEqual([
        `spec.${name}: Forbidden: a Service never ends: remove it, or say type: Batch when the Job is created`,
      ]);
    },
  );

  it('keeps its type, its instances and its template; the rest may change', () => {
    const old = job(full);
    expect(refusals(full, old)).toEqual([]);
    expect(refusals(`type: Batch\nreplicas: 5\nparallelism: 5\nbackoffLimit: 9`, old)).toEqual([]);
    expect(refusals(`type: Batch\nreplicas: 6`, old)).toEqual([
      expect.stringMatching(/^spec.replicas: Invalid value: 6: field is immutable: .*parallelism/),
    ]);
    const other = structuredClone(old);
    other.spec.template.spec.containers[0]!.script = './other';
    expect(jobResource.validate(other, { old }).map(({ field }) => field)).toEqual([
      'spec.template',
    ]);
  });

  it.each([
    ['Service', 'Batch'],
    ['Batch', 'Service'],
  ])('cannot be made of a Job of the other type: from %s to %s', (from, to) => {
    expect(refusals(`type: ${to}`, job(`type: ${from}`))).toEqual([
      expect.stringMatching(
        /^spec.type: .*field is immutable.*delete the Job and create the other/,
      ),
    ]);
  });

  it('cannot be made of a Job that says nothing of its type, which is a Service', () => {
    const old = job('replicas: 1');
    delete old.spec.type;
    expect(refusals('type: Service', old)).toEqual([]);
    expect(refusals('type: Batch', old)).toHaveLength(1);
  });

  it('takes of a quota what may run at a time, and nothing once it has ended', () => {
    const of = { gvk: jobResource.gvk, plural: 'jobs' };
    const used = (one: Job): unknown => usageOf(of, one)['requests.cpu'];
    expect(used(job('type: Batch\nreplicas: 5\nparallelism: 2'))).toBe(1000);
    expect(used(job('type: Batch\nreplicas: 5'))).toBe(2500);
    expect(used(job('type: Batch\nreplicas: 2\nparallelism: 9'))).toBe(1000);
    for (const type of ['Complete', 'Failed']) {
      const condition = { type, status: 'True' as const, reason: 'R', message: '' };
      const conditions = [{ ...condition, lastTransitionTime: '2026-01-01T00:00:00Z' }];
      const ended = { ...job('type: Batch\nreplicas: 5'), status: { conditions } };
      expect(used(ended)).toBe(0);
      expect(usageOf(of, ended)['count/jobs.mesocosm.dev']).toBe(1);
    }
  });
});

describe('the text of completed instances', () => {
  it('is that of Kubernetes', () => {
    expect(formatIndexes([7, 0, 2, 1, 3, 4])).toBe('0-4,7');
    expect(formatIndexes([1, 2])).toBe('1-2');
    expect(formatIndexes([])).toBeUndefined();
  });

  it('says the set again, in whatever order it was', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(60)), (indexes) => {
        const text = formatIndexes(indexes);
        if (text !== undefined) expect(text).toMatch(indexesPattern);
        const sorted = [...indexes].sort((a, b) => a - b);
        expect([...parseIndexes(text, 61)]).toEqual(sorted);
        expect(formatIndexes([...indexes].reverse())).toBe(text);
      }),
    );
  });

  it('is read as far as there are instances, however far its ranges go', () => {
    expect([...parseIndexes('1-999999999,4000000000', 3)]).toEqual([1, 2]);
  });
});
