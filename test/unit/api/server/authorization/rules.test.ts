import { describe, expect, it } from 'vitest';
import type { Attributes } from '../../../../../api/server/authorizer.ts';
import { allows, ruleOf } from '../../../../../api/server/authorization/rules.ts';

const user = { name: 'ann', groups: [] };

function on(verb: string, resource: string, name?: string, group = 'mesocosm.dev'): Attributes {
  const place = { group, version: 'v1', namespace: 'prod', name };
  return { user, verb, path: '/', resource: { ...place, resource } };
}

function at(verb: string, path: string): Attributes {
  return { user, verb, path };
}

const jobs = { apiGroups: ['mesocosm.dev'], resources: ['jobs'], verbs: ['get', 'list'] };

describe('a rule about resources', () => {
  it.each([
    ['what it names', jobs, on('get', 'jobs', 'web'), true],
    ['another verb', jobs, on('delete', 'jobs', 'web'), false],
    ['another group', jobs, on('get', 'jobs', 'web', 'batch'), false],
    ['another resource', jobs, on('get', 'tasks', 'web'), false],
    ['a subresource that it does not name', jobs, on('get', 'jobs/status', 'web'), false],
    ['any verb by a star', { ...jobs, verbs: ['*'] }, on('escalate', 'jobs'), true],
    ['any group by a star', { ...jobs, apiGroups: ['*'] }, on('get', 'jobs', 'web', ''), true],
    ['any resource by a star', { ...jobs, resources: ['*'] }, on('get', 'tasks', 'x'), true],
    ['subresources by a star', { ...jobs, resources: ['*'] }, on('get', 'jobs/scale', 'x'), true],
    [
      'the subresource of any',
      { ...jobs, resources: ['*/scale'] },
      on('get', 'jobs/scale', 'x'),
      true,
    ],
    ['not the resource itself', { ...jobs, resources: ['*/scale'] }, on('get', 'jobs', 'x'), false],
    [
      'not another subresource',
      { ...jobs, resources: ['*/scale'] },
      on('get', 'jobs/status', 'x'),
      false,
    ],
    [
      'a star after the slash is a name',
      { ...jobs, resources: ['jobs/*'] },
      on('get', 'jobs/scale', 'x'),
      false,
    ],
    ['a name', { ...jobs, resourceNames: ['web'] }, on('get', 'jobs', 'web'), true],
    ['another name', { ...jobs, resourceNames: ['web'] }, on('get', 'jobs', 'db'), false],
    ['no name where one is needed', { ...jobs, resourceNames: ['web'] }, on('list', 'jobs'), false],
    ['a list by name', { ...jobs, resourceNames: ['web'] }, on('list', 'jobs', 'web'), true],
    ['no path', jobs, at('get', '/metrics'), false],
  ])('%s', (_, rule, attributes, expected) => {
    expect(allows(ruleOf(rule), attributes)).toBe(expected);
  });
});

describe('a rule about paths', () => {
  const health = { nonResourceURLs: ['/healthz', '/apis/*'], verbs: ['get'] };
  it.each([
    ['the path', health, at('get', '/healthz'), true],
    ['a path below it', health, at('get', '/healthz/etcd'), false],
    ['below a star', health, at('get', '/apis/apps/v1'), true],
    ['the star does not stand for less', health, at('get', '/apis'), false],
    ['another verb', health, at('post', '/healthz'), false],
    ['everything', { ...health, nonResourceURLs: ['*'] }, at('get', '/metrics'), true],
    ['no resource', { nonResourceURLs: ['*'], verbs: ['*'] }, on('get', 'jobs', 'x'), false],
  ])('%s', (_, rule, attributes, expected) => {
    expect(allows(ruleOf(rule), attributes)).toBe(expected);
  });
});
