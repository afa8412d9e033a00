import { readdirSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Clock } from '../../api/machinery/clock.ts';
import type { Metrics } from '../../api/machinery/metrics.ts';

/** Milliseconds between two looks at the event loop. */
const resolution = 10;

/**
 * What Prometheus' clients tell of every process, by their names, and how late the event loop runs: since
 * the last look at /metrics. The function that it returns ends the measuring.
 */
export function tellProcess(metrics: Metrics, clock: Clock): () => void {
  const startedAt = clock.now() / 1000 - process.uptime();
  const delays = monitorEventLoopDelay({ resolution });
  delays.enable();
  const gauge = (name: string, help: string, read: () => number): void => {
    metrics.collect('gauge', name, help, () => [{ value: read() }]);
  };
  metrics.collect('counter', 'process_cpu_seconds_total', 'User and system time.', () => {
    const { user, system } = process.cpuUsage();
    return [{ value: (user + system) / 1e6 }];
  });
  gauge('process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss());
  gauge('process_start_time_seconds', 'When it began, since 1970.', () => startedAt);
  gauge('process_open_fds', 'Open files and sockets.', () => readdirSync('/proc/self/fd').length);
  gauge('nodejs_heap_size_used_bytes', 'Heap in use.', () => process.memoryUsage().heapUsed);
  // Each look takes the resolution itself, which is no delay.
  const seconds = (nanoseconds: number): number =>
    Math.max(0, nanoseconds / 1e9 - resolution / 1e3);
  gauge('nodejs_eventloop_lag_p99_seconds', 'Delay of the event loop.', () =>
    seconds(delays.percentile(99)),
  );
  // By name the last of them: what it has told is over then.
  gauge(
    'nodejs_eventloop_lag_seconds',
    'Longest delay of the event loop since the last look.',
    () => {
      const longest = seconds(delays.max);
      delays.reset();
      return longest;
    },
  );
  return () => delays.disable();
}
