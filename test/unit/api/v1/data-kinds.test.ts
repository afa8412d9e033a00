import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FieldError } from '../../../../api/machinery/errors.ts';
import { configMapResource, type ConfigMap } from '../../../../api/v1/config-map.ts';
import { base64Fault, decodedLength, maxDataBytes } from '../../../../api/v1/data-rules.ts';
import { secretResource, type Secret } from '../../../../api/v1/secret.ts';

const metadata = {
  name: 'a',
  namespace: 'default',
  uid: 'u',
  resourceVersion: '1',
  creationTimestamp: '2026-01-01T00:00:00Z',
};
const secret = (fields: Partial<Secret>): Secret =>
  secretResource.defaults({ apiVersion: 'v1', kind: 'Secret', metadata, ...fields });
const configMap = (fields: Partial<ConfigMap>): ConfigMap =>
  configMapResource.defaults({ apiVersion: 'v1', kind: 'ConfigMap', metadata, ...fields });
const said = (errors: readonly FieldError[]): string[] =>
  errors.map(({ field, message }) => `${field}: ${message}`);
const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('base64', () => {
  it('is whatever Buffer writes', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const text = Buffer.from(bytes).toString('base64');
        expect(base64Fault(text)).toBeUndefined();
        expect(decodedLength(text)).toBe(bytes.length);
      }),
    );
  });

  it.each([
    ['', undefined],
    ['dg==', undefined],
    ['d\ng=\r\n=\n', undefined],
    ['***', 0],
    ['dg=', 2],
    ['dg', 2],
    ['dg==dg==', 2],
    ['d===', 1],
    ['dmF_', 3],
    ['dmFs dmFs', 4],
  ])('%j is wrong at %s', (text, fault) => {
    expect(base64Fault(text)).toBe(fault);
  });
});

describe('a Secret', () => {
  it('takes stringData into data, over what is there, and keeps no copy of it', () => {
    const made = secret({ data: { a: 'MQ==', b: 'Mg==\n' }, stringData: { a: 'é' } });
    expect(made).toMatchObject({ data: { a: base64('é'), b: 'Mg==' }, type: 'Opaque' });
    expect(made).not.toHaveProperty('stringData');
    expect(secretResource.defaults(made)).toEqual(made);
  });

  it.each<[string, Partial<Secret>, string[]]>([
    ['kubernetes.io/tls', {}, ['data[tls.crt]: Required value', 'data[tls.key]: Required value']],
    ['kubernetes.io/tls', { stringData: { 'tls.crt': '', 'tls.key': '' } }, []],
    ['kubernetes.io/ssh-auth', {}, ['data[ssh-privatekey]: Required value']],
    [
      'kubernetes.io/basic-auth',
      {},
      ['data[username]: Required value', 'data[password]: Required value'],
    ],
    ['kubernetes.io/basic-auth', { stringData: { password: 'x' } }, []],
    ['kubernetes.io/dockercfg', {}, ['data[.dockercfg]: Required value']],
    ['kubernetes.io/dockerconfigjson', { stringData: { '.dockerconfigjson': '{}' } }, []],
    [
      'kubernetes.io/dockerconfigjson',
      { stringData: { '.dockerconfigjson': 'hunter2' } },
      [
        'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": must be a JSON object of registries and credentials',
      ],
    ],
    [
      'kubernetes.io/service-account-token',
      {},
      [
        'type: Forbidden: no token is ever written into a Secret: ask for one with "kubectl create token"',
      ],
    ],
    ['example.com/anything', {}, []],
  ])('of type %s with %j', (type, fields, errors) => {
    expect(said(secretResource.validate(secret({ type, ...fields }), {}))).toEqual(errors);
  });

  it('has keys that can be file names', () => {
    const keys = ['a/b', '.', '..', '..a', 'x'.repeat(254), 'fine_KEY-1.txt', '.hidden'];
    const made = secret({ stringData: Object.fromEntries(keys.map((key) => [key, ''])) });
    const fields = secretResource.validate(made, {}).map(({ field }) => field);
    expect(fields).toEqual(keys.slice(0, 5).map((key) => `data[${key}]`));
  });

  it('holds 1 MiB and no more', () => {
    const of = (bytes: number): Secret => secret({ stringData: { k: 'x'.repeat(bytes) } });
    expect(secretResource.validate(of(maxDataBytes), {})).toEqual([]);
    expect(said(secretResource.validate(of(maxDataBytes + 1), {}))).toEqual([
      'data: Too long: must have at most 1048576 bytes',
    ]);
  });

  it('never changes its type, and nothing once it is immutable', () => {
    const old = secret({ stringData: { k: '1' }, immutable: true });
    const changed = secret({ stringData: { k: '2' }, type: 'x/y' });
    expect(said(secretResource.validate(changed, { old }))).toEqual([
      'type: Invalid value: "x/y": field is immutable',
      'immutable: Forbidden: field is immutable when `immutable` is set',
      'data: Forbidden: field is immutable when `immutable` is set',
    ]);
    expect(secretResource.validate(old, { old })).toEqual([]);
  });

  it('is never repeated in a refusal', () => {
    const parsed = secretResource.parse({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata,
      data: { a: 'hunter2-is-no-base64' },
      stringData: { b: 47110815 },
    });
    expect(parsed.ok).toBe(false);
    const text = JSON.stringify(parsed);
    expect(text).toContain('illegal base64 data at input byte 7');
    expect(text).toContain('must be a string');
    expect(text).not.toMatch(/hunter2|47110815/);
  });
});

describe('a ConfigMap', () => {
  it('leaves out what is empty and writes bytes in one way', () => {
    const made = configMap({ data: {}, binaryData: { b: 'AA\n==' } });
    expect(made).not.toHaveProperty('data');
    expect(made.binaryData).toEqual({ b: 'AA==' });
  });

  it('has every key once', () => {
    const made = configMap({ data: { k: '' }, binaryData: { k: '' } });
    expect(said(configMapResource.validate(made, {}))).toEqual([
      'data[k]: Invalid value: "k": duplicate of key present in binaryData',
      'binaryData[k]: Invalid value: "k": duplicate of key present in data',
    ]);
  });

  it('counts texts and bytes together', () => {
    const half = maxDataBytes / 2;
    const made = configMap({
      data: { a: 'x'.repeat(half) },
      binaryData: { b: base64('x'.repeat(half + 1)) },
    });
    expect(said(configMapResource.validate(made, {}))).toEqual([
      '[]: Too long: must have at most 1048576 bytes',
    ]);
  });

  it('stays as it is once it is immutable, whichever part would change', () => {
    const old = configMap({ data: { k: '1' }, binaryData: { b: 'AA==' }, immutable: true });
    const fields = (map: ConfigMap): string[] =>
      configMapResource.validate(map, { old }).map(({ field }) => field);
    expect(fields(old)).toEqual([]);
    expect(fields(configMap({ data: { k: '2' }, immutable: true }))).toEqual([
      'data',
      'binaryData',
    ]);
    const { immutable, ...mutable } = old;
    expect(immutable).toBe(true);
    expect(fields(mutable)).toEqual(['immutable']);
  });
});
