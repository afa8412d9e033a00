import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pino } from 'pino';
import { Metrics } from '../../../../api/machinery/metrics.ts';
import { measuredStorage } from '../../../../api/server/storage-metrics.ts';
import type { Storage, StorageProblem } from '../../../../api/storage/storage.ts';
import { sizeProblems } from '../../../../api/storage/etcd/health.ts';
import { eventResource } from '../../../../api/v1/core.ts';
import { maintenanceOf } from '../../../../controllers/cosmd/maintenance.ts';
import { runAll } from '../../../../controllers/runtime/manager.ts';
import type { TestApi } from '../runtime/api.ts';
import { startApi, until } from '../runtime/api.ts';

const full: StorageProblem = { severity: 'fatal', reason: 'NoSpace', message: 'member 1 is full' };
const near: StorageProblem = {
  severity: 'warning',
  reason: 'NearQuota',
  message: '1700 MiB of it',
};

let api: TestApi;
let metrics: Metrics;
let lines: string[];
let problems: StorageProblem[];
let stop: () => Promise<void>;

beforeEach(async () => {
  api = await startApi();
  metrics = new Metrics();
  lines = [];
  problems = [];
  const logger = pino({ level: 'warn' }, { write: (line) => lines.push(line) });
  const { clock, random, client, storage } = api;
  const watched: Storage = {
    ...measuredStorage(storage, metrics, clock),
    problems: () => Promise.resolve(problems),
  };
  const abort = new AbortController();
  const parts = maintenanceOf({ storage: watched, client, metrics, clock, random, logger });
  const running = runAll(parts, abort.signal, logger);
  stop = async () => {
    abort.abort();
    await running;
  };
});
afterEach(async () => {
  await stop();
  await api.stop();
});

const events = async () =>
  (await api.client.of(eventResource).list()).items.filter(({ reason }) =>
    reason?.startsWith('Storage'),
  );

describe('trouble of the store', () => {
  it('is told in the log, in a metric and in an Event, once while it lasts', async () => {
    problems = [full, near];
    await until(api.clock, async () => (await events()).length === 2, 120_000);
    problems = [full, { ...near, message: '1701 MiB of it' }];
    await api.clock.advance(10 * 60_000);
    expect(lines.filter((line) => line.includes('member 1 is full'))).toHaveLength(1);
    expect(lines.filter((line) => line.includes('MiB of it'))).toHaveLength(1);
    expect(
      (await events()).map(({ reason, message, type }) => ({ reason, message, type })),
    ).toEqual(
      expect.arrayContaining([
        { reason: 'StorageNoSpace', message: 'member 1 is full', type: 'Warning' },
        { reason: 'StorageNearQuota', message: '1700 MiB of it', type: 'Warning' },
      ]),
    );
    expect(metrics.text()).toContain(
      'mesocosm_storage_problems{reason="NoSpace",severity="fatal"} 1',
    );
    problems = [];
    await api.clock.advance(60_000);
    expect(metrics.text()).not.toContain('mesocosm_storage_problems{');
  });

  it('is told again when it comes back', async () => {
    problems = [full];
    await api.clock.advance(60_000);
    problems = [];
    await api.clock.advance(60_000);
    problems = [full];
    await api.clock.advance(60_000);
    expect(lines.filter((line) => line.includes('member 1 is full'))).toHaveLength(2);
  });
});

describe('the size of the database of etcd', () => {
  const mebibyte = 2 ** 20;
  const of = (file: number, inUse: number) =>
    sizeProblems(
      { url: 'http://m1', file: file * mebibyte, inUse: inUse * mebibyte },
      2048 * mebibyte,
    );

  it.each([
    [100, 90],
    [100, 60],
    [60, 1],
    [1600, 1500],
  ])('of %i MiB with %i MiB in use is no trouble', (file, inUse) => {
    expect(of(file, inUse)).toEqual([]);
  });

  it('asks for defragmentation once half of a large file is free', () => {
    const [problem, ...others] = of(1000, 300);
    expect(others).toEqual([]);
    expect(problem).toMatchObject({ severity: 'warning', reason: 'Fragmented' });
    expect(problem?.message).toContain('etcdctl defrag --endpoints=http://m1" gives back 700 MiB');
  });

  it('near the quota asks for what helps: defragmentation, or less data or a larger quota', () => {
    expect(of(1700, 200)[0]).toMatchObject({ reason: 'NearQuota' });
    expect(of(1700, 200)[0]?.message).toContain('gives back 1500 MiB');
    expect(of(1700, 1600)[0]?.message).toContain('raise --quota-backend-bytes');
  });
});
