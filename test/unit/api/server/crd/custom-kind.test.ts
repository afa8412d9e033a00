import { describe, expect, it } from 'vitest';
import type { KubeObject } from '../../../../../api/machinery/metadata.ts';
import type { SchemaNode } from '../../../../../api/machinery/resource.ts';
import { customKinds, type CustomKind } from '../../../../../api/server/crd/custom-kind.ts';
import { acceptedStatus, claimsOf } from '../../../../../api/server/crd/names.ts';
import { byVersionPriority } from '../../../../../api/server/crd/version-priority.ts';
import { customResourceDefinitionResource } from '../../../../../api/v1/custom-resource-definition.ts';
import type { CustomResourceDefinition } from '../../../../../api/v1/custom-resource-types.ts';
import { jobResource } from '../../../../../api/v1/job.ts';
import { erased } from '../../../../../api/server/registry/erase.ts';
import { widgetsOf } from '../../../../conformance/support/definitions.ts';

function definitionOf(document: unknown): CustomResourceDefinition {
  const parsed = customResourceDefinitionResource.parse(document);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
  return customResourceDefinitionResource.defaults(parsed.value);
}

function only(kinds: readonly CustomKind[]): CustomKind {
  const [kind] = kinds;
  if (kind === undefined) throw new Error('no version is served');
  return kind;
}

function kindOf(schema: SchemaNode, more: object = {}): CustomKind {
  const document = widgetsOf('example.dev');
  Object.assign(document.spec.versions[0] ?? {}, {
    schema: { openAPIV3Schema: schema },
    selectableFields: [],
    ...more,
  });
  return only(customKinds(definitionOf(document)));
}

const object = (fields: object): KubeObject => ({
  apiVersion: 'example.dev/v1',
  kind: 'Widget',
  metadata: {
    name: 'a',
    uid: '1',
    resourceVersion: '1',
    creationTimestamp: '2026-11-22T00:00:00Z',
  },
  ...fields,
});

describe('a kind made of a definition', () => {
  it('prunes what is unknown, wherever it is, only when it is told', () => {
    const { resource } = kindOf({ type: 'object', properties: { a: { type: 'string' } } });
    const given = { ...object({ a: 'x', b: 1 }), metadata: { name: 'a', colour: 'red' } };
    expect(resource.parse(given)).toMatchObject({
      ok: false,
      unknown: [['b'], ['metadata', 'colour']],
    });
    expect(resource.parse(object({ a: 'x' }))).toEqual({ ok: true, value: object({ a: 'x' }) });
  });

  it('completes before it checks', () => {
    const schema = {
      type: 'object',
      required: ['n'],
      properties: { n: { type: 'integer', default: 1 } },
    };
    expect(kindOf(schema).resource.parse(object({}))).toEqual({
      ok: true,
      value: object({ n: 1 }),
    });
  });

  it('does not look again at what has been looked at', () => {
    const schema = {
      type: 'object',
      required: ['a'],
      properties: { a: { type: 'string' }, b: { type: 'string' } },
    };
    const { resource } = kindOf(schema);
    // It was right when it was written; the schema has changed since.
    expect(resource.parse(object({ b: 'x' }), { a: 1 })).toEqual({
      ok: true,
      value: object({ a: 1, b: 'x' }),
    });
    expect(resource.parse(object({ b: 1 }), { a: 1 })).toMatchObject({ errors: [{ field: 'b' }] });
  });

  it('shows what is stored by its schema of today', () => {
    const kind = kindOf({
      type: 'object',
      properties: { a: { type: 'string' }, n: { type: 'integer', default: 1 } },
    });
    const old = { ...object({ a: 'x', gone: true }), apiVersion: 'example.dev/v0' };
    expect(kind.present(old)).toEqual(object({ a: 'x', n: 1 }));
    const same = object({ a: 'x', n: 2 });
    expect(kind.present(same)).toBe(same);
  });

  it.each([
    [{ type: 'integer', jsonPath: '.n' }, { n: 3 }, 3],
    [{ type: 'integer', jsonPath: '.n' }, { n: 'three' }, null],
    [{ type: 'string', jsonPath: '.n' }, {}, null],
    [{ type: 'string', jsonPath: '.n' }, { n: { a: 1 } }, '{"a":1}'],
    [{ type: 'string', jsonPath: '.l[*].n' }, { l: [{ n: 'a' }, { n: 'b' }] }, 'a b'],
    [
      { type: 'string', jsonPath: '.l[?(@.t=="R")].s' },
      {
        l: [
          { t: 'Q', s: 'no' },
          { t: 'R', s: 'yes' },
        ],
      },
      'yes',
    ],
    [{ type: 'boolean', jsonPath: '.n' }, { n: false }, false],
    [{ type: 'date', jsonPath: '.metadata.creationTimestamp' }, {}, '2026-11-22T00:00:00Z'],
  ])('fills the column %j of %j', (column, fields, cell) => {
    const more = { additionalPrinterColumns: [{ name: 'C', ...column }] };
    const schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
    const [first] = kindOf(schema, more).resource.columns;
    expect(first?.cell(object(fields), 0)).toEqual(cell);
  });

  it('shows the age if it has no columns', () => {
    const { resource } = kindOf({ type: 'object' }, { additionalPrinterColumns: [] });
    expect(resource.columns.map(({ name }) => name)).toEqual(['Age']);
  });

  it('has its newest stable version first', () => {
    const names = ['v1alpha1', 'v10', 'v2beta1', 'foo', 'v2', 'v2beta2', 'bar', 'v1'];
    expect(names.sort(byVersionPriority)).toEqual([
      'v10',
      'v2',
      'v1',
      'v2beta2',
      'v2beta1',
      'v1alpha1',
      'bar',
      'foo',
    ]);
  });
});

