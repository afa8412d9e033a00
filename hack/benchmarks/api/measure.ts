import { pause } from '../etcd-baseline.ts';
import { percentile } from '../statistics.ts';
import { jobOf, jobPath, jobs, labelled, tableAccept } from './objects.ts';
import type { Sent, Target, WatchStream } from './target.ts';

export interface ApiBenchOptions {
  /** Objects when lists are measured first, and at the end. */
  few: number;
  many: number;
  /** Requests under way at a time. */
  concurrency: number;
  /** How long each kind of request is measured. */
  seconds: number;
  /** How often each list is asked for. */
  lists: number;
  /** Watchers, first and at the end. */
  watchers: number;
  moreWatchers: number;
  /** Changes that the watchers see, one after another. */
  changes: number;
}

/** How many a second, and what each cost the server: of what shares the machine's cores, both count. */
export interface Speed {
  perSecond: number;
  cpuMicroseconds: number;
}

/** What one server did. */
export interface ApiFigures {
  speeds: Record<'create' | 'get' | 'patch' | 'apply' | 'delete', Speed>;
  lists: ListFigures[];
  fanOuts: FanOut[];
  bytesPerObject: number;
  bytesPerWatcher: number;
  peakRssBytes: number;
}

export interface ListFigures {
  objects: number;
  form: string;
  perSecond: number;
  /** Longest that nothing else was answered meanwhile, in milliseconds. */
  blockedMs: number;
}

export interface FanOut extends Speed {
  watchers: number;
  /** From the sending of a change to its event. */
  p50: number;
  p99: number;
}

type Say = (line: string) => void;

export async function measureApi(
  target: Target,
  options: ApiBenchOptions,
  say: Say,
): Promise<ApiFigures> {
  const { few, many, concurrency, seconds, watchers, moreWatchers } = options;
  const empty = await memoryOf(target);
  const lists: ListFigures[] = [];
  await timed(few, concurrency, (index) => create(target, index));
  lists.push(...(await measureLists(target, few, options)));
  const creating = await speed(target, () =>
    timed(many - few, concurrency, (index) => create(target, few + index)),
  );
  await pause(1_000);
  const full = await memoryOf(target);
  lists.push(...(await measureLists(target, many, options)));
  const during = (work: (index: number) => Promise<unknown>): Promise<Speed> =>
    speed(target, () => rate(seconds, concurrency, work));
  const random = (index: number): number => (index * 7_919) % many;
  const speeds = {
    create: creating,
    get: await during((index) => target.send({ method: 'GET', path: jobPath(random(index)) })),
    patch: await during((index) => target.send(patchOf(random(index), index))),
    apply: await during((index) => target.send(applyOf(random(index), index))),
  };
  say(row(target.name, speeds));
  for (const list of lists) say(listRow(target.name, list));
  const fanOuts: FanOut[] = [];
  const quiet = await memoryOf(target);
  let perWatcher = 0;
  for (const count of [watchers, moreWatchers]) {
    const fanOut = await measureFanOut(target, count, options.changes, async () => {
      perWatcher = ((await memoryOf(target)) - quiet) / count;
    });
    say(fanOutRow(target.name, fanOut));
    fanOuts.push(fanOut);
  }
  const deleting = await speed(target, () =>
    timed(many, concurrency, (index) => target.send({ method: 'DELETE', path: jobPath(index) })),
  );
  const { peakRssBytes } = target.process.usage();
  const bytesPerObject = (full - empty) / many;
  say(
    `${row(target.name, { delete: deleting })}; ${kib(bytesPerObject)} an object, ` +
      `${kib(perWatcher)} a watcher, peak RSS ${(peakRssBytes / 1024 ** 2).toFixed(0)} MiB`,
  );
  return {
    speeds: { ...speeds, delete: deleting },
    lists,
    fanOuts,
    bytesPerObject,
    bytesPerWatcher: perWatcher,
    peakRssBytes,
  };
}

function create(target: Target, index: number): Promise<Buffer> {
  return target.send({ method: 'POST', path: jobs, body: jobOf(index) });
}

function patchOf(index: number, value: number): Sent {
  return {
    method: 'PATCH',
    path: jobPath(index),
    contentType: 'application/merge-patch+json',
    body: { metadata: { annotations: { change: String(value) } } },
  };
}

function applyOf(index: number, value: number): Sent {
  return {
    method: 'PATCH',
    path: `${jobPath(index)}?fieldManager=bench&force=true`,
    contentType: 'application/apply-patch+yaml',
    body: {
      apiVersion: 'mesocosm.dev/v1',
      kind: 'Job',
      metadata: { name: jobPath(index).split('/').at(-1), annotations: { applied: String(value) } },
    },
  };
}

/** What `work`, which tells how many it did and how fast, cost the server. */
async function speed(target: Target, work: () => Promise<Pace>): Promise<Speed> {
  const before = target.process.usage().cpuSeconds;
  const { count, seconds } = await work();
  const cpuSeconds = target.process.usage().cpuSeconds - before;
  return { perSecond: count / seconds, cpuMicroseconds: (cpuSeconds / count) * 1e6 };
}

interface Pace {
  count: number;
  seconds: number;
}

/** `count` works, `concurrency` under way at a time. */
async function timed(
  count: number,
  concurrency: number,
  work: (index: number) => Promise<unknown>,
): Promise<Pace> {
  const began = performance.now();
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      next += 1;
      await work(next - 1);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return { count, seconds: (performance.now() - began) / 1000 };
}

