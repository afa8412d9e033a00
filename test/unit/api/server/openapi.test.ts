import { describe, expect, it } from 'vitest';
import { isObject, type JsonObject } from '../../../../api/machinery/json.ts';
import type { Kinds } from '../../../../api/server/catalog.ts';
import { Discovery } from '../../../../api/server/discovery.ts';
import { openApiV2 } from '../../../../api/server/openapi/version2.ts';
import { openApiV3 } from '../../../../api/server/openapi/version3.ts';
import { OpenApi } from '../../../../api/server/openapi/openapi.ts';
import { erased } from '../../../../api/server/registry/erase.ts';
import type { ServerRequest } from '../../../../api/server/request.ts';
import { resources } from '../../../../api/v1/resources.ts';
import { at } from './support/harness.ts';
import { widgetResource } from './support/widget.ts';

const kinds = [...resources, widgetResource].map(erased);

function request(path: string, accept = 'application/json'): ServerRequest {
  return {
    method: 'GET',
    path,
    query: new URLSearchParams(path.split('?')[1]),
    user: undefined,
    accept,
    contentType: undefined,
    ifNoneMatch: undefined,
    userAgent: undefined,
    fence: undefined,
    body: () => undefined,
    signal: new AbortController().signal,
  };
}

/** Every value of a key anywhere in a document. */
function* valuesOf(document: unknown, key: string): Generator {
  if (Array.isArray(document)) for (const item of document) yield* valuesOf(item, key);
  else if (isObject(document)) {
    for (const [name, value] of Object.entries(document)) {
      if (name === key) yield value;
      yield* valuesOf(value, key);
    }
  }
}

/** Parameter names of every PATCH, by path. */
function patchParameters(paths: JsonObject): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [path, item] of Object.entries(paths)) {
    const parameters = at(item, 'patch.parameters');
    if (Array.isArray(parameters)) {
      found.set(
        path,
        parameters.map((parameter: unknown) => String(at(parameter, 'name'))),
      );
    }
  }
  return found;
}

describe.each([
  ['2', openApiV2(kinds, '0'), '#/definitions/', 'definitions'],
  ['3', openApiV3(kinds, '0'), '#/components/schemas/', 'components.schemas'],
] as const)('OpenAPI %s', (_version, document, prefix, place) => {
  const schemas = at(document, place);

  it('refers only to what it has', () => {
    const references = new Set(valuesOf(document, '$ref'));
    expect(references.size).toBeGreaterThan(5);
    for (const reference of references) {
      expect(String(reference).startsWith(prefix)).toBe(true);
      expect(Object.keys(schemas as object)).toContain(String(reference).slice(prefix.length));
    }
  });

  it('tells clients which schema is whose, and what a PATCH can be told', () => {
    for (const { gvk } of kinds) {
      const own = Object.values(schemas as JsonObject).filter((schema) =>
        JSON.stringify(at(schema, 'x-kubernetes-group-version-kind') ?? '').includes(
          `"kind":"${gvk.kind}"`,
        ),
      );
      expect(own, gvk.kind).toHaveLength(1);
    }
    const patches = patchParameters(at(document, 'paths') as JsonObject);
    expect(patches.size).toBeGreaterThanOrEqual(kinds.length);
    for (const names of patches.values()) {
      expect(names).toEqual(expect.arrayContaining(['dryRun', 'fieldValidation', 'fieldManager']));
    }
  });

  it('has no keyword that its version lacks', () => {
    if (prefix === '#/definitions/') {
      for (const keyword of ['anyOf', 'oneOf', 'nullable']) {
        expect([...valuesOf(schemas, keyword)]).toEqual([]);
      }
    }
    expect(
      [...valuesOf(document, 'additionalProperties')].filter((value) => value === false),
    ).toEqual([]);
  });
});

const served = (resources: Kinds['resources']): Kinds => ({ resources, generation: 0 });

describe('the index of OpenAPI 3', () => {
  const pathsOf = (openApi: OpenApi): JsonObject => {
    const answer = openApi.answer(request('/openapi/v3'));
    const bytes = answer?.kind === 'bytes' ? answer.bytes : new Uint8Array();
    return at(JSON.parse(Buffer.from(bytes).toString()), 'paths') as JsonObject;
  };

  it('changes the address of a document when a schema changes, and only then', () => {
    const before = pathsOf(new OpenApi(served(kinds), '0'));
    expect(Object.keys(before)).toContain('apis/mesocosm.dev/v1');
    expect(pathsOf(new OpenApi(served(kinds), '0'))).toEqual(before);
    const changed = kinds.map((kind) =>
      kind.gvk.kind === 'Widget'
        ? { ...kind, schema: { ...kind.schema, description: 'other' } }
        : kind,
    );
    const after = pathsOf(new OpenApi(served(changed), '0'));
    expect(after['apis/conformance.dev/v1']).not.toEqual(before['apis/conformance.dev/v1']);
    expect(after['apis/mesocosm.dev/v1']).toEqual(before['apis/mesocosm.dev/v1']);
  });

  it('answers protobuf for version 2 with a media type that Go can read', () => {
    const accept = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
    const answer = new OpenApi(served(kinds), '0').answer(request('/openapi/v2', accept));
    expect(answer).toMatchObject({
      kind: 'bytes',
      contentType: 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf',
    });
  });
});

describe('discovery', () => {
  const discovery = new Discovery(served(kinds));
  const valueOf = (path: string, accept?: string): unknown => {
    const answer = discovery.answer(request(path, accept));
    return answer?.kind === 'value' ? answer.value : undefined;
  };

  it('lists our group first, so that short names mean ours', () => {
    expect(at(valueOf('/apis'), 'groups.0.name')).toBe('mesocosm.dev');
    expect(valueOf('/api')).toMatchObject({ kind: 'APIVersions', versions: ['v1'] });
    expect(valueOf('/apis/nope.dev')).toBeUndefined();
    expect(valueOf('/apis/mesocosm.dev/v2')).toBeUndefined();
  });

  it.each(['v2', 'v2beta1'])('aggregates in version %s for clients that ask', (version) => {
    const accept = `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList,application/json`;
    const answer = discovery.answer(request('/apis', accept));
    expect(answer?.headers['Content-Type']).toContain(`v=${version}`);
    const jobs = at(valueOf('/apis', accept), 'items.0.versions.0.resources.0');
    expect(jobs).toMatchObject({
      resource: 'jobs',
      scope: 'Namespaced',
      responseKind: { group: 'mesocosm.dev', version: 'v1', kind: 'Job' },
      subresources: [
        { subresource: 'status' },
        { subresource: 'scale', responseKind: { group: 'autoscaling', kind: 'Scale' } },
        { subresource: 'drift', responseKind: { kind: 'JobDrift' }, verbs: ['get'] },
      ],
    });
  });
});
