import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../api/machinery/random.ts';
import { parseWatchOptions } from '../../../../api/server/query.ts';
import { erased } from '../../../../api/server/registry/erase.ts';
import { Watcher } from '../../../../api/server/registry/watcher.ts';
import { decodeObject } from '../../../../api/server/registry/item.ts';
import { WatchCache } from '../../../../api/storage/cache.ts';
import { MemoryStorage } from '../../../../api/storage/memory.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';
import { at, startHarness, textAt, widget, widgets, type Harness } from './support/harness.ts';
import { widgetResource } from './support/widget.ts';

let api: Harness;
let clock: VirtualClock;
beforeEach(async () => {
  clock = new VirtualClock();
  api = await startHarness({ clock, storage: new MemoryStorage({ clock }) });
});
afterEach(() => api.stop());

const watchList = { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' };
const bookmarks = { allowWatchBookmarks: 'true' };

/** The events of a watch in a word each, as they come. */
function watch(query: Record<string, string>, accept?: string) {
  const stop = new AbortController();
  const request = { method: 'GET', path: widgets, query: { watch: 'true', ...query } } as const;
  const events: AsyncIterator<unknown, unknown> = api.transport
    .watch({ ...request, ...(accept === undefined ? {} : { accept }) }, stop.signal)
    [Symbol.asyncIterator]();
  const raw = async (): Promise<unknown> => (await events.next()).value;
  return { raw, next: async () => brief(await raw()), stop: () => stop.abort() };
}

function brief(event: unknown): string {
  const metadata = at(event, 'object.metadata');
  const end = at(metadata, 'annotations.k8s.io/initial-events-end') ?? annotation(metadata);
  const version = textAt(metadata, 'resourceVersion');
  const mark = end === 'true' ? 'initial-events-end ' : '';
  return `${textAt(event, 'type')} ${mark}${textAt(metadata, 'name')}@${version}`;
}

/** The name of the annotation has dots itself. */
function annotation(metadata: unknown): unknown {
  const annotations = at(metadata, 'annotations');
  return typeof annotations === 'object' && annotations !== null
    ? Object.entries(annotations).find(([name]) => name === 'k8s.io/initial-events-end')?.[1]
    : undefined;
}

async function create(name: string): Promise<string> {
  const answer = await api.send('POST', widgets, { body: widget(name) });
  expect(answer.code).toBe(201);
  return textAt(answer.body, 'metadata.resourceVersion');
}

describe('a watch with sendInitialEvents', () => {
  it.each([{}, { resourceVersion: '' }, { resourceVersion: '0' }, { resourceVersion: '1' }])(
    'sends what there is, a bookmark that says so, then changes: %o',
    async (version) => {
      const a = await create('a');
      const b = await create('b');
      const events = watch({ ...watchList, ...bookmarks, ...version });
      expect(await events.next()).toBe(`ADDED a@${a}`);
      expect(await events.next()).toBe(`ADDED b@${b}`);
      expect(await events.next()).toBe(`BOOKMARK initial-events-end @${b}`);
      const c = await create('c');
      expect(await events.next()).toBe(`ADDED c@${c}`);
      events.stop();
    },
  );

  it('marks the end of nothing, too', async () => {
    const { body } = await api.send('GET', widgets);
    const version = textAt(body, 'metadata.resourceVersion');
    const events = watch({ ...watchList, ...bookmarks });
    expect(await events.next()).toBe(`BOOKMARK initial-events-end @${version}`);
    events.stop();
  });

  it('waits for a version that other servers have written, and refuses one that does not come', async () => {
    const a = Number(await create('a'));
    const soon = watch({ ...watchList, ...bookmarks, resourceVersion: String(a + 1) });
    const first = soon.next();
    await create('b');
    expect(await first).toBe(`ADDED a@${a}`);
    const never = watch({ ...watchList, ...bookmarks, resourceVersion: String(a + 9) });
    const refused = never.raw().catch((error: unknown) => error);
    await clock.advance(3_100);
    expect(await refused).toMatchObject({
      code: 504,
      reason: 'Timeout',
      details: { causes: [{ reason: 'ResourceVersionTooLarge' }], retryAfterSeconds: 1 },
    });
    soon.stop();
  });

  it('filters what there is and what comes', async () => {
    await create('a');
    const b = await create('b');
    const query = { ...watchList, ...bookmarks, fieldSelector: 'metadata.name=b' };
    const events = watch(query);
    expect(await events.next()).toBe(`ADDED b@${b}`);
    expect(await events.next()).toBe(`BOOKMARK initial-events-end @${b}`);
    events.stop();
  });

  it('sends no bookmark to whoever takes none', async () => {
    const a = await create('a');
    const events = watch(watchList);
    expect(await events.next()).toBe(`ADDED a@${a}`);
    const b = await create('b');
    expect(await events.next()).toBe(`ADDED b@${b}`);
    events.stop();
  });

  it('comes as tables with the mark in their metadata', async () => {
    await create('a');
    const events = watch(
      { ...watchList, ...bookmarks },
      'application/json;as=Table;v=v1;g=meta.k8s.io',
    );
    const added = await events.raw();
    expect(at(added, 'object.kind')).toBe('Table');
    expect(at(added, 'object.rows.0.cells.0')).toBe('a');
    const end = await events.raw();
    expect(brief(end)).toMatch(/^BOOKMARK initial-events-end @\d+$/);
    expect(at(end, 'object.kind')).toBe('Table');
    expect(at(end, 'object.rows')).toEqual([]);
    events.stop();
  });

  it.each([{ resourceVersion: '' }, { resourceVersion: '0' }])(
    'false begins with the next change: %o',
    async (version) => {
      await create('a');
      const events = watch({ ...watchList, ...bookmarks, ...version, sendInitialEvents: 'false' });
      const next = events.next();
      // Whether the watch is open shows only in what it sends: one event that is not about `a`.
      await clock.advance(1);
      const b = await create('b');
      expect(await next).toBe(`ADDED b@${b}`);
      events.stop();
    },
  );

  it('false goes on after a version', async () => {
    const a = await create('a');
    const b = await create('b');
    const events = watch({ ...watchList, sendInitialEvents: 'false', resourceVersion: a });
    expect(await events.next()).toBe(`ADDED b@${b}`);
    events.stop();
  });
});

describe('the options of a watch', () => {
  const needsMatch =
    'resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan';
  const unsupported = (value: string): string =>
    `resourceVersionMatch: Unsupported value: "${value}": supported values: "NotOlderThan"`;
  const needsInitial =
    'resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided';
  const noContinue =
    'resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided';

  it.each([
    ['sendInitialEvents=true', [needsMatch]],
    ['sendInitialEvents=false', [needsMatch]],
    [
      'sendInitialEvents=true&resourceVersionMatch=Exact&resourceVersion=1',
      [needsMatch, unsupported('Exact')],
    ],
    ['resourceVersionMatch=NotOlderThan', [needsInitial]],
    ['resourceVersionMatch=bogus', [needsInitial, unsupported('bogus')]],
    ['sendInitialEvents=1&resourceVersionMatch=NotOlderThan&continue=x', [noContinue]],
  ])('are refused with 422: %s', (query, messages) => {
    let refused: unknown;
    try {
      parseWatchOptions(new URLSearchParams(query));
    } catch (error) {
      refused = error;
    }
    const listed = messages.length === 1 ? messages.join() : `[${messages.join(', ')}]`;
    expect(refused).toMatchObject({
      code: 422,
      reason: 'Invalid',
      message: `ListOptions.meta.k8s.io "" is invalid: ${listed}`,
    });
  });

  it('for lists have no sendInitialEvents', async () => {
    const answer = await api.send('GET', widgets, { query: { sendInitialEvents: 'false' } });
    expect(answer.code).toBe(422);
    expect(textAt(answer.body, 'message')).toContain(
      'sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list',
    );
  });

  it('default to initial events where the client has no version', () => {
    const of = (query: string): boolean =>
      parseWatchOptions(new URLSearchParams(query)).initialEvents;
    expect([of(''), of('resourceVersion=0'), of('resourceVersion=7')]).toEqual([true, true, false]);
    const given = 'resourceVersionMatch=NotOlderThan&sendInitialEvents';
    expect([of(`${given}=`), of(`${given}=False`), of(`${given}=0`)]).toEqual([true, false, false]);
  });
});

it('the state that a watch began with is kept no longer than it is being sent', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const storage = new MemoryStorage({ clock });
  const cache = new WatchCache({
    storage,
    clock,
    random: seededRandom(1),
    decode: decodeObject,
    limits: { events: 10 },
    onError: () => undefined,
  });
  const stop = new AbortController();
  const running = cache.run(stop.signal);
  const value = Buffer.from(JSON.stringify(widget('a')));
  const key = '/conformance.dev/widgets/default/a';
  const created = await storage.create(key, value);
  await cache.waitFor(created.revision, 1_000);
  const watcher = new Watcher({
    resource: erased(widgetResource),
    cache,
    clock,
    random: seededRandom(1),
  });
  const options = parseWatchOptions(new URLSearchParams());
  const frames = (await watcher.open(undefined, options, stop.signal))[Symbol.asyncIterator]();
  const sent = await (async () => {
    const first = await frames.next();
    if (first.done === true) throw new Error('the watch has ended');
    const [frame] = first.value;
    if (frame === undefined || !('item' in frame)) throw new Error('nothing was added');
    return new WeakRef(frame.item.object);
  })();
  const next = frames.next();
  await storage.update(key, value, created.revision);
  await next;
  void frames.next();
  // The log of the cache lets go of what was replaced with its event.
  for (let count = 0; count < 50; count += 1) {
    await storage.create(`/conformance.dev/widgets/other/${count}`, value);
  }
  for (let attempt = 0; attempt < 50 && sent.deref() !== undefined; attempt += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    collect();
  }
  stop.abort();
  await running;
  expect(sent.deref()).toBeUndefined();
});
