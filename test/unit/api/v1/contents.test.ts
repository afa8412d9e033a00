import { expect, it } from 'vitest';
import { validateLaunch } from '../../../../api/v1/template-rules.ts';
import {
  templateSpecSchema,
  type Container,
  type TemplateSpec,
} from '../../../../api/v1/template.ts';

const spec = (container: Partial<Container>, volumes?: TemplateSpec['volumes']): TemplateSpec => ({
  containers: [
    {
      name: 'a',
      script: 'x',
      resources: { requests: { cpu: '100m', memory: '32Mi' } },
      ...container,
    },
  ],
  ...(volumes === undefined ? {} : { volumes }),
});
const secretKeyRef = { name: 'db', key: 'password' };
const secret = { secretName: 'db' };

it('a template may take contents in every way', () => {
  const whole = spec(
    {
      env: [{ name: 'A', valueFrom: { secretKeyRef: { ...secretKeyRef, optional: true } } }],
      envFrom: [{ prefix: 'P_', configMapRef: { name: 'app.v1' } }],
      volumeMounts: [{ name: 'v', mountPath: 'etc/app' }],
    },
    [{ name: 'v', secret: { ...secret, items: [{ key: 'tls.key', path: 'a/..b/key' }] } }],
  );
  expect(templateSpecSchema.safeParse(whole).error).toBeUndefined();
  expect(validateLaunch(whole, 'spec')).toEqual([]);
});

it.each<[string, TemplateSpec, string[]]>([
  [
    'a value and its source',
    spec({ env: [{ name: 'A', value: 'x', valueFrom: { secretKeyRef } }] }),
    [
      'spec.containers[0].env[0].valueFrom: Forbidden: may not be specified when `value` is not empty',
    ],
  ],
  [
    'a source that is none',
    spec({ env: [{ name: 'A', valueFrom: {} }], envFrom: [{}] }),
    [
      'spec.containers[0].env[0].valueFrom: Required value: must specify one of: secretKeyRef, configMapKeyRef',
      'spec.containers[0].envFrom[0]: Required value: must specify one of: secretRef, configMapRef',
    ],
  ],
  [
    'two sources at once',
    spec({ envFrom: [{ secretRef: { name: 'a' }, configMapRef: { name: 'a' } }] }, [
      { name: 'v', secret, configMap: { name: 'a' } },
    ]),
    [
      'spec.volumes[0]: Forbidden: give secret or configMap, not both',
      'spec.containers[0].envFrom[0]: Forbidden: give secretRef or configMapRef, not both',
    ],
  ],
  [
    'names that are given twice, and one that there is not',
    spec(
      {
        volumeMounts: [
          { name: 'v', mountPath: 'a' },
          { name: 'none', mountPath: 'a' },
        ],
      },
      [
        { name: 'v', secret },
        { name: 'v', secret },
      ],
    ),
    [
      'spec.volumes[1].name: Duplicate value: "v": give each its own',
      'spec.containers[0].volumeMounts[1].name: Invalid value: "none": is the name of no volume of the task',
      'spec.containers[0].volumeMounts[1].mountPath: Duplicate value: "a": give each its own',
    ],
  ],
  [
    'two keys in one file',
    spec({}, [
      {
        name: 'v',
        secret: {
          ...secret,
          items: [
            { key: 'a', path: 'f' },
            { key: 'b', path: 'f' },
          ],
        },
      },
    ]),
    ['spec.volumes[0].secret.items[1].path: Duplicate value: "f": give each file its own path'],
  ],
])('a template is refused for %s', (_what, template, errors) => {
  const said = validateLaunch(template, 'spec').map(({ field, message }) => `${field}: ${message}`);
  expect(said).toEqual(errors);
});

it.each(['/etc', '..', 'a/../b', 'a//b', '', 'a/', './a', 'a\0', 'stdout', 'stderr/x'])(
  'nothing is mounted at %j',
  (mountPath) => {
    const template = spec({ volumeMounts: [{ name: 'v', mountPath }] }, [{ name: 'v', secret }]);
    expect(templateSpecSchema.safeParse(template).success).toBe(false);
  },
);

it.each([
  ['a name', { name: 'Not_A_Name', key: 'k' }],
  ['a key', { name: 'n', key: 'a/b' }],
])('a reference has %s as objects have', (_what, reference) => {
  const template = spec({ env: [{ name: 'A', valueFrom: { secretKeyRef: reference } }] });
  expect(templateSpecSchema.safeParse(template).success).toBe(false);
});

it.each(['defaultMode', 'readOnly', 'subPath', 'fieldRef'])(
  '%s is refused, not ignored',
  (field) => {
    const template = {
      ...spec({ volumeMounts: [{ name: 'v', mountPath: 'a', [field]: 1 }] }),
      volumes: [{ name: 'v', secret: { ...secret, [field]: 1 } }],
    };
    const { error } = templateSpecSchema.safeParse(template);
    expect(error?.issues.filter(({ code }) => code === 'unrecognized_keys')).toHaveLength(2);
  },
);
