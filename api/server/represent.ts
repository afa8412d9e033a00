import type { Clock } from '../machinery/clock.ts';
import { apiVersionOf } from '../machinery/metadata.ts';
import type { Resource } from '../machinery/resource.ts';
import { negotiate, type Representation } from './negotiation.ts';
import { jsonOf, type Item } from './registry/item.ts';
import type { ItemList } from './registry/lister.ts';
import type { WatchFrame, WatchFrames } from './registry/watcher.ts';
import {
  valueAnswer,
  type ListAnswer,
  type ServerRequest,
  type ValueAnswer,
  type WatchAnswer,
} from './request.ts';
import {
  parseIncludeObject,
  partialMetadata,
  partialText,
  rowsOf,
  rowTexts,
  tableHead,
  type IncludeObject,
} from './table.ts';

/** How the objects of one answer are to look. */
export interface View {
  resource: Resource;
  representation: Representation;
  include: IncludeObject;
  /** Wall time for ages, in milliseconds. */
  now: number;
}

/** What the client asks for. Throws 406 for what there is not, 400 for an includeObject that is none. */
export function viewOf(
  resource: Resource,
  { accept, query }: Pick<ServerRequest, 'accept' | 'query'>,
  clock: Pick<Clock, 'now'>,
): View {
  const representation = negotiate(accept);
  const include = query.get('includeObject') ?? undefined;
  return {
    resource,
    representation,
    include: representation.form === 'Table' ? parseIncludeObject(include) : 'Metadata',
    now: clock.now(),
  };
}

/** One object. */
export function itemAnswer(
  view: View,
  item: Item,
  code: number,
  warnings: readonly string[] = [],
): ValueAnswer {
  const { format, form } = view.representation;
  if (form === 'Object') {
    return valueAnswer(item.object, { code, warnings, format, json: () => jsonOf(item) });
  }
  return valueAnswer(formed(view, item, true), { code, warnings, format });
}

function formed(view: View, item: Item, definitions: boolean): unknown {
  const { form, metaVersion } = view.representation;
  if (form !== 'Table') return partialMetadata(item.object, metaVersion);
  const { resource, include, now } = view;
  const metadata = { resourceVersion: item.object.metadata.resourceVersion };
  return {
    ...tableHead(resource, { metaVersion, metadata, definitions }),
    rows: [...rowsOf(resource, [item], { metaVersion, include, now })],
  };
}

function listMetadata(list: ItemList): Record<string, unknown> {
  return {
    resourceVersion: String(list.revision),
    ...(list.continueToken === undefined ? {} : { continue: list.continueToken }),
    ...(list.remaining === undefined ? {} : { remainingItemCount: list.remaining }),
  };
}

/** A list, a table of one, or a list of their metadata. */
export function listAnswer(view: View, list: ItemList): ListAnswer {
  const { resource, representation, include, now } = view;
  const { format, form, metaVersion } = representation;
  const { items } = list;
  const metadata = listMetadata(list);
  const base = { kind: 'list', code: 200, headers: {}, warnings: [], format } as const;
  if (form === 'Table') {
    const head = tableHead(resource, { metaVersion, metadata, definitions: true });
    const options = { metaVersion, include, now };
    const members = (): Iterable<unknown> => rowsOf(resource, items, options);
    const texts = (): Iterable<Uint8Array> => rowTexts(resource, items, options);
    return { ...base, head, field: 'rows', members, texts };
  }
  if (form !== 'Object') {
    const apiVersion = `meta.k8s.io/${metaVersion}`;
    const head = { kind: 'PartialObjectMetadataList', apiVersion, metadata };
    const members = (): Iterable<unknown> => partials(items, metaVersion);
    return {
      ...base,
      head,
      field: 'items',
      members,
      texts: () => partialTexts(items, metaVersion),
    };
  }
  const { gvk } = resource;
  return {
    ...base,
    head: { kind: `${gvk.kind}List`, apiVersion: apiVersionOf(gvk), metadata },
    field: 'items',
    members: () => items.map(({ object }) => object),
    texts: () => storedTexts(items),
  };
}

function* partials(items: readonly Item[], metaVersion: 'v1' | 'v1beta1'): Generator {
  for (const { object } of items) yield partialMetadata(object, metaVersion);
}

function* partialTexts(
  items: readonly Item[],
  metaVersion: 'v1' | 'v1beta1',
): Generator<Uint8Array> {
  for (const item of items) yield partialText(item, metaVersion);
}

function* storedTexts(items: readonly Item[]): Generator<Uint8Array> {
  for (const item of items) yield jsonOf(item);
}

const lineEnd = Buffer.from('}\n');
const lineStarts = {
  ADDED: Buffer.from('{"type":"ADDED","object":'),
  MODIFIED: Buffer.from('{"type":"MODIFIED","object":'),
  DELETED: Buffer.from('{"type":"DELETED","object":'),
};

/** A watch. Tables carry their column definitions in the first event only. */
export function watchAnswer(
  view: View,
  frames: AsyncIterable<WatchFrames>,
  clock: { now(): number },
): WatchAnswer {
  let definitions = true;
  const objectOf = (frame: WatchFrame): unknown => {
    if (frame.type === 'ERROR') return frame.error.toStatus();
    if (frame.type === 'BOOKMARK') return bookmarkOf(view, frame);
    if (view.representation.form === 'Object') return frame.item.object;
    const object = formed({ ...view, now: clock.now() }, frame.item, definitions);
    definitions = false;
    return object;
  };
  const event = (frame: WatchFrame): { type: string; object: unknown } => ({
    type: frame.type,
    object: objectOf(frame),
  });
  const plain = view.representation.form === 'Object';
  return {
    kind: 'watch',
    code: 200,
    headers: {},
    warnings: [],
    frames,
    event,
    line: (frame) =>
      plain && 'item' in frame
        ? [lineStarts[frame.type], jsonOf(frame.item), lineEnd]
        : [Buffer.from(`${JSON.stringify(event(frame))}\n`)],
  };
}

/** Tells that the initial events of a watch have all been sent; clients look for it by this name. */
const initialEventsEnd = { 'k8s.io/initial-events-end': 'true' };

/** Of the resource's own kind: informers drop bookmarks of another. */
function bookmarkOf(
  { resource, representation }: View,
  frame: Extract<WatchFrame, { type: 'BOOKMARK' }>,
): unknown {
  const { gvk } = resource;
  const { form, metaVersion } = representation;
  const own = { kind: gvk.kind, apiVersion: apiVersionOf(gvk) };
  const meta = { kind: form, apiVersion: `meta.k8s.io/${metaVersion}` };
  const metadata = {
    resourceVersion: String(frame.revision),
    creationTimestamp: null,
    ...(frame.initialEventsEnd === true ? { annotations: initialEventsEnd } : {}),
  };
  if (form === 'Table') return { ...meta, metadata, columnDefinitions: null, rows: [] };
  return { ...(form === 'Object' ? own : meta), metadata };
}