/** As many works as there is time for, `concurrency` under way at a time. */
async function rate(
  seconds: number,
  concurrency: number,
  work: (index: number) => Promise<unknown>,
): Promise<Pace> {
  const began = performance.now();
  const end = began + seconds * 1000;
  let count = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() < end) {
      count += 1;
      await work(count);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return { count, seconds: (performance.now() - began) / 1000 };
}

/** What is kept: after a collection where the program can be asked, else the resident memory. */
async function memoryOf(target: Target): Promise<number> {
  if (target.name !== 'cosmd') return target.process.usage().rssBytes;
  const { heapLive, external } = await target.process.memory();
  return heapLive + external;
}

const lagPattern = /^nodejs_eventloop_lag_seconds (\S+)$/m;

/** The longest delay of the server's event loop since the last look, in milliseconds; NaN if it has none. */
async function blockedMs(target: Target): Promise<number> {
  const text = (await target.send({ method: 'GET', path: '/metrics' })).toString();
  return Number(lagPattern.exec(text)?.[1] ?? Number.NaN) * 1000;
}

async function measureLists(
  target: Target,
  objects: number,
  { lists }: ApiBenchOptions,
): Promise<ListFigures[]> {
  const forms: Record<string, () => Promise<unknown>> = {
    whole: () => target.send({ method: 'GET', path: jobs }),
    paged: () => everyPage(target),
    'by label': () => target.send({ method: 'GET', path: labelled }),
    table: () => target.send({ method: 'GET', path: jobs, accept: tableAccept }),
  };
  const figures: ListFigures[] = [];
  for (const [form, ask] of Object.entries(forms)) {
    await ask();
    await blockedMs(target);
    const { count, seconds } = await timed(lists, 1, ask);
    figures.push({
      objects,
      form,
      perSecond: count / seconds,
      blockedMs: await blockedMs(target),
    });
  }
  return figures;
}

/** Before the items of a list, or after them. To parse them all would measure the client. */
const continuePattern = /"continue":"([^"]+)"/;
const edgeBytes = 1_000;

async function everyPage(target: Target): Promise<void> {
  let path: string | undefined = `${jobs}?limit=500`;
  while (path !== undefined) {
    const bytes = await target.send({ method: 'GET', path });
    const edges = [bytes.subarray(0, edgeBytes), bytes.subarray(-edgeBytes)].join();
    const token = continuePattern.exec(edges)?.[1];
    path =
      token === undefined ? undefined : `${jobs}?limit=500&continue=${encodeURIComponent(token)}`;
  }
}

const newline = 0x0a;

/** Changes one object again and again, each time once every watcher has seen the last change. */
async function measureFanOut(
  target: Target,
  count: number,
  changes: number,
  whenOpen: () => Promise<void>,
): Promise<FanOut> {
  const path = `${jobs}?watch=true&resourceVersion=0&fieldSelector=metadata.name%3D${jobPath(0).split('/').at(-1)}`;
  let lines = 0;
  let sentAt = 0;
  const latencies: number[] = [];
  let arrived = (): void => undefined;
  const streams: WatchStream[] = [];
  const onData = (chunk: Buffer): void => {
    const now = performance.now();
    for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, at + 1)) {
      lines += 1;
      if (sentAt > 0) latencies.push(now - sentAt);
    }
    arrived();
  };
  /** Each watcher sends a line for what there is, and one for each change. */
  const seen = (wanted: number): Promise<void> =>
    new Promise((resolve) => {
      arrived = () => {
        if (lines >= wanted) resolve();
      };
      arrived();
    });
  try {
    for (let opened = 0; opened < count; opened += 1) {
      streams.push(await target.watch(path, onData));
    }
    await seen(count);
    await whenOpen();
    const began = performance.now();
    const events = await speed(target, async () => {
      for (let change = 1; change <= changes; change += 1) {
        sentAt = performance.now();
        await target.send(patchOf(0, change + Math.round(began)));
        await seen(count * (change + 1));
      }
      return { count: count * changes, seconds: (performance.now() - began) / 1000 };
    });
    const [p50, p99] = [percentile(latencies, 0.5), percentile(latencies, 0.99)];
    return { watchers: count, ...events, p50, p99 };
  } finally {
    for (const stream of streams) stream.close();
  }
}

const labels: Partial<Record<string, string>> = {
  patch: 'merge patch',
  apply: 'server-side apply',
};

function row(name: string, speeds: Partial<ApiFigures['speeds']>): string {
  const texts = Object.entries(speeds).map(
    ([what, of]) => `${labels[what] ?? what} ${paceText(of)}`,
  );
  return `${name}: ${texts.join(', ')}`;
}

function paceText({ perSecond, cpuMicroseconds }: Speed, of = ''): string {
  return `${perSecond.toFixed(0)}${of}/s (${cpuMicroseconds.toFixed(0)} µs of its CPU each)`;
}

function listRow(name: string, { objects, form, perSecond, blockedMs: ms }: ListFigures): string {
  const blocked = Number.isNaN(ms) ? '' : `, event loop held for ${ms.toFixed(0)} ms at most`;
  return `${name}: list of ${objects} ${form}: ${perSecond.toFixed(1)}/s${blocked}`;
}

function fanOutRow(name: string, fanOut: FanOut): string {
  const { watchers, p50, p99 } = fanOut;
  return `${name}: ${watchers} watchers: ${paceText(fanOut, ' events')}, p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`;
}

function kib(bytes: number): string {
  return `${(bytes / 1024).toFixed(1)} KiB`;
}
