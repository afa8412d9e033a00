import type { Clock, Timer } from '../../../api/machinery/clock.ts';
import type {
  CheckInfo,
  CheckStatusInfo,
  HealthCheck,
} from '../../../proto/mesos/generated/messages.ts';
import type { Probe, ProbeResult } from './runtime.ts';

export interface CheckerOptions {
  clock: Clock;
  check: CheckInfo | undefined;
  healthCheck: HealthCheck | undefined;
  probe(probe: Probe, done: (result: ProbeResult) => void): void;
  /** The check's result is another than before. */
  checkChanged(status: CheckStatusInfo): void;
  /** A health check failed, or succeeded for the first time or after a failure. */
  healthChanged(healthy: boolean, kill: boolean): void;
}

/** Runs a task's check and health check for as long as the task runs, as Mesos' executors do. */
export class Checker {
  readonly #options: CheckerOptions;
  readonly #timers = new Set<Timer>();
  readonly #started: number;
  #stopped = false;
  #lastCheck: string | undefined;
  #initializing = true;
  #failures = 0;

  constructor(options: CheckerOptions) {
    this.#options = options;
    this.#started = options.clock.monotonic();
    const { check, healthCheck } = options;
    if (check !== undefined) {
      this.#lastCheck = JSON.stringify(emptyCheckStatus(check));
      this.#loop(check, checkProbe(check), (result) => {
        this.#checked(check, result);
      });
    }
    if (healthCheck !== undefined) {
      this.#loop(healthCheck, healthProbe(healthCheck), (result) => {
        this.#healthChecked(healthCheck, result);
      });
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }

  #loop(times: CheckInfo | HealthCheck, probe: Probe, done: (result: ProbeResult) => void): void {
    const look = (): void => {
      let answered = false;
      const answer = (result: ProbeResult): void => {
        if (answered || this.#stopped) return;
        answered = true;
        this.#cancel(limit);
        done(result);
        this.#after(seconds(times.interval_seconds, 10), look);
      };
      const limit = this.#after(probe.timeout, () => {
        answer({ type: 'failed' });
      });
      this.#options.probe(probe, answer);
    };
    this.#after(seconds(times.delay_seconds, 15), look);
  }

  #checked(check: CheckInfo, result: ProbeResult): void {
    const status = checkStatus(check, result);
    const text = JSON.stringify(status);
    if (text === this.#lastCheck) return;
    this.#lastCheck = text;
    this.#options.checkChanged(status);
  }

  #healthChecked(check: HealthCheck, result: ProbeResult): void {
    if (isHealthy(check, result)) {
      const news = this.#initializing || this.#failures > 0;
      this.#initializing = false;
      this.#failures = 0;
      if (news) this.#options.healthChanged(true, false);
      return;
    }
    const grace = seconds(check.grace_period_seconds, 10);
    const age = this.#options.clock.monotonic() - this.#started;
    if (this.#initializing && grace > 0 && age <= grace) return;
    this.#failures += 1;
    this.#options.healthChanged(false, this.#failures >= (check.consecutive_failures ?? 3));
  }

  #after(ms: number, work: () => void): Timer {
    const timer = this.#options.clock.after(ms, () => {
      this.#timers.delete(timer);
      if (!this.#stopped) work();
    });
    this.#timers.add(timer);
    return timer;
  }

  #cancel(timer: Timer): void {
    timer.cancel();
    this.#timers.delete(timer);
  }
}

/** What every status of a task with a check carries before there is a result. */
export function emptyCheckStatus(check: CheckInfo): CheckStatusInfo {
  return checkStatus(check, { type: 'failed' });
}

function checkStatus(check: CheckInfo, result: ProbeResult): CheckStatusInfo {
  switch (check.type) {
    case 'COMMAND':
      return {
        type: 'COMMAND',
        command: result.type === 'COMMAND' ? { exit_code: result.exitCode } : {},
      };
    case 'HTTP':
      return {
        type: 'HTTP',
        http: result.type === 'HTTP' ? { status_code: result.statusCode } : {},
      };
    case 'TCP':
      return { type: 'TCP', tcp: result.type === 'TCP' ? { succeeded: result.succeeded } : {} };
    default:
      return {};
  }
}

function isHealthy(check: HealthCheck, result: ProbeResult): boolean {
  if (result.type === 'COMMAND') return result.exitCode === 0;
  if (result.type === 'TCP') return result.succeeded;
  if (result.type !== 'HTTP') return false;
  const statuses = check.http?.statuses ?? [];
  return statuses.length > 0
    ? statuses.includes(result.statusCode)
    : result.statusCode >= 200 && result.statusCode < 400;
}

function checkProbe(check: CheckInfo): Probe {
  const timeout = timeoutOf(check);
  if (check.type === 'HTTP') {
    const { port = 0, path = '/' } = check.http ?? {};
    return { type: 'HTTP', scheme: 'http', port, path, ipv6: false, timeout };
  }
  if (check.type === 'TCP') {
    return { type: 'TCP', port: check.tcp?.port ?? 0, ipv6: false, timeout };
  }
  return { type: 'COMMAND', command: check.command?.command ?? {}, timeout };
}

function healthProbe(check: HealthCheck): Probe {
  const timeout = timeoutOf(check);
  if (check.type === 'HTTP') {
    const { port = 0, path = '/', scheme = 'http', protocol } = check.http ?? {};
    return { type: 'HTTP', scheme, port, path, ipv6: protocol === 'IPv6', timeout };
  }
  if (check.type === 'TCP') {
    const { port = 0, protocol } = check.tcp ?? {};
    return { type: 'TCP', port, ipv6: protocol === 'IPv6', timeout };
  }
  return { type: 'COMMAND', command: check.command ?? {}, timeout };
}

function seconds(given: number | undefined, otherwise: number): number {
  return (given ?? otherwise) * 1000;
}

/** 0 means no timeout; a day is as good. */
function timeoutOf({ timeout_seconds = 20 }: CheckInfo | HealthCheck): number {
  return timeout_seconds > 0 ? timeout_seconds * 1000 : 86_400_000;
}
