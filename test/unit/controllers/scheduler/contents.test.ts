import { describe, expect, it } from 'vitest';
import type { ConfigMap } from '../../../../api/v1/config-map.ts';
import type { Secret } from '../../../../api/v1/secret.ts';
import type { TaskSpec } from '../../../../api/v1/task.ts';
import type { Container } from '../../../../api/v1/template.ts';
import {
  contentsOf,
  usesContents,
  type ContentSources,
  type TaskContents,
} from '../../../../controllers/scheduler/contents.ts';
import { launchOperation } from '../../../../controllers/scheduler/launch.ts';
import { place } from '../../../../controllers/scheduler/placement.ts';
import { cniNameOf, offer, waiting } from './offers.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const metadata = {
  name: '',
  namespace: 'prod',
  uid: 'u',
  resourceVersion: '1',
  creationTimestamp: '2026-01-01T00:00:00Z',
};
const secrets: Readonly<Record<string, Secret['data']>> = {
  db: { user: base64('me'), password: base64('hunter2') },
  binary: { zero: base64('a\0b'), long: base64('x'.repeat(131_070)) },
  huge: { a: 'A'.repeat(3 * 2 ** 20), b: 'A'.repeat(3 * 2 ** 20) },
};
const configMaps: Readonly<Record<string, Pick<ConfigMap, 'data' | 'binaryData'>>> = {
  app: { data: { 'app.conf': 'a=1', mode: 'fast' }, binaryData: { logo: 'AP8=' } },
};
const sources: ContentSources = {
  secret: (namespace, name) =>
    namespace === 'prod' && name in secrets
      ? { apiVersion: 'v1', kind: 'Secret', metadata, data: secrets[name] }
      : undefined,
  configMap: (namespace, name) =>
    namespace === 'prod' && name in configMaps
      ? { apiVersion: 'v1', kind: 'ConfigMap', metadata, ...configMaps[name] }
      : undefined,
};

function found(container: Partial<Container>, spec: Partial<TaskSpec> = {}): TaskContents {
  const whole = { name: 'a', script: 'x', ...container };
  return contentsOf(waiting('t', { ...spec, containers: [whole] }), sources);
}

function of(contents: TaskContents) {
  if (contents.kind === 'Lacking') throw new Error(contents.message);
  return contents.ofContainer('a');
}

const ref = (name: string, key: string, optional?: boolean) => ({
  name,
  key,
  ...(optional === undefined ? {} : { optional }),
});
const secretValue = (name: string, text: string) => ({
  name,
  type: 'SECRET',
  secret: { type: 'VALUE', value: { data: base64(text) } },
});
const plain = (name: string, value: string) => ({ name, value, type: 'VALUE' });

describe('the environment of a container', () => {
  it('has secrets as secrets and texts as texts', () => {
    const { variables } = of(
      found({
        env: [
          { name: 'PLAIN', value: 'p' },
          { name: 'PASSWORD', valueFrom: { secretKeyRef: ref('db', 'password') } },
          { name: 'MODE', valueFrom: { configMapKeyRef: ref('app', 'mode') } },
        ],
      }),
    );
    expect(variables).toEqual([
      plain('PLAIN', 'p'),
      secretValue('PASSWORD', 'hunter2'),
      plain('MODE', 'fast'),
    ]);
  });

  it('takes whole objects, of which later ones win, and env over all', () => {
    const { variables } = of(
      found({
        envFrom: [
          { configMapRef: { name: 'app' } },
          { prefix: 'DB_', secretRef: { name: 'db' } },
          { secretRef: { name: 'none', optional: true } },
        ],
        env: [{ name: 'mode', value: 'slow' }],
      }),
    );
    expect(variables).toEqual([
      plain('app.conf', 'a=1'),
      plain('mode', 'slow'),
      secretValue('DB_user', 'me'),
      secretValue('DB_password', 'hunter2'),
    ]);
  });

  it('lacks what is optional and not there', () => {
    const { variables } = of(
      found({
        env: [
          { name: 'A', valueFrom: { secretKeyRef: ref('none', 'k', true) } },
          { name: 'B', valueFrom: { configMapKeyRef: ref('app', 'none', true) } },
        ],
      }),
    );
    expect(variables).toEqual([]);
  });
});

describe('the files of a container', () => {
  const volumes: TaskSpec['volumes'] = [
    { name: 'conf', configMap: { name: 'app' } },
    { name: 'db', secret: { secretName: 'db', items: [{ key: 'password', path: 'a/pw' }] } },
    { name: 'none', secret: { secretName: 'none', optional: true } },
  ];

  it('are those of the volumes that it mounts, read-only', () => {
    const mounts = [
      { name: 'conf', mountPath: 'etc' },
      { name: 'db', mountPath: 'keys' },
      { name: 'none', mountPath: 'none' },
    ];
    const files = of(found({ volumeMounts: mounts }, { volumes })).volumes;
    const data = Object.fromEntries(
      files.map(({ container_path, source }) => [container_path, source?.secret?.value?.data]),
    );
    expect(data).toEqual({
      'etc/app.conf': base64('a=1'),
      'etc/mode': base64('fast'),
      'etc/logo': 'AP8=',
      'keys/a/pw': base64('hunter2'),
    });
    expect(files.every(({ mode, source }) => mode === 'RO' && source?.type === 'SECRET')).toBe(
      true,
    );
  });

  it('are none if it mounts none', () => {
    expect(of(found({}, { volumes })).volumes).toEqual([]);
  });
});

