import { sleep, type Clock } from '../../machinery/clock.ts';
import type { Counter, Metrics } from '../../machinery/metrics.ts';
import type { HealthCheck } from '../health.ts';
import type { AuditEvent } from './event.ts';

/** Where audit events go. */
export interface AuditSink {
  /** Writes whole lines; rejects if they may not have been kept. */
  write(lines: string): Promise<void>;
}

export interface AuditLogOptions {
  sink: AuditSink;
  clock: Clock;
  metrics?: Metrics | undefined;
  /** Told when writing begins to fail, and why. */
  onError: (reason: string) => void;
}

/** Every bound of the log. */
const limits = {
  /** Events that wait to be written, in bytes of their lines. */
  waitingBytes: 16 * 1024 * 1024,
  /** Written at a time. */
  batchBytes: 1024 * 1024,
  /** Between two attempts to write. */
  pauseMs: 1_000,
  /** For what waits when the server stops. */
  stopMs: 2_000,
} as const;

/**
 * Events on their way to the sink. Requests never wait for it: while it fails, events are kept up to a
 * bound, those beyond are counted and lost, and /readyz says so.
 */
export class AuditLog {
  readonly #options: AuditLogOptions;
  readonly #counted: { events: Counter; errors: Counter } | undefined;
  #lines: string[] = [];
  #bytes = 0;
  #problem: string | undefined;
  #lost = 0;
  #writing: Promise<void> | undefined;
  readonly #stopping = new AbortController();

  constructor(options: AuditLogOptions) {
    this.#options = options;
    const { metrics } = options;
    this.#counted = metrics && {
      events: metrics.counter('apiserver_audit_event_total', 'Audit events that were written.'),
      errors: metrics.counter(
        'apiserver_audit_error_total',
        'Audit events that were lost because they could not be written.',
      ),
    };
  }

  /** What /readyz says: a server that cannot tell who did what should not be asked. */
  readonly check: HealthCheck = {
    name: 'audit',
    check: () => Promise.resolve(this.#problem),
  };

  record(event: AuditEvent): void {
    const line = `${JSON.stringify(event)}\n`;
    if (this.#bytes + line.length > limits.waitingBytes) {
      this.#lost += 1;
      this.#counted?.errors.inc();
      return;
    }
    this.#lines.push(line);
    this.#bytes += line.length;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  /** Writes what waits, as far as that takes no more than a moment. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    const patience = new AbortController();
    await Promise.race([
      this.#writing ?? Promise.resolve(),
      sleep(this.#options.clock, limits.stopMs, patience.signal),
    ]);
    patience.abort();
  }

  async #write(): Promise<void> {
    const { sink, clock } = this.#options;
    // What is recorded in the same moment goes together.
    await Promise.resolve();
    for (let batch = this.#next(); batch.count > 0; batch = this.#next()) {
      try {
        await sink.write(batch.text);
        this.#taken(batch);
      } catch (error) {
        this.#failed(error instanceof Error ? error.message : String(error));
        if (this.#stopping.signal.aborted) return;
        await sleep(clock, limits.pauseMs, this.#stopping.signal);
      }
    }
  }

  #next(): { text: string; count: number } {
    let count = 0;
    let size = 0;
    for (const line of this.#lines) {
      if (count > 0 && size + line.length > limits.batchBytes) break;
      count += 1;
      size += line.length;
    }
    return { text: this.#lines.slice(0, count).join(''), count };
  }

  #taken({ text, count }: { text: string; count: number }): void {
    this.#lines = this.#lines.slice(count);
    this.#bytes -= text.length;
    this.#counted?.events.inc({}, count);
    this.#problem = undefined;
    this.#lost = 0;
  }

  #failed(reason: string): void {
    if (this.#problem === undefined) this.#options.onError(reason);
    const lost = this.#lost === 0 ? '' : `; ${this.#lost} events are lost`;
    this.#problem = `the audit log cannot be written: ${reason}${lost}`;
  }
}
