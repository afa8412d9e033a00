import { isObject, type JsonObject } from '../machinery/json.ts';
import type { Resource } from '../machinery/resource.ts';

/**
 * Which parts of shared documents have been held against their schema. A document in this process that is
 * frozen is one that others hold too, and that shares with other versions what did not change between them:
 * a part of it that was good once need neither be looked at again nor be copied.
 */
export class SharedFields {
  /** Top-level fields that conform, and to what. */
  readonly #known = new WeakMap<object, string>();

  /** The fields of a frozen document that are known to conform, and the rest of it. */
  split(
    resource: Pick<Resource, 'gvk'>,
    document: JsonObject,
  ): { known: JsonObject; rest: JsonObject } {
    const known: JsonObject = {};
    const rest: JsonObject = {};
    for (const [name, value] of Object.entries(document)) {
      const conforms = isObject(value) && this.#known.get(value) === kindOfField(resource, name);
      (conforms ? known : rest)[name] = value;
    }
    return { known, rest };
  }

  /** The document has been parsed, and nothing had to be pruned. Answers its fields as they are. */
  remember(resource: Pick<Resource, 'gvk'>, document: JsonObject): JsonObject {
    const fields: JsonObject = {};
    for (const [name, value] of Object.entries(document)) {
      if (!isObject(value)) continue;
      fields[name] = value;
      this.#known.set(value, kindOfField(resource, name));
    }
    return fields;
  }
}

function kindOfField({ gvk }: Pick<Resource, 'gvk'>, name: string): string {
  return `${gvk.group}/${gvk.version}/${gvk.kind}.${name}`;
}
