import { canonicalJson } from '../../machinery/field-set.ts';
import { isObject, own, without, type JsonObject } from '../../machinery/json.ts';

/** Clients that keep what they applied in an annotation, which apply on the server keeps true. */
const annotatingClients: readonly string[] = ['kubectl', 'cosm'];

const annotation = 'kubectl.kubernetes.io/last-applied-configuration';

export function annotates({ name, subresource }: { name: string; subresource: string }): boolean {
  return subresource === '' && annotatingClients.includes(name);
}

function metadataOf(document: JsonObject): JsonObject {
  const metadata = own(document, 'metadata');
  return isObject(metadata) ? metadata : {};
}

function annotationsOf(document: JsonObject): JsonObject {
  const annotations = own(metadataOf(document), 'annotations');
  return isObject(annotations) ? annotations : {};
}

/** What the annotation says that was applied; undefined: nothing legible. */
export function lastAppliedOf(document: JsonObject): JsonObject | undefined {
  const text = own(annotationsOf(document), annotation);
  if (typeof text !== 'string') return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    // Somebody edited it; then it allows nothing.
    return undefined;
  }
}

/** `document`, whose annotation, if it has one, says that `config` was applied. */
export function withLastApplied(document: JsonObject, config: JsonObject): JsonObject {
  const annotations = annotationsOf(document);
  if (!Object.hasOwn(annotations, annotation)) return document;
  const bare = without(annotationsOf(config), annotation);
  const applied = { ...config, metadata: { ...metadataOf(config), annotations: bare } };
  return {
    ...document,
    metadata: {
      ...metadataOf(document),
      annotations: { ...annotations, [annotation]: `${canonicalJson(applied)}\n` },
    },
  };
}
