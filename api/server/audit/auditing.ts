import type { Clock } from '../../machinery/clock.ts';
import type { Metrics } from '../../machinery/metrics.ts';
import type { HealthCheck } from '../health.ts';
import type { ServerLogger } from '../server.ts';
import { Auditor } from './auditor.ts';
import { AuditLog, type AuditSink } from './log.ts';
import { defaultRules, type AuditRule } from './policy.ts';

export interface AuditOptions {
  sink: AuditSink;
  /** Of the first rule that fits counts the level; the default ones if absent. */
  rules?: readonly AuditRule[] | undefined;
}

export interface Auditing {
  auditor: Auditor | undefined;
  checks: readonly HealthCheck[];
  stop(): Promise<void>;
}

/** The audit log that the options ask for, if any. */
export function auditing(
  options: AuditOptions | undefined,
  context: { clock: Clock; metrics?: Metrics; logger: ServerLogger },
): Auditing {
  if (options === undefined) {
    return { auditor: undefined, checks: [], stop: () => Promise.resolve() };
  }
  const { clock, metrics, logger } = context;
  const onError = (reason: string): void => {
    logger.error({ reason }, 'the audit log cannot be written');
  };
  const log = new AuditLog({ sink: options.sink, clock, metrics, onError });
  const rules = options.rules ?? defaultRules;
  const record = log.record.bind(log);
  return {
    auditor: new Auditor({ rules, record, clock }),
    checks: [log.check],
    stop: () => log.stop(),
  };
}