it.each<[string, Partial<Container>, Partial<TaskSpec>, string, string]>([
  [
    'a Secret that does not exist',
    { env: [{ name: 'A', valueFrom: { secretKeyRef: ref('none', 'k') } }] },
    {},
    'ReferenceMissing',
    'Secret "none" does not exist in namespace prod',
  ],
  [
    'a key that does not exist',
    { env: [{ name: 'A', valueFrom: { secretKeyRef: ref('db', 'none') } }] },
    {},
    'ReferenceMissing',
    'Secret "db" has no key "none"',
  ],
  [
    'bytes as a variable',
    { env: [{ name: 'A', valueFrom: { configMapKeyRef: ref('app', 'logo') } }] },
    {},
    'ReferenceMissing',
    'ConfigMap "app" has no key "logo"',
  ],
  [
    'a ConfigMap that does not exist',
    { volumeMounts: [{ name: 'v', mountPath: 'v' }] },
    { volumes: [{ name: 'v', configMap: { name: 'none' } }] },
    'ReferenceMissing',
    'ConfigMap "none" does not exist in namespace prod',
  ],
  [
    'a zero byte in a variable',
    { env: [{ name: 'A', valueFrom: { secretKeyRef: ref('binary', 'zero') } }] },
    {},
    'ReferenceUnusable',
    'Secret "binary" at zero has a zero byte, which no variable can hold: mount it as a file',
  ],
  [
    'a variable longer than Linux takes',
    { env: [{ name: 'A', valueFrom: { secretKeyRef: ref('binary', 'long') } }] },
    {},
    'ReferenceUnusable',
    'Secret "binary" at long is too long for a variable: mount it as a file',
  ],
  [
    'more than one call may carry',
    { volumeMounts: [{ name: 'v', mountPath: 'v' }] },
    { volumes: [{ name: 'v', secret: { secretName: 'huge' } }] },
    'ReferenceUnusable',
    'the contents that the task refers to take more than 4194304 bytes in base64: refer to less',
  ],
])('a task is kept by %s', (_what, container, spec, reason, message) => {
  const contents = found(container, spec);
  expect(contents).toEqual({ kind: 'Lacking', reason, message });
});

describe('a launch', () => {
  const volumes: TaskSpec['volumes'] = [{ name: 'db', secret: { secretName: 'db' } }];
  const container = (name: string): Container => ({
    name,
    script: 'x',
    resources: { requests: { cpu: '100m', memory: '32Mi' }, limits: { memory: '64Mi' } },
    env: [{ name: 'PASSWORD', valueFrom: { secretKeyRef: ref('db', 'password') } }],
    volumeMounts: [{ name: 'db', mountPath: 'keys' }],
    readinessProbe: { exec: { command: ['true'] } },
  });
  const launched = (...names: string[]) => {
    const networks = [{ name: 'dev-net' }];
    const task = waiting('t', { networks, volumes, containers: names.map(container) });
    expect(usesContents(task)).toBe(true);
    const [placement] = place({
      tasks: [task],
      offers: [offer('x')],
      placed: [],
      cniNameOf,
    }).placements;
    const contents = contentsOf(task, sources);
    if (placement === undefined || contents.kind === 'Lacking') throw new Error('not placed');
    return launchOperation(placement, { frameworkId: 'F', cniNameOf, contents });
  };
  const files = ['keys/user', 'keys/password'];

  it('of one container has files and networks in one place', () => {
    const [info] = launched('a').launch?.task_infos ?? [];
    expect(info?.container?.type).toBe('MESOS');
    expect(info?.container?.network_infos).toHaveLength(1);
    expect(info?.container?.volumes?.map(({ container_path }) => container_path)).toEqual(files);
  });

  it('of several containers has files with each, beside its own cgroups', () => {
    const { executor, task_group } = launched('a', 'b').launch_group ?? {};
    expect(executor?.container?.volumes).toBeUndefined();
    for (const { container: info } of task_group?.tasks ?? []) {
      expect(info?.linux_info).toEqual({ share_cgroups: false });
      expect(info?.volumes?.map(({ container_path }) => container_path)).toEqual(files);
    }
  });

  it('shows no secret to the checker of Mesos', () => {
    const [info] = launched('a').launch?.task_infos ?? [];
    expect(info?.command?.environment?.variables).toContainEqual(
      secretValue('PASSWORD', 'hunter2'),
    );
    expect(JSON.stringify(info?.check)).toContain('COSM_TASK');
    expect(JSON.stringify(info?.check)).not.toMatch(/PASSWORD|hunter2/);
  });
});
