import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Metrics } from '../../../../../api/machinery/metrics.ts';
import type { AuditEvent } from '../../../../../api/server/audit/event.ts';
import { auditFile } from '../../../../../api/server/audit/file-sink.ts';
import { AuditLog } from '../../../../../api/server/audit/log.ts';
import { VirtualClock } from '../../../../support/virtual-clock.ts';

function event(auditID: string, userAgent = ''): AuditEvent {
  return {
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'Metadata',
    auditID,
    stage: 'ResponseComplete',
    requestURI: '/',
    verb: 'get',
    user: {},
    userAgent,
    responseStatus: { metadata: {}, code: 200 },
    requestReceivedTimestamp: '',
    stageTimestamp: '',
  };
}

/** A sink that fails while `broken` says why. */
function setUp(): {
  log: AuditLog;
  clock: VirtualClock;
  written: string[];
  said: string[];
  metrics: Metrics;
  fail: (why: string | undefined) => void;
} {
  let broken: string | undefined;
  const written: string[] = [];
  const said: string[] = [];
  const clock = new VirtualClock();
  const metrics = new Metrics();
  const log = new AuditLog({
    sink: {
      write: (lines) => {
        if (broken !== undefined) return Promise.reject(new Error(broken));
        for (const line of lines.trimEnd().split('\n')) {
          written.push((JSON.parse(line) as AuditEvent).auditID);
        }
        return Promise.resolve();
      },
    },
    clock,
    metrics,
    onError: (reason) => said.push(reason),
  });
  return { log, clock, written, said, metrics, fail: (why) => (broken = why) };
}

describe('the audit log', () => {
  it('writes events in their order', async () => {
    const { log, clock, written, metrics } = setUp();
    for (let id = 0; id < 100; id += 1) log.record(event(String(id)));
    await clock.advance(0);
    expect(written).toEqual(Array.from({ length: 100 }, (_, id) => String(id)));
    expect(metrics.text()).toContain('apiserver_audit_event_total 100');
    expect(await log.check.check()).toBeUndefined();
  });

  it('keeps what cannot be written, says so, and writes it once it can', async () => {
    const { log, clock, written, said, fail } = setUp();
    fail('ENOSPC: no space left');
    log.record(event('a'));
    await clock.advance(5_000);
    log.record(event('b'));
    expect(await log.check.check()).toBe('the audit log cannot be written: ENOSPC: no space left');
    expect(said).toEqual(['ENOSPC: no space left']);
    fail(undefined);
    await clock.advance(1_000);
    expect(written).toEqual(['a', 'b']);
    expect(await log.check.check()).toBeUndefined();
  });

  it('keeps no more than its bound; what is lost is counted and said', async () => {
    const { log, clock, written, metrics, fail } = setUp();
    fail('EIO');
    const long = 'x'.repeat(1024 * 1024);
    for (let id = 0; id < 20; id += 1) log.record(event(String(id), long));
    await clock.advance(2_000);
    expect(metrics.text()).toContain('apiserver_audit_error_total 5');
    expect(await log.check.check()).toContain('5 events are lost');
    fail(undefined);
    await clock.advance(1_000);
    expect(written).toHaveLength(15);
    log.record(event('next'));
    await clock.advance(0);
    expect(written.at(-1)).toBe('next');
  });

  it('writes what waits when it stops, and does not wait for ever', async () => {
    const { log, clock, written, fail } = setUp();
    log.record(event('last'));
    await log.stop();
    expect(written).toEqual(['last']);
    fail('EIO');
    log.record(event('lost'));
    let stopped = false;
    void log.stop().then(() => (stopped = true));
    await clock.advance(2_000);
    expect(stopped).toBe(true);
  });
});

describe('an audit file', () => {
  let directory: string | undefined;
  afterEach(() => {
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  });

  it('can be read by its owner alone, and goes on anew once it has been renamed', async () => {
    directory = mkdtempSync(join(tmpdir(), 'mesocosm-audit-'));
    const path = join(directory, 'audit.log');
    const sink = auditFile(path);
    await sink.write('one\n');
    await sink.write('two\n');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    renameSync(path, `${path}.1`);
    await sink.write('three\n');
    expect(readFileSync(`${path}.1`, 'utf8')).toBe('one\ntwo\n');
    expect(readFileSync(path, 'utf8')).toBe('three\n');
  });

  it('begins a line of its own after an attempt that failed', async () => {
    directory = mkdtempSync(join(tmpdir(), 'mesocosm-audit-'));
    const sink = auditFile(join(directory, 'later', 'audit.log'));
    await expect(sink.write('one\n')).rejects.toThrow('ENOENT');
    mkdirSync(join(directory, 'later'));
    await sink.write('one\n');
    await sink.write('two\n');
    expect(readFileSync(join(directory, 'later', 'audit.log'), 'utf8')).toBe('\none\ntwo\n');
  });
});
