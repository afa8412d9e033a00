import { isObject, jsonEqual, own, type JsonObject } from '../../machinery/json.ts';
import { threeWayMergePatch } from '../apply/merge.ts';
import { parseManifests } from '../manifest/documents.ts';
import { withoutManagedFields, yamlText } from '../output/objects.ts';

const introduction = [
  'Change the object below; lines that begin with # are left out. An empty file changes nothing.',
];

/** What the editor shows: the object, or the text that was refused, under what there is to say of it. */
export function editorText(body: string, remarks: readonly string[]): string {
  const lines = [...introduction, ...remarks].flatMap((remark) => remark.split('\n'));
  return `${lines.map((line) => `# ${line}\n`).join('')}#\n${body}`;
}

export function bodyOf(object: JsonObject): string {
  return yamlText(withoutManagedFields(object));
}

/** The text without the lines above it that are ours, or any other comment that begins a line. */
export function withoutComments(text: string): string {
  return text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n');
}

export type Edited = { patch: JsonObject } | { problems: string[] };

/** The merge patch that makes `original` what the text says. An empty one: nothing is to be changed. */
export function patchOf(original: JsonObject, text: string): Edited {
  const { manifests, problems } = parseManifests('', text);
  if (problems.length > 0) {
    return {
      problems: problems.map(({ position, field, message }) =>
        [`line ${position.line}`, field, message].filter((part) => part !== '').join(': '),
      ),
    };
  }
  const [manifest, ...others] = manifests;
  if (manifest === undefined || others.length > 0) {
    return { problems: ['the file must hold this one object'] };
  }
  const edited = manifest.value;
  const before = withoutManagedFields(original);
  const moved = identity.filter((path) => !jsonEqual(at(before, path), at(edited, path)));
  if (moved.length > 0) {
    const names = moved.map((path) => path.join('.'));
    return { problems: [`${names.join(', ')} cannot be changed: it would be another object`] };
  }
  return { patch: threeWayMergePatch(before, edited, before) };
}

const identity = [['apiVersion'], ['kind'], ['metadata', 'name'], ['metadata', 'namespace']];

function at(object: JsonObject, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (isObject(value) ? own(value, key) : undefined),
    object,
  );
}

/** Fields that the patch changes and that somebody has changed too since `original` was read. */
export function overlaps(
  patch: JsonObject,
  original: JsonObject,
  live: JsonObject,
  path = '',
): string[] {
  return Object.entries(patch).flatMap(([key, wanted]) => {
    const field = path === '' ? key : `${path}.${key}`;
    const [was, is] = [own(original, key), own(live, key)];
    if (isObject(wanted) && isObject(was) && isObject(is)) return overlaps(wanted, was, is, field);
    return jsonEqual(was, is) ? [] : [field];
  });
}
