import { expect, test } from 'vitest';
import { Checker } from '../../../../hack/emulator/agent/checks.ts';
import type { Probe, ProbeResult } from '../../../../hack/emulator/agent/runtime.ts';
import type { CheckInfo, HealthCheck } from '../../../../proto/mesos/generated/messages.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';

function setUp(options: { check?: CheckInfo; healthCheck?: HealthCheck }) {
  const clock = new VirtualClock();
  const seen: string[] = [];
  const probes: Probe[] = [];
  let result: ProbeResult | undefined = { type: 'TCP', succeeded: true };
  const checker = new Checker({
    clock,
    check: options.check,
    healthCheck: options.healthCheck,
    probe: (probe, done) => {
      probes.push(probe);
      // Without a result the probe hangs.
      if (result !== undefined) done(result);
    },
    checkChanged: (status) => seen.push(JSON.stringify(status)),
    healthChanged: (healthy, kill) => seen.push(`${String(healthy)} ${String(kill)}`),
  });
  return {
    clock,
    seen,
    probes,
    checker,
    answer: (next: ProbeResult | undefined) => {
      result = next;
    },
  };
}

const tcp = { type: 'TCP' as const, delay_seconds: 1, interval_seconds: 2, timeout_seconds: 5 };

test('a health check tells success once and failure every time, until it kills', async () => {
  const { clock, seen, answer } = setUp({
    healthCheck: { ...tcp, tcp: { port: 1 }, consecutive_failures: 3, grace_period_seconds: 0 },
  });
  await clock.advance(1000);
  expect(seen).toEqual(['true false']);
  await clock.advance(4000);
  expect(seen).toEqual(['true false']);
  answer({ type: 'TCP', succeeded: false });
  await clock.advance(6000);
  expect(seen).toEqual(['true false', 'false false', 'false false', 'false true']);
});

test('failures within the grace period count only once there was a success', async () => {
  const { clock, seen, answer } = setUp({
    healthCheck: { ...tcp, tcp: { port: 1 }, consecutive_failures: 1, grace_period_seconds: 60 },
  });
  answer({ type: 'TCP', succeeded: false });
  await clock.advance(20_000);
  expect(seen).toEqual([]);
  answer({ type: 'TCP', succeeded: true });
  await clock.advance(2000);
  answer({ type: 'TCP', succeeded: false });
  await clock.advance(2000);
  expect(seen).toEqual(['true false', 'false true']);
});

test('a check tells only what is new, and a hanging probe as an empty result', async () => {
  const { clock, seen, answer } = setUp({ check: { ...tcp, tcp: { port: 1 } } });
  await clock.advance(5000);
  expect(seen).toEqual(['{"type":"TCP","tcp":{"succeeded":true}}']);
  answer(undefined);
  await clock.advance(2000 + 5000);
  expect(seen.at(-1)).toBe('{"type":"TCP","tcp":{}}');
});

test('a stopped checker looks no more', async () => {
  const { clock, probes, checker } = setUp({ check: { ...tcp, tcp: { port: 1 } } });
  await clock.advance(1000);
  checker.stop();
  await clock.advance(60_000);
  expect(probes).toHaveLength(1);
  expect(clock.pending).toBe(0);
});
