import { isScalar, parseDocument, visit, type Document } from 'yaml';
import { isObject } from '../machinery/json.ts';

/** A body that is no document; the message says where and why. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
}

/** Deepest nesting of a document: no kind comes near it, and every walk over one may recurse. */
export const maxDepth = 64;

/**
 * Longest text that is parsed as YAML, in characters: it takes a second or so, in which the process does
 * nothing else. Clients send what is longer as JSON, which takes a few milliseconds.
 */
export const maxYamlLength = 512 * 1024;

/** UTF-8 bytes to text. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new DecodeError('the body is not valid UTF-8', { cause: error });
  }
}

/**
 * Strict JSON: refuses what JSON.parse would swallow: keys given twice, the key `__proto__`, nesting
 * deeper than `maxDepth`, and numbers that a double cannot hold (whole ones beyond 2^53, infinities).
 */
export function decodeJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (text.trim() === '') throw new DecodeError('unexpected end of JSON input (<empty>)');
    throw new DecodeError(error instanceof Error ? error.message : String(error), { cause: error });
  }
  new JsonScan(text).check();
  return value;
}

/** One YAML document (JSON is YAML too) under the same rules. */
export function decodeYaml(text: string): unknown {
  // Most of what comes as YAML is JSON, which is read many times faster.
  if (isJson(text)) return decodeJson(text);
  if (text.length > maxYamlLength) {
    throw new DecodeError(`YAML may have ${maxYamlLength} characters: send it as JSON`);
  }
  let value: unknown;
  try {
    const document = parseDocument(text, {
      // The parser's own search for keys given twice takes minutes for a body full of keys.
      uniqueKeys: false,
      stringKeys: true,
      schema: 'core',
    });
    const [problem] = document.errors;
    if (problem !== undefined) throw problem;
    checkNodes(document);
    value = document.toJS({ maxAliasCount: 50 });
  } catch (error) {
    if (error instanceof DecodeError) throw error;
    throw new DecodeError(error instanceof Error ? error.message : String(error), { cause: error });
  }
  checkValue(value, 0);
  return value;
}

/** Most aliases of one document: each is looked for among all anchors. */
const maxAliases = 100;

/** What has to be found before the document is built: keys given twice, and too many aliases. */
function checkNodes(document: Document): void {
  let aliases = 0;
  visit(document, {
    Alias: () => {
      aliases += 1;
      if (aliases > maxAliases) throw new DecodeError(`more than ${maxAliases} aliases`);
    },
    Map: (_key, { items }) => {
      const seen = new Set<unknown>();
      for (const { key } of items) {
        const name = isScalar(key) ? key.value : key;
        if (seen.has(name)) throw new DecodeError(`duplicate field "${String(name)}"`);
        seen.add(name);
      }
    },
  });
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function checkValue(value: unknown, depth: number): void {
  if (typeof value === 'number') checkNumber(value, String(value));
  else if (Array.isArray(value)) {
    checkDepth(depth + 1);
    for (const item of value) checkValue(item, depth + 1);
  } else if (isObject(value)) {
    checkDepth(depth + 1);
    for (const [key, child] of Object.entries(value)) {
      checkKey(key);
      checkValue(child, depth + 1);
    }
  } else if (value !== null && typeof value !== 'string' && typeof value !== 'boolean') {
    throw new DecodeError(`a value of type ${typeof value} has no JSON form`);
  }
}

function checkDepth(depth: number): void {
  if (depth > maxDepth) throw new DecodeError(`nested deeper than ${maxDepth} levels`);
}

function checkNumber(value: number, literal: string): void {
  if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) {
    const shown = literal.length > 40 ? `${literal.slice(0, 40)}…` : literal;
    throw new DecodeError(`number ${shown} is out of range: quote it if its digits matter`);
  }
}

function checkKey(key: string): void {
  if (key === '__proto__') throw new DecodeError('the key "__proto__" is not allowed');
}

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;

/** A walk over JSON text that JSON.parse has already accepted, so syntax is not its business. */
class JsonScan {
  readonly #text: string;
  #position = 0;
  /** Keys seen in each open object; undefined for an open array. */
  readonly #open: (Set<string> | undefined)[] = [];
  #expectKey = false;

  constructor(text: string) {
    this.#text = text;
  }

  check(): void {
    const length = this.#text.length;
    while (this.#position < length) this.#step(this.#text.charCodeAt(this.#position));
  }

  #step(code: number): void {
    switch (code) {
      case openBrace:
      case openBracket:
        this.#open.push(code === openBrace ? new Set() : undefined);
        checkDepth(this.#open.length);
        this.#expectKey = code === openBrace;
        this.#position += 1;
        return;
      case closeBrace:
      case closeBracket:
        this.#open.pop();
        this.#expectKey = false;
        this.#position += 1;
        return;
      case comma:
        this.#expectKey = this.#open.at(-1) !== undefined;
        this.#position += 1;
        return;
      case colon:
        this.#expectKey = false;
        this.#position += 1;
        return;
      case quote:
        this.#string();
        return;
      default:
        if (code === 0x2d || (code >= 0x30 && code <= 0x39)) this.#number();
        else this.#position += 1;
    }
  }

  #string(): void {
    const start = this.#position;
    let escaped = false;
    let at = start + 1;
    for (;;) {
      const code = this.#text.charCodeAt(at);
      if (code === quote) break;
      if (code === backslash) {
        escaped = true;
        at += 1;
      }
      at += 1;
    }
    this.#position = at + 1;
    if (!this.#expectKey) return;
    const raw = this.#text.slice(start + 1, at);
    this.#key(escaped ? String(JSON.parse(`"${raw}"`)) : raw);
  }

  #key(key: string): void {
    checkKey(key);
    const seen = this.#open.at(-1);
    if (seen?.has(key) === true) throw new DecodeError(`duplicate field "${key}"`);
    seen?.add(key);
  }

  #number(): void {
    const found = /[-+.\deE]+/y;
    found.lastIndex = this.#position;
    const literal = found.exec(this.#text)?.[0] ?? '';
    this.#position += literal.length;
    if (literal.length > 15 || literal.includes('e') || literal.includes('E')) {
      checkNumber(Number(literal), literal);
    }
  }
}
