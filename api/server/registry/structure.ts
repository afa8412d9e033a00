import { isObject, type JsonObject } from '../../machinery/json.ts';
import type { SchemaNode } from '../../machinery/resource.ts';

/**
 * `document` without the nulls that its schema does not allow: to Kubernetes a null field is an absent
 * one, and so is an undefined one of a client in this process. Unknown fields are left to the parser.
 * Shares what it does not change.
 */
export function withoutNulls(document: JsonObject, schema: SchemaNode): JsonObject {
  let copy: JsonObject | undefined;
  for (const key of Object.keys(document)) {
    const value = document[key];
    const node = childNode(schema, key);
    if (value === undefined || (value === null && node !== undefined && forbidsNull(node))) {
      copy ??= { ...document };
      Reflect.deleteProperty(copy, key);
    } else if (node !== undefined && typeof value === 'object') {
      const next = cleaned(value, node);
      if (next === value) continue;
      copy ??= { ...document };
      copy[key] = next;
    }
  }
  return copy ?? document;
}

/** A node that says nothing of its type holds anything, null too. */
function forbidsNull(node: SchemaNode): boolean {
  const free = node.type === undefined && node['x-kubernetes-int-or-string'] !== true;
  return node.nullable !== true && !free;
}

function cleaned(value: unknown, node: SchemaNode): unknown {
  if (node['x-kubernetes-preserve-unknown-fields'] === true) return value;
  if (isObject(value)) return withoutNulls(value, node);
  const { items } = node;
  if (!Array.isArray(value) || items === undefined) return value;
  let copy: unknown[] | undefined;
  for (const [index, item] of (value as unknown[]).entries()) {
    const next = cleaned(item, items);
    if (next === item) continue;
    copy ??= [...(value as unknown[])];
    copy[index] = next;
  }
  return copy ?? value;
}

function childNode(schema: SchemaNode, key: string): SchemaNode | undefined {
  if (schema.properties !== undefined && Object.hasOwn(schema.properties, key)) {
    return schema.properties[key];
  }
  return typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined;
}

/** `document` without the values at `paths`; shares nothing that it changes. */
export function withoutPaths(document: unknown, paths: readonly (readonly string[])[]): unknown {
  return paths.reduce(removePath, document);
}

function removePath(document: unknown, path: readonly string[]): unknown {
  const [head, ...rest] = path;
  if (head === undefined) return document;
  if (Array.isArray(document)) {
    return document.map((item: unknown, index) =>
      String(index) === head ? removePath(item, rest) : item,
    );
  }
  if (!isObject(document) || !Object.hasOwn(document, head)) return document;
  if (rest.length > 0) return { ...document, [head]: removePath(document[head], rest) };
  return Object.fromEntries(Object.entries(document).filter(([key]) => key !== head));
}

/** A path of unknown fields as Kubernetes prints it: `spec.containers[0].bogus`. */
export function pathText(path: readonly string[]): string {
  return path.reduce((text, segment) => {
    if (/^\d+$/.test(segment)) return `${text}[${segment}]`;
    return text === '' ? segment : `${text}.${segment}`;
  }, '');
}
