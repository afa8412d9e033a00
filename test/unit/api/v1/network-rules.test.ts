import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  attachmentProblems,
  contradictionMessage,
  contradictionsOf,
  newProblems,
} from '../../../../api/v1/network-rules.ts';
import { networkResource, type Network } from '../../../../api/v1/network.ts';
import type { NetworkAttachment } from '../../../../api/v1/template.ts';

function network(spec: Network['spec'], metadata: object = {}): Network {
  return {
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Network',
    metadata: { name: 'net', uid: 'u', resourceVersion: '1', creationTimestamp: '', ...metadata },
    spec,
  };
}

const prod = { name: 'prod', labels: { stage: 'live' } };

function fieldsOf(attachment: Partial<NetworkAttachment>, spec: Network['spec']): string[] {
  return attachmentProblems({ name: 'net', ...attachment }, network(spec), prod).map(
    ({ field }) => field,
  );
}

describe('an offer', () => {
  it.each<[string, Network['spec'], boolean]>([
    ['to nobody in particular', {}, true],
    ['to the namespace by name', { namespaces: ['prod'] }, true],
    ['to others by name', { namespaces: ['dev'] }, false],
    ['to nobody', { namespaces: [] }, false],
    ['by a label', { namespaceSelector: { matchLabels: { stage: 'live' } } }, true],
    ['by another label', { namespaceSelector: { matchLabels: { stage: 'test' } } }, false],
    [
      'by name or label',
      { namespaces: ['dev'], namespaceSelector: { matchLabels: { stage: 'live' } } },
      true,
    ],
    [
      'by an expression',
      { namespaceSelector: { matchExpressions: [{ key: 'stage', operator: 'DoesNotExist' }] } },
      false,
    ],
  ])('%s', (_what, spec, isOffered) => {
    expect(fieldsOf({}, spec)).toEqual(isOffered ? [] : ['name']);
  });

  it('ends with the Network', () => {
    const leaving = network({}, { deletionTimestamp: '2026-01-01T00:00:00Z' });
    expect(attachmentProblems({ name: 'net' }, leaving, prod)).toHaveLength(1);
    expect(attachmentProblems({ name: 'net' }, undefined, prod)[0]?.field).toBe('name');
  });
});

describe('labels of an attachment', () => {
  it.each<[Network['spec'], Record<string, string>, string[]]>([
    [{ requiredLabels: ['team'] }, {}, ['labels[team]']],
    [{ requiredLabels: ['team'] }, { team: 'a', more: 'b' }, []],
    [{ requiredLabels: ['team'], allowedLabels: [] }, { team: 'a' }, []],
    [{ requiredLabels: ['team'], allowedLabels: [] }, { team: 'a', x: '' }, ['labels[x]']],
    [{ allowedLabels: ['tier'] }, { tier: 'web', x: '' }, ['labels[x]']],
    [{ allowedLabels: [] }, { x: '' }, ['labels[x]']],
    [{ forbiddenLabels: ['admin'] }, { admin: 'yes', tier: 'web' }, ['labels[admin]']],
    [{ requiredLabels: ['toString'] }, {}, ['labels[toString]']],
  ])('under %j: %j has the faults %j', (spec, labels, fields) => {
    expect(fieldsOf({ labels }, spec)).toEqual(fields);
  });
});

it('port mappings are allowed unless forbidden, and each is named', () => {
  const portMappings = [
    { hostPort: 80, containerPort: 8080 },
    { hostPort: 81, containerPort: 8081 },
  ];
  expect(fieldsOf({ portMappings }, {})).toEqual([]);
  expect(fieldsOf({ portMappings }, { portMappings: 'Allowed' })).toEqual([]);
  const forbidden = fieldsOf({ portMappings }, { portMappings: 'Forbidden' });
  expect(forbidden).toEqual(['portMappings[0]', 'portMappings[1]']);
});

