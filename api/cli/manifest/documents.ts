import type { Document, Node, Pair, YAMLMap } from 'yaml';
import {
  isAlias,
  isCollection,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseAllDocuments,
} from 'yaml';
import { isObject, type JsonObject } from '../../machinery/json.ts';
import type { Segment } from './field-path.ts';
import { parseFieldPath } from './field-path.ts';

/** A place in a file, counted from 1. */
export interface Position {
  line: number;
  column: number;
}

/** Something wrong at a place of a file: what people read, and editors jump to. */
export interface Problem {
  /** The file as it was named, or `stdin`. */
  source: string;
  position: Position;
  /** Empty if it is about the document as a whole. */
  field: string;
  message: string;
}

/** One object of a file. */
export interface Manifest {
  source: string;
  value: JsonObject;
  /** Where a field of it stands; the nearest existing parent if it does not. */
  locate(field: string): Position;
}

/** Bounds the expansion of aliases, so that a small text cannot become a huge object. */
const maxAliasCount = 1000;

export interface ParsedText {
  manifests: Manifest[];
  problems: Problem[];
}

/** `file.yaml:7:13: spec.replicas: must be a whole number` */
export function formatProblem({ source, position, field, message }: Problem): string {
  const subject = field === '' ? '' : `${field}: `;
  return `${source}:${position.line}:${position.column}: ${subject}${message}`;
}

/**
 * The objects of a YAML or JSON text. Lists (`kind: List`) are taken apart, empty documents skipped.
 * Of a text with a mistake nothing is returned but the problems: half a file is no file.
 */
export function parseManifests(source: string, text: string): ParsedText {
  const lines = new LineCounter();
  const documents = [
    ...parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, merge: true }),
  ];
  const file = new File(source, lines);
  const problems = documents.flatMap((document) =>
    document.errors.map((error) =>
      file.problem(error.pos[0], '', `invalid YAML: ${error.message}`),
    ),
  );
  if (problems.length > 0) return { manifests: [], problems };
  const results = documents.map((document) => file.objects(document));
  return {
    manifests: results.flatMap(({ manifests }) => manifests),
    problems: results.flatMap((result) => result.problems),
  };
}

class File {
  readonly #source: string;
  readonly #lines: LineCounter;

  constructor(source: string, lines: LineCounter) {
    this.#source = source;
    this.#lines = lines;
  }

  problem(offset: number, field: string, message: string): Problem {
    return { source: this.#source, position: this.#position(offset), field, message };
  }

  objects(document: Document.Parsed): ParsedText {
    if (document.contents === null || isEmptyScalar(document.contents)) {
      return { manifests: [], problems: [] };
    }
    const start = document.contents.range[0];
    let value: unknown;
    try {
      value = document.toJS({ maxAliasCount });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return { manifests: [], problems: [this.problem(start, '', `invalid YAML: ${message}`)] };
    }
    if (!isObject(value)) {
      const message = 'a document must be an object with apiVersion, kind and metadata';
      return { manifests: [], problems: [this.problem(start, '', message)] };
    }
    return this.#split(document, value, []);
  }

  /** The object at `path` of a document, or the items of the list that it is. */
  #split(document: Document.Parsed, value: JsonObject, path: Segment[]): ParsedText {
    const items = value['items'];
    const { kind } = value;
    const typedList = typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items);
    if (kind !== 'List' && !typedList) {
      return { manifests: [this.#manifest(document, value, path)], problems: [] };
    }
    const locate = (segments: readonly Segment[]): Position =>
      this.#position(offsetOf(document, segments));
    if (!Array.isArray(items)) {
      const position = locate([...path, 'items']);
      const message = 'Required value: a List has its objects in items';
      return {
        manifests: [],
        problems: [{ source: this.#source, position, field: 'items', message }],
      };
    }
    const results = items.map((item: unknown, index): ParsedText => {
      const at = [...path, 'items', index];
      if (isObject(item)) return this.#split(document, item, at);
      const message = 'Invalid value: must be an object';
      const problem = {
        source: this.#source,
        position: locate(at),
        field: `items[${index}]`,
        message,
      };
      return { manifests: [], problems: [problem] };
    });
    return {
      manifests: results.flatMap(({ manifests }) => manifests),
      problems: results.flatMap(({ problems }) => problems),
    };
  }

  #manifest(document: Document.Parsed, value: JsonObject, path: Segment[]): Manifest {
    return {
      source: this.#source,
      value,
      locate: (field) => this.#position(offsetOf(document, [...path, ...parseFieldPath(field)])),
    };
  }

  #position(offset: number): Position {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  }
}

function isEmptyScalar(node: Node): boolean {
  return isScalar(node) && node.value === null;
}

/**
 * Offset of the node at `path`, or of its nearest parent. A scalar is at its value; a map or list is at
 * its key, since its own first character is that of its first child.
 */
function offsetOf(document: Document.Parsed, path: readonly Segment[]): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const segment of path) {
    node = resolved(document, node);
    if (isMap(node)) {
      const pair = pairOf(node, segment);
      if (pair === undefined) return offset;
      const value = resolved(document, pair.value);
      const anchor = isCollection(value) || pair.value === null ? pair.key : pair.value;
      offset = startOf(anchor) ?? offset;
      node = pair.value;
    } else if (isSeq(node) && typeof segment === 'number') {
      const item: unknown = node.items[segment];
      if (item === undefined) return offset;
      offset = startOf(item) ?? offset;
      node = item;
    } else return offset;
  }
  return offset;
}

function resolved(document: Document.Parsed, node: unknown): unknown {
  return isAlias(node) ? node.resolve(document) : node;
}

function pairOf(map: YAMLMap, segment: Segment): Pair | undefined {
  return map.items.find(({ key }) => isScalar(key) && String(key.value) === String(segment));
}

function startOf(node: unknown): number | undefined {
  const range: unknown = typeof node === 'object' && node !== null ? Reflect.get(node, 'range') : 0;
  const start: unknown = Array.isArray(range) ? range[0] : undefined;
  return typeof start === 'number' ? start : undefined;
}
