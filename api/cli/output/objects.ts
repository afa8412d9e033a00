import { stringify } from 'yaml';
import { isObject, type JsonObject } from '../../machinery/json.ts';
import { CommandError } from '../errors.ts';
import type { Template } from '../../machinery/jsonpath/ast.ts';
import { renderTemplate } from '../../machinery/jsonpath/evaluate.ts';
import { parseTemplate } from '../../machinery/jsonpath/parse.ts';

/** What `-o` asks for. */
export type OutputFormat =
  | { type: 'table'; wide: boolean }
  | { type: 'json' }
  | { type: 'yaml' }
  | { type: 'name' }
  | { type: 'jsonpath'; template: Template };

export function parseOutputFormat(text: string | undefined): OutputFormat {
  switch (text) {
    case undefined:
      return { type: 'table', wide: false };
    case 'wide':
      return { type: 'table', wide: true };
    case 'json':
    case 'yaml':
    case 'name':
      return { type: text };
    default: {
      const template = /^jsonpath=(.*)$/s.exec(text)?.[1];
      if (template !== undefined) return { type: 'jsonpath', template: parseTemplate(template) };
      throw new CommandError(
        'usage',
        `-o ${text}: there is wide, json, yaml, name and jsonpath=TEMPLATE`,
      );
    }
  }
}

/** Several objects in the form in which kubectl prints them. */
export function listOf(items: readonly JsonObject[]): JsonObject {
  return { apiVersion: 'v1', kind: 'List', metadata: { resourceVersion: '' }, items };
}

/** The text of a document in any format but a table or names; JSON and YAML end with a line feed. */
export function formatDocument(
  document: JsonObject,
  format: Exclude<OutputFormat, { type: 'table' } | { type: 'name' }>,
): string {
  switch (format.type) {
    case 'json':
      return `${JSON.stringify(document, undefined, 2)}\n`;
    case 'yaml':
      return yamlText(document);
    case 'jsonpath':
      return renderTemplate(format.template, document);
  }
}

/** YAML that readers of version 1.1, such as kubectl, understand in the same way. */
export function yamlText(value: unknown): string {
  return stringify(value, { lineWidth: 0, compat: 'yaml-1.1', aliasDuplicateObjects: false });
}

/** An object without the bookkeeping that nobody reads. */
export function withoutManagedFields(object: JsonObject): JsonObject {
  const { metadata } = object;
  if (!isObject(metadata) || !Object.hasOwn(metadata, 'managedFields')) return object;
  const kept = { ...metadata };
  Reflect.deleteProperty(kept, 'managedFields');
  return { ...object, metadata: kept };
}