const audiences: string[][] = [[], ['prod'], ['dev']];
const families: ('IPv4' | 'IPv6')[][] = [['IPv4'], ['IPv6'], ['IPv4', 'IPv6']];
const key = fc.constantFrom('a', 'b', 'c', 'd');
const keys = fc.option(fc.uniqueArray(key), { nil: undefined });
const specs = fc.record(
  {
    namespaces: fc.constantFrom(...audiences),
    requiredLabels: fc.uniqueArray(key),
    allowedLabels: fc.uniqueArray(key),
    forbiddenLabels: fc.uniqueArray(key),
    portMappings: fc.constantFrom('Allowed' as const, 'Forbidden' as const),
    ipFamilies: fc.constantFrom(...families),
  },
  { requiredKeys: [] },
);
const attachments = fc
  .record({
    labels: keys,
    ipFamilies: fc.option(fc.constantFrom(...families), { nil: undefined }),
    ports: fc.uniqueArray(fc.integer({ min: 80, max: 83 })),
  })
  .map(({ labels, ipFamilies, ports }): NetworkAttachment => ({
    name: 'net',
    ...(labels === undefined
      ? {}
      : { labels: Object.fromEntries(labels.map((one) => [one, 'x'])) }),
    ...(ipFamilies === undefined ? {} : { ipFamilies }),
    portMappings: ports.map((port) => ({ hostPort: port, containerPort: port })),
  }));

describe('an update', () => {
  it('is never held to what it does not change, and a new attachment to everything', () => {
    fc.assert(
      fc.property(attachments, attachments, specs, (before, after, spec) => {
        const now = network(spec);
        expect(newProblems(before, before, now, prod)).toEqual([]);
        const all = attachmentProblems(after, now, prod);
        expect(newProblems(after, undefined, now, prod)).toEqual(all);
        const introduced = newProblems(after, before, now, prod);
        for (const problem of introduced) expect(all).toContainEqual(problem);
        const known = attachmentProblems(before, now, prod).map((problem) => problem.key);
        for (const { key: fault } of all) {
          expect(known.includes(fault) || introduced.some((one) => one.key === fault)).toBe(true);
        }
      }),
    );
  });

  it('may take a label out that is not forbidden, but no required one', () => {
    const before: NetworkAttachment = { name: 'net', labels: { team: 'a', bad: 'b' } };
    const now = network({ requiredLabels: ['team'], forbiddenLabels: ['bad', 'worse'] });
    const to = (labels: Record<string, string>): string[] =>
      newProblems({ name: 'net', labels }, before, now, prod).map(({ field }) => field);
    expect(to({ team: 'a', bad: 'changed' })).toEqual([]);
    expect(to({ team: 'a' })).toEqual([]);
    expect(to({ bad: 'b' })).toEqual(['labels[team]']);
    expect(to({ team: 'a', bad: 'b', worse: 'c' })).toEqual(['labels[worse]']);
  });
});

describe('contradictions', () => {
  it('are what admission would refuse today, and nothing else', () => {
    fc.assert(
      fc.property(attachments, specs, fc.boolean(), (attachment, spec, exists) => {
        const now = exists ? network(spec) : undefined;
        const found = contradictionsOf([attachment], () => now, prod);
        expect(found.length).toBe(attachmentProblems(attachment, now, prod).length);
      }),
    );
  });

  it('are told with a few names and a count', () => {
    const jobs = Array.from({ length: 7 }, (_, index) => ({
      ...network({}),
      metadata: { ...network({}).metadata, namespace: 'prod', name: `job-${index}` },
    }));
    expect(contradictionMessage([])).toBeUndefined();
    expect(contradictionMessage(jobs.slice(0, 1))).toMatch(/^1 Job contradicts it: prod\/job-0;/);
    expect(contradictionMessage(jobs)).toMatch(/^7 Jobs contradict it: .*prod\/job-4 and 2 more;/);
  });
});

describe('a Network', () => {
  it('may not forbid what it requires or allows', () => {
    const errors = networkResource.validate(
      network({ requiredLabels: ['a'], allowedLabels: ['b'], forbiddenLabels: ['c', 'b', 'a'] }),
      {},
    );
    expect(errors.map(({ field }) => field)).toEqual([
      'spec.forbiddenLabels[1]',
      'spec.forbiddenLabels[2]',
    ]);
  });

  it('may not select namespaces by an expression without meaning', () => {
    const select = (operator: 'In' | 'Exists', values?: string[]): number => {
      const expression = { key: 'stage', operator, ...(values === undefined ? {} : { values }) };
      const namespaceSelector = { matchExpressions: [expression] };
      return networkResource.validate(network({ namespaceSelector }), {}).length;
    };
    expect([select('In'), select('Exists', ['x'])]).toEqual([1, 1]);
    expect([select('In', ['x']), select('Exists')]).toEqual([0, 0]);
  });
});
