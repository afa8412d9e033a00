import { describe, expect, test } from 'vitest';
import { decodeList, decodeObject } from '../../../../api/client/decode.ts';
import { SharedFields } from '../../../../api/client/shared-fields.ts';
import { deepFreeze, type JsonObject } from '../../../../api/machinery/json.ts';
import { jobResource, type Job } from '../../../../api/v1/job.ts';
import { storedJob } from './objects.ts';

const conditions = [
  { type: 'Ready', status: 'True', reason: 'R', message: '', lastTransitionTime: 't' },
];

/** Answers of one server in this process: each job is decoded after those before it. */
function decoded(...documents: JsonObject[]): Job[] {
  const shared = new SharedFields();
  return documents.map((document) => decodeObject(jobResource, document, { shared }));
}

describe('a frozen document', () => {
  test('is decoded as any other, without copies of its fields', () => {
    const document: JsonObject = { ...storedJob('web'), status: { replicas: 2, conditions } };
    deepFreeze(document);
    const [job, again] = decoded(document, document);
    expect(job).toStrictEqual(decodeObject(jobResource, document));
    expect(again).toStrictEqual(job);
    for (const each of [job, again]) {
      expect(each?.spec).toBe(document['spec']);
      expect(each?.status).toBe(document['status']);
      expect(each?.metadata).toBe(document['metadata']);
    }
  });

  test('is refused for a new field that is wrong, though the others are known', () => {
    const good = deepFreeze(storedJob('web'));
    const bad = deepFreeze({ ...good, status: { replicas: 'two' } });
    expect(() => decoded(good, bad)).toThrow('status.replicas');
    const nameless = deepFreeze({ ...good, metadata: { name: 'web' } });
    expect(() => decoded(good, nameless)).toThrow('metadata');
  });

  test('is not taken for another kind, nor a field for another field', () => {
    const good = deepFreeze(storedJob('web'));
    expect(() => decoded(good, deepFreeze({ ...good, kind: 'Task' }))).toThrow('kind');
    const swapped = deepFreeze({ ...good, status: { replicas: 1 }, spec: { replicas: 1 } });
    const again = deepFreeze({ ...good, spec: swapped.status });
    expect(() => decoded(good, swapped)).toThrow('spec.template');
    expect(() => decoded(deepFreeze({ ...good, status: swapped.status }), again)).toThrow(
      'spec.template',
    );
  });

  test('is pruned of what a newer server added, each time', () => {
    const newer = { ...storedJob('web') };
    newer['spec'] = { ...(newer['spec'] as object), novelty: true };
    for (const job of decoded(deepFreeze(newer), deepFreeze(newer))) {
      expect(job.spec).toStrictEqual(storedJob('web')['spec']);
    }
  });
});

test('a document that may change is checked and copied each time', () => {
  const document = storedJob('web');
  const shared = new SharedFields();
  const job = decodeObject(jobResource, document, { shared });
  expect(job.spec).not.toBe(document['spec']);
  Object.assign(document['spec'] as object, { replicas: -1 });
  expect(() => decodeObject(jobResource, document, { shared })).toThrow('spec.replicas');
});

test('items of a list share their fields too', () => {
  const items = [deepFreeze(storedJob('web'))];
  const list = decodeList(
    jobResource,
    { metadata: { resourceVersion: '9' }, items },
    new SharedFields(),
  );
  expect(list.items[0]?.spec).toBe(items[0]?.['spec']);
});