describe('the names of a kind', () => {
  const time = '2026-11-22T00:00:00Z';
  const define = (plural: string, names: object = {}, created = time): CustomResourceDefinition => {
    const document = widgetsOf('example.dev');
    document.metadata = { name: `${plural}.example.dev` };
    Object.assign(document.spec, { names: { plural, kind: plural.toUpperCase(), ...names } });
    const definition = definitionOf(document);
    return { ...definition, metadata: { ...definition.metadata, creationTimestamp: created } };
  };
  const settle = (
    definition: CustomResourceDefinition,
    others: CustomResourceDefinition[] = [],
  ) => {
    const claims = claimsOf(definition, [definition, ...others], [erased(jobResource)]);
    return acceptedStatus(definition, claims, time);
  };

  it('are accepted if nobody has them, and then nothing is left to write', () => {
    const definition = define('apples', { shortNames: ['ap'] });
    const status = settle(definition);
    expect(status.acceptedNames).toEqual({
      plural: 'apples',
      singular: 'apples',
      kind: 'APPLES',
      listKind: 'APPLESList',
      shortNames: ['ap'],
    });
    const settled = { ...definition, status };
    expect(settle(settled)).toBe(settled.status);
  });

  it('are those of the older of two, whoever looks first', () => {
    const older = define('pears', { shortNames: ['fr'] }, '2026-11-21T00:00:00Z');
    const younger = define('apples', { shortNames: ['fr'] });
    expect(settle(younger, [older]).conditions).toMatchObject([
      { status: 'False', message: '"fr" is already in use' },
      { type: 'Established', status: 'False' },
    ]);
    expect(settle(older, [younger]).conditions).toMatchObject([
      { status: 'True' },
      { status: 'True' },
    ]);
  });

  it('of a kind that is established stay served while a new one is refused', () => {
    const first = define('apples');
    const established = { ...first, status: settle(first) };
    const other = define('pears');
    const rival = { ...other, status: settle(other) };
    const renamed = {
      ...established,
      spec: { ...established.spec, names: { ...established.spec.names, singular: 'pears' } },
    };
    const status = settle(renamed, [rival]);
    expect(status.acceptedNames?.singular).toBe('apples');
    expect(status.conditions).toMatchObject([
      { type: 'NamesAccepted', status: 'False', reason: 'SingularConflict' },
      { type: 'Established', status: 'True' },
    ]);
  });

  it("in another group are nobody's business", () => {
    const document = widgetsOf('other.dev');
    const other = definitionOf(document);
    expect(
      settle(define('widgets', { kind: 'Widget' }), [{ ...other, status: settle(other) }])
        .conditions?.[0]?.status,
    ).toBe('True');
  });
});
