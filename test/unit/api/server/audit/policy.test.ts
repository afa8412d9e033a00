import { describe, expect, it } from 'vitest';
import {
  auditLevel,
  defaultRules,
  type AuditRule,
  type AuditSubject,
} from '../../../../../api/server/audit/policy.ts';
import { parsePath } from '../../../../../api/server/request-info.ts';

function subject(path: string, verb = 'get', name = 'ann', groups = ['dev']): AuditSubject {
  return { user: { name, groups }, verb, path, info: parsePath(path) };
}

const jobs = '/apis/mesocosm.dev/v1/namespaces/prod/jobs/web';
const secret = '/api/v1/namespaces/prod/secrets/x';
const node = '/apis/mesocosm.dev/v1/agents/a';

describe('a rule', () => {
  it.each<[AuditRule, AuditSubject, boolean]>([
    [{ level: 'Metadata' }, subject(jobs), true],
    [{ level: 'Metadata', users: ['ann'] }, subject(jobs), true],
    [{ level: 'Metadata', users: ['bob'] }, subject(jobs), false],
    [{ level: 'Metadata', userGroups: ['ops', 'dev'] }, subject(jobs), true],
    [{ level: 'Metadata', userGroups: ['ops'] }, subject(jobs), false],
    [{ level: 'Metadata', users: ['ann'] }, { ...subject(jobs), user: undefined }, false],
    [{ level: 'Metadata', verbs: ['create', 'get'] }, subject(jobs), true],
    [{ level: 'Metadata', verbs: ['create'] }, subject(jobs), false],
    [{ level: 'Metadata', namespaces: ['prod'] }, subject(jobs), true],
    [{ level: 'Metadata', namespaces: [''] }, subject(jobs), false],
    [{ level: 'Metadata', namespaces: [''] }, subject(node), true],
    [{ level: 'Metadata', namespaces: ['prod'] }, subject('/metrics'), false],
    [{ level: 'Metadata', resources: [{ resources: ['secrets'] }] }, subject(secret), true],
    [{ level: 'Metadata', resources: [{ resources: ['secrets'] }] }, subject(jobs), false],
    [{ level: 'Metadata', resources: [{ group: 'mesocosm.dev' }] }, subject(jobs), true],
    [{ level: 'Metadata', resources: [{ group: '' }] }, subject(jobs), false],
    [
      { level: 'Metadata', resources: [{ group: 'mesocosm.dev', resources: ['jobs'] }] },
      subject(`${jobs}/status`),
      false,
    ],
    [
      { level: 'Metadata', resources: [{ group: 'mesocosm.dev', resources: ['jobs/status'] }] },
      subject(`${jobs}/status`),
      true,
    ],
    [
      { level: 'Metadata', resources: [{ group: 'mesocosm.dev', resources: ['jobs/*'] }] },
      subject(`${jobs}/scale`),
      true,
    ],
    [
      { level: 'Metadata', resources: [{ group: 'mesocosm.dev', resources: ['*/scale'] }] },
      subject(`${jobs}/scale`),
      true,
    ],
    [
      { level: 'Metadata', resources: [{ group: 'mesocosm.dev', resources: ['*'] }] },
      subject(`${jobs}/scale`),
      true,
    ],
    [{ level: 'Metadata', nonResourceURLs: ['/metrics'] }, subject('/metrics'), true],
    [{ level: 'Metadata', nonResourceURLs: ['/met*'] }, subject('/metrics'), true],
    [{ level: 'Metadata', nonResourceURLs: ['/met'] }, subject('/metrics'), false],
    [{ level: 'Metadata', nonResourceURLs: ['*'] }, subject(jobs), false],
  ])('%j fits: %#', (rule, asked, fits) => {
    expect(auditLevel(asked, [rule])).toBe(fits ? 'Metadata' : 'None');
  });

  it('counts if it is the first that fits', () => {
    const rules: AuditRule[] = [
      { level: 'None', verbs: ['get'] },
      { level: 'Request', users: ['ann'] },
      { level: 'Metadata' },
    ];
    expect(auditLevel(subject(jobs, 'get'), rules)).toBe('None');
    expect(auditLevel(subject(jobs, 'create'), rules)).toBe('Request');
    expect(auditLevel(subject(jobs, 'create', 'bob'), rules)).toBe('Metadata');
  });
});

it.each([
  [subject(jobs, 'get'), 'Metadata'],
  [subject(jobs, 'create', 'system:mesocosm-controllers'), 'Metadata'],
  [subject(jobs, 'watch', 'system:mesocosm-controllers'), 'None'],
  [subject('/apis/coordination.k8s.io/v1/namespaces/x/leases/l', 'update'), 'None'],
  [subject('/api/v1/namespaces/x/events', 'create'), 'None'],
  [subject('/apis', 'get'), 'None'],
  [subject('/readyz', 'get'), 'None'],
  [subject(secret, 'get'), 'Metadata'],
  [{ ...subject(jobs, 'create'), user: undefined }, 'Metadata'],
])('without rules of their own people are recorded, noise is not: %#', (asked, level) => {
  expect(auditLevel(asked, defaultRules)).toBe(level);
});
