import type { FieldError } from '../../machinery/errors.ts';
import { isObject, own, type JsonObject } from '../../machinery/json.ts';
import type { AnyResource, Resource } from '../../machinery/resource.ts';
import { apiVersionOf } from '../../machinery/metadata.ts';
import { resources } from '../../v1/resources.ts';
import { builtInKinds, type Kind, type Kinds } from '../kinds.ts';
import { closestWord } from '../../machinery/suggest.ts';
import type { Manifest, Problem } from './documents.ts';

/** Where objects without a namespace go. */
export interface NamespaceChoice {
  namespace: string;
  /** Given with -n: no object may name another. */
  namespaceChosen: boolean;
  /** What files may hold; what cosm was built with if absent. */
  kinds?: Kinds;
  /** A generateName will do: the objects are made anew. */
  mayGenerateNames?: boolean;
}

/** An object of a file whose kind and name are known. */
export interface Item {
  manifest: Manifest;
  resource: Kind;
  /** Empty if the server makes it from generateName. */
  name: string;
  namespace: string | undefined;
  /** The document as it is sent: with its namespace. */
  document: JsonObject;
}

export type Checked = { item: Item; problems: Problem[] } | { item?: never; problems: Problem[] };

/** Finds out what a document is and where it belongs; nothing more, so that it serves delete too. */
export function identify(manifest: Manifest, choice: NamespaceChoice): Checked {
  const refuse = (field: string, message: string): Checked => ({
    problems: [problemAt(manifest, { field, message })],
  });
  const { apiVersion, kind } = manifest.value;
  if (typeof apiVersion !== 'string') return refuse('apiVersion', missingText('apiVersion'));
  if (typeof kind !== 'string') return refuse('kind', missingText('kind'));
  const kinds = choice.kinds ?? builtInKinds;
  const resource = kinds.ofObject(apiVersion, kind);
  if (resource === undefined) return refuse(...unknownKind(apiVersion, kind, kinds));
  const metadata = own(manifest.value, 'metadata');
  if (!isObject(metadata)) return refuse('metadata', 'Required value: must be an object');
  const generates = choice.mayGenerateNames === true && leavesName(metadata);
  const name = generates ? '' : own(metadata, 'name');
  if (typeof name !== 'string' || (name === '' && !generates)) {
    return refuse('metadata.name', 'Required value: must be a string; give the object a name');
  }
  const namespace = namespaceOf(resource, own(metadata, 'namespace'), choice);
  if (namespace.refusal !== undefined) return refuse('metadata.namespace', namespace.refusal);
  const document =
    namespace.value === undefined
      ? manifest.value
      : { ...manifest.value, metadata: { ...metadata, namespace: namespace.value } };
  return { item: { manifest, resource, name, namespace: namespace.value, document }, problems: [] };
}

function leavesName(metadata: JsonObject): boolean {
  const { name = '', generateName } = metadata;
  return name === '' && typeof generateName === 'string' && generateName !== '';
}

/** Holds a document against the schema and the rules of its kind, if they are known on this side. */
export function check(item: Item): Problem[] {
  const rules: Pick<Resource, 'parse' | 'defaults' | 'validate'> | undefined = rulesOf(item);
  if (rules === undefined) return [];
  const parsed = rules.parse(item.document);
  const errors = parsed.ok ? rules.validate(rules.defaults(parsed.value), {}) : parsed.errors;
  return errors
    .filter((error) => !mayBeGiven(error))
    .map((error) => problemAt(item.manifest, error));
}

/** A request that is left open: a LimitRange may give it, so the server alone can tell whether it is missing. */
function mayBeGiven({ field, reason }: FieldError): boolean {
  return (
    reason === 'FieldValueRequired' && /\.containers\[\d+\]\.resources\.requests\.\w+$/.test(field)
  );
}

function rulesOf({ resource: { gvk } }: Item): AnyResource | undefined {
  const isOfKind = (own: AnyResource['gvk']): boolean =>
    own.kind === gvk.kind && apiVersionOf(own) === apiVersionOf(gvk);
  return resources.find((own) => isOfKind(own.gvk));
}

/** Objects that are given twice: which of the two is meant cannot be known. */
export function duplicates(items: readonly Item[]): Problem[] {
  const seen = new Map<string, Item>();
  return items.flatMap((item) => {
    if (item.name === '') return [];
    const { plural, gvk } = item.resource;
    const key = [gvk.group, plural, item.namespace ?? '', item.name].join('/');
    const first = seen.get(key);
    if (first === undefined) {
      seen.set(key, item);
      return [];
    }
    const { line } = first.manifest.locate('metadata.name');
    const message = `Duplicate value: ${item.resource.gvk.kind} "${item.name}" is given in ${first.manifest.source}:${line} too; remove one`;
    return [problemAt(item.manifest, { field: 'metadata.name', message })];
  });
}

export function problemAt(
  manifest: Manifest,
  { field, message }: Pick<FieldError, 'field' | 'message'>,
): Problem {
  return { source: manifest.source, position: manifest.locate(field), field, message };
}

function missingText(field: string): string {
  const example = field === 'kind' ? 'Job' : 'mesocosm.dev/v1';
  return `Required value: must be a string such as ${example}`;
}

function unknownKind(apiVersion: string, kind: string, { all }: Kinds): [string, string] {
  const kinds = [...new Set(all.map(({ gvk }) => gvk.kind))];
  const others = all.filter(({ gvk }) => gvk.kind === kind);
  const [other] = others;
  if (other !== undefined) {
    const right = apiVersionOf(other.gvk);
    return ['apiVersion', `Invalid value: "${apiVersion}" has no ${kind}; it is in ${right}`];
  }
  const near = closestWord(kind, kinds);
  const there = new Set(
    all.filter(({ gvk }) => apiVersionOf(gvk) === apiVersion).map(({ gvk }) => gvk.kind),
  );
  const hint =
    near === undefined
      ? `there is ${[...(there.size === 0 ? kinds : there)].join(', ')}`
      : `did you mean ${near}?`;
  return ['kind', `Unsupported value: no kind "${kind}" in ${apiVersion}; ${hint}`];
}

function namespaceOf(
  resource: Kind,
  given: unknown,
  { namespace, namespaceChosen }: NamespaceChoice,
): { value: string | undefined; refusal?: string } {
  const { kind } = resource.gvk;
  const absent = given === undefined || given === null || given === '';
  if (!resource.namespaced) {
    if (absent) return { value: undefined };
    return { value: undefined, refusal: `Forbidden: a ${kind} is in no namespace; remove it` };
  }
  if (absent) return { value: namespace };
  if (typeof given !== 'string')
    return { value: undefined, refusal: 'Invalid value: must be a string' };
  if (namespaceChosen && given !== namespace) {
    const refusal = `Invalid value: "${given}" is not the namespace "${namespace}" that -n chose; leave out one of them`;
    return { value: undefined, refusal };
  }
  return { value: given };
}
