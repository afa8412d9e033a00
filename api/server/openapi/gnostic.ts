import protobuf from 'protobufjs/minimal.js';
import { isObject } from '../../machinery/json.ts';
import type { SchemaNode } from '../../machinery/resource.ts';
import type {
  SwaggerDocument,
  SwaggerMethod,
  SwaggerOperation,
  SwaggerParameter,
  SwaggerPath,
} from './version2.ts';

/**
 * Swagger 2.0 in the protobuf form that kubectl and Argo CD ask for: openapi.v2.Document of gnostic
 * (OpenAPIv2.proto, whose field numbers stand below). Values of any type travel as YAML text; JSON is.
 */
export function encodeGnostic(document: SwaggerDocument): Uint8Array {
  const out = new Encoder();
  out.text(1, document.swagger);
  out.message(2, (info) => {
    info.text(1, document.info.title);
    info.text(2, document.info.version);
  });
  out.message(8, (paths) => {
    for (const [name, path] of Object.entries(document.paths)) {
      paths.named(2, name, (item) => encodePath(item, path));
    }
  });
  out.message(9, (definitions) => {
    for (const [name, schema] of Object.entries(document.definitions)) {
      definitions.named(1, name, (item) => encodeSchema(item, schema));
    }
  });
  return out.finish();
}

/** A writer of messages within messages. */
class Encoder {
  readonly #writer = protobuf.Writer.create();

  finish(): Uint8Array {
    return this.#writer.finish();
  }

  text(field: number, value: string): void {
    this.#writer.uint32((field << 3) | 2).string(value);
  }

  flag(field: number, value: boolean): void {
    this.#writer.uint32(field << 3).bool(value);
  }

  int64(field: number, value: number): void {
    this.#writer.uint32(field << 3).int64(value);
  }

  double(field: number, value: number): void {
    this.#writer.uint32((field << 3) | 1).double(value);
  }

  message(field: number, fill: (inner: Encoder) => void): void {
    const inner = new Encoder();
    fill(inner);
    this.#writer.uint32((field << 3) | 2).bytes(inner.finish());
  }

  /** A pair {name = 1, value = 2}: how the format writes maps. */
  named(field: number, name: string, fill: (value: Encoder) => void): void {
    this.message(field, (pair) => {
      pair.text(1, name);
      pair.message(2, fill);
    });
  }

  /** Any: {yaml = 2}. */
  any(field: number, value: unknown): void {
    this.message(field, (any) => any.text(2, JSON.stringify(value)));
  }

  extensions(field: number, of: object): void {
    for (const [name, value] of Object.entries(of)) {
      if (!name.startsWith('x-')) continue;
      this.named(field, name, (any) => any.text(2, JSON.stringify(value)));
    }
  }
}

const methodFields: Readonly<Record<SwaggerMethod, number>> = {
  get: 2,
  put: 3,
  post: 4,
  delete: 5,
  patch: 8,
};

function encodePath(out: Encoder, path: SwaggerPath): void {
  for (const method of ['get', 'put', 'post', 'delete', 'patch'] as const) {
    const operation = path[method];
    if (operation === undefined) continue;
    out.message(methodFields[method], (inner) => encodeOperation(inner, operation));
  }
  for (const parameter of path.parameters ?? []) encodeParameter(out, 9, parameter);
}

function encodeOperation(out: Encoder, operation: SwaggerOperation): void {
  out.text(3, operation.description);
  out.text(5, operation.operationId);
  for (const type of operation.produces) out.text(6, type);
  for (const type of operation.consumes) out.text(7, type);
  for (const parameter of operation.parameters) encodeParameter(out, 8, parameter);
  out.message(9, (responses) => {
    for (const [code, { description, schema }] of Object.entries(operation.responses)) {
      responses.named(1, code, (value) =>
        value.message(1, (response) => {
          response.text(1, description);
          if (schema === undefined) return;
          response.message(2, (item) => item.message(1, (inner) => encodeSchema(inner, schema)));
        }),
      );
    }
  });
  out.extensions(13, operation);
}

/** ParametersItem {parameter = 1 {body_parameter = 1 | non_body_parameter = 2}}. */
function encodeParameter(out: Encoder, field: number, parameter: SwaggerParameter): void {
  out.message(field, (item) =>
    item.message(1, (choice) => {
      if (parameter.in === 'body') {
        choice.message(1, (body) => {
          body.text(2, parameter.name);
          body.text(3, parameter.in);
          body.flag(4, parameter.required);
          body.message(5, (inner) => encodeSchema(inner, parameter.schema));
        });
        return;
      }
      const query = parameter.in === 'query';
      choice.message(2, (plain) =>
        plain.message(query ? 3 : 4, (inner) => {
          if (parameter.required === true) inner.flag(1, true);
          inner.text(2, parameter.in);
          inner.text(3, parameter.description);
          inner.text(4, parameter.name);
          inner.text(query ? 6 : 5, parameter.type);
          inner.flag(query ? 20 : 19, parameter.uniqueItems);
        }),
      );
    }),
  );
}

/** Keywords of a schema that are numbers: field, and whether it is a double or an int64. */
const numbers: readonly (readonly [string, number, 'double' | 'int64'])[] = [
  ['multipleOf', 6, 'double'],
  ['maximum', 7, 'double'],
  ['minimum', 9, 'double'],
  ['maxLength', 11, 'int64'],
  ['minLength', 12, 'int64'],
  ['maxItems', 14, 'int64'],
  ['minItems', 15, 'int64'],
  ['maxProperties', 17, 'int64'],
  ['minProperties', 18, 'int64'],
];

function encodeSchema(out: Encoder, node: SchemaNode): void {
  const texts = [
    ['$ref', 1],
    ['format', 2],
    ['title', 3],
    ['description', 4],
    ['pattern', 13],
  ] as const;
  for (const [keyword, field] of texts) {
    const value = node[keyword];
    if (typeof value === 'string') out.text(field, value);
  }
  if (node['default'] !== undefined) out.any(5, node['default']);
  for (const [keyword, field, type] of numbers) {
    const value = node[keyword];
    if (typeof value !== 'number') continue;
    if (type === 'double') out.double(field, value);
    else out.int64(field, value);
  }
  for (const name of node.required ?? []) out.text(19, name);
  for (const value of node.enum ?? []) out.any(20, value);
  const { additionalProperties, type, items, properties } = node;
  if (typeof additionalProperties === 'boolean') {
    out.message(21, (item) => item.flag(2, additionalProperties));
  } else if (additionalProperties !== undefined) {
    out.message(21, (item) =>
      item.message(1, (inner) => encodeSchema(inner, additionalProperties)),
    );
  }
  if (type !== undefined) out.message(22, (item) => item.text(1, type));
  if (items !== undefined) {
    out.message(23, (item) => item.message(1, (inner) => encodeSchema(inner, items)));
  }
  if (isObject(properties)) {
    out.message(25, (all) => {
      for (const [name, child] of Object.entries(properties)) {
        all.named(1, name, (inner) => encodeSchema(inner, child));
      }
    });
  }
  out.extensions(31, node);
}
