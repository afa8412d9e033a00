import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { isObject } from '../../../api/machinery/json.ts';
import { customKinds } from '../../../api/server/crd/custom-kind.ts';
import { customResourceDefinitionResource } from '../../../api/v1/custom-resource-definition.ts';
import type { CustomResourceDefinition } from '../../../api/v1/custom-resource-types.ts';
import { crdFiles } from '../../../hack/codegen/crds.ts';

const manifests = new URL('../../../manifests/', import.meta.url);
const directory = new URL('crds/', manifests);

function definitionIn(file: string): CustomResourceDefinition {
  const document: unknown = parse(readFileSync(new URL(file, directory), 'utf8'));
  const parsed = customResourceDefinitionResource.parse(document);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
  return customResourceDefinitionResource.defaults(parsed.value);
}

describe('manifests/crds', () => {
  const files = readdirSync(directory).sort();

  it('has what npm run codegen writes, and nothing else', () => {
    const expected = crdFiles();
    expect(files).toEqual(Object.keys(expected).sort());
    for (const [file, content] of Object.entries(expected)) {
      expect(readFileSync(new URL(file, directory), 'utf8') === content, file).toBe(true);
    }
  });

  it.each(files)('%s is a definition that a server would take', (file) => {
    expect(customResourceDefinitionResource.validate(definitionIn(file), {})).toEqual([]);
  });

  it('describes every sample that is of our kinds', () => {
    const kinds = files.flatMap((file) => customKinds(definitionIn(file)));
    const samples = readdirSync(new URL('samples/', manifests)).flatMap((file) => {
      const text = readFileSync(new URL(`samples/${file}`, manifests), 'utf8');
      return text.split(/^---$/m).map((document): unknown => parse(document));
    });
    const ours = samples.flatMap((sample) => {
      const kind = kinds.find(
        ({ resource: { gvk } }) => isObject(sample) && sample['kind'] === gvk.kind,
      );
      return kind === undefined ? [] : [kind.resource.parse(sample)];
    });
    expect(ours.length).toBeGreaterThan(2);
    expect(ours.filter(({ ok }) => !ok)).toEqual([]);
  });
});
