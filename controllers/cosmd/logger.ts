import { pino, type Logger } from 'pino';
import type { Config } from './config.ts';

/** JSON lines on standard output. Fields that could hold a secret never get there. */
export function createLogger(config: Config): Logger {
  return pino({
    level: config.log.level,
    base: { cluster: config.clusterName },
    redact: {
      paths: ['secret', 'password', 'token', 'credential', 'authorization'].flatMap((name) => [
        name,
        `*.${name}`,
        `*.*.${name}`,
      ]),
      censor: '[redacted]',
    },
  });
}
