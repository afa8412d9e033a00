import { readFileSync } from 'node:fs';
import type { AnyResource } from '../../../api/machinery/resource.ts';
import { customKinds } from '../../../api/server/crd/custom-kind.ts';
import { customResourceDefinitionResource } from '../../../api/v1/custom-resource-definition.ts';

/** The definition of the kind that was recorded, as its author wrote it. */
export function widgetsDefinition(): unknown {
  return JSON.parse(readFileSync(new URL('../data/widgets.json', import.meta.url), 'utf8'));
}

/**
 * The kind that was recorded. Its server had no types for it when it recorded who owns what: every map was
 * made of fields, and every list was one.
 */
export function widgets(): AnyResource {
  const parsed = customResourceDefinitionResource.parse(widgetsDefinition());
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
  const [kind] = customKinds(parsed.value);
  if (kind === undefined) throw new Error('no version of it is served');
  const schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  return { ...kind.resource, schema };
}
