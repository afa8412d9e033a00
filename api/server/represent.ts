import { apiVersionOf } from '../machinery/metadata.ts';
import type { Resource } from '../machinery/resource.ts';
import type { Representation } from './negotiation.ts';
import { jsonOf, type Item } from './registry/item.ts';
import type { ItemList } from './registry/lister.ts';
import type { WatchFrame, WatchFrames } from './registry/watcher.ts';
import { valueAnswer, type ValueAnswer, type WatchAnswer } from './request.ts';
import { partialMetadata, tableOf, type IncludeObject } from './table.ts';

/** How the objects of one answer are to look. */
export interface View {
  resource: Resource;
  representation: Representation;
  include: IncludeObject;
  /** Wall time for ages, in milliseconds. */
  now: number;
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
    return valueAnswer(item.object, { code, warnings, format, pieces: () => [jsonOf(item)] });
  }
  return valueAnswer(formed(view, item, true), { code, warnings, format });
}

function formed(view: View, item: Item, definitions: boolean): unknown {
  const { form, metaVersion } = view.representation;
  if (form !== 'Table') return partialMetadata(item.object, metaVersion);
  return tableOf(view.resource, [item], {
    metaVersion,
    include: view.include,
    now: view.now,
    metadata: { resourceVersion: item.object.metadata.resourceVersion },
    definitions,
  });
}

function listMetadata(list: ItemList): Record<string, unknown> {
  return {
    resourceVersion: String(list.revision),
    ...(list.continueToken === undefined ? {} : { continue: list.continueToken }),
    ...(list.remaining === undefined ? {} : { remainingItemCount: list.remaining }),
  };
}

/** A list, a table of one, or a list of their metadata. */
export function listAnswer(view: View, list: ItemList): ValueAnswer {
  const { format, form, metaVersion } = view.representation;
  const metadata = listMetadata(list);
  if (form === 'Table') {
    const { resource, include, now } = view;
    const table = { metaVersion, include, now, metadata, definitions: true };
    return valueAnswer(tableOf(resource, list.items, table), { format });
  }
  if (form !== 'Object') {
    return valueAnswer(
      {
        kind: 'PartialObjectMetadataList',
        apiVersion: `meta.k8s.io/${metaVersion}`,
        metadata,
        items: list.items.map(({ object }) => partialMetadata(object, metaVersion)),
      },
      { format },
    );
  }
  const { gvk } = view.resource;
  const head = { kind: `${gvk.kind}List`, apiVersion: apiVersionOf(gvk), metadata };
  const value = { ...head, items: list.items.map(({ object }) => object) };
  return valueAnswer(value, { format, pieces: () => listPieces(head, list.items) });
}

const comma = Buffer.from(',');

function* listPieces(head: object, items: readonly Item[]): Generator<Uint8Array> {
  yield Buffer.from(`${JSON.stringify(head).slice(0, -1)},"items":[`);
  let first = true;
  for (const item of items) {
    if (!first) yield comma;
    first = false;
    yield jsonOf(item);
  }
  yield Buffer.from(']}\n');
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
