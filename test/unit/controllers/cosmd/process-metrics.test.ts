import { afterEach, expect, it } from 'vitest';
import { systemClock } from '../../../../api/machinery/clock.ts';
import { Metrics } from '../../../../api/machinery/metrics.ts';
import { tellProcess } from '../../../../controllers/cosmd/process-metrics.ts';

let end: () => void = () => undefined;
afterEach(() => end());

const valueOf = (text: string, name: string): number =>
  Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

it('the process tells its time, memory and files', () => {
  const metrics = new Metrics();
  end = tellProcess(metrics, systemClock());
  const text = metrics.text();
  expect(valueOf(text, 'process_cpu_seconds_total')).toBeGreaterThan(0);
  expect(valueOf(text, 'process_resident_memory_bytes')).toBeGreaterThan(10e6);
  expect(valueOf(text, 'nodejs_heap_size_used_bytes')).toBeGreaterThan(1e6);
  expect(valueOf(text, 'process_open_fds')).toBeGreaterThan(3);
  const startedAt = valueOf(text, 'process_start_time_seconds');
  expect(Math.abs(startedAt + process.uptime() - Date.now() / 1000)).toBeLessThan(1);
});

it('a blocked event loop shows at the next look, and only then', async () => {
  const metrics = new Metrics();
  end = tellProcess(metrics, systemClock());
  await pause(50);
  const began = performance.now();
  while (performance.now() - began < 300);
  await pause(50);
  expect(valueOf(metrics.text(), 'nodejs_eventloop_lag_seconds')).toBeGreaterThan(0.25);
  // The delays of before are forgotten, whatever comes next.
  expect(valueOf(metrics.text(), 'nodejs_eventloop_lag_seconds')).toBeLessThan(0.25);
});
