import type { FieldError } from '../../machinery/errors.ts';
import type { LogStream } from '../../v1/sandbox.ts';
import { badRequest, invalidOptions } from '../errors.ts';
import { flag, text, type Query } from '../query.ts';

/** v1 PodLogOptions, as far as a sandbox of Mesos can serve it. */
export interface LogOptions {
  container: string | undefined;
  follow: boolean;
  previous: boolean;
  /** Of each stream. */
  tailLines: number | undefined;
  limitBytes: number | undefined;
  /** In milliseconds since the epoch. */
  since: number | undefined;
  streams: readonly LogStream[];
}

/** Throws 400 for what cannot be served, 422 for what is wrong. */
export function parseLogOptions(query: Query, now: number): LogOptions {
  for (const name of ['timestamps', 'insecureSkipTLSVerifyBackend'] as const) {
    if (flag(query, name)) throw badRequest(unserved[name]);
  }
  const errors: FieldError[] = [];
  const whole = (name: string, least: number): number | undefined => {
    const value = text(query, name);
    if (value === undefined) return undefined;
    const number = /^-?\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (number >= least) return number;
    const reason = 'FieldValueInvalid';
    const message = `Invalid value: ${JSON.stringify(value)}: must be greater than or equal to ${least}`;
    errors.push({ field: name, message, reason });
    return undefined;
  };
  const options = {
    container: text(query, 'container'),
    follow: flag(query, 'follow'),
    previous: flag(query, 'previous'),
    tailLines: whole('tailLines', 0),
    limitBytes: whole('limitBytes', 1),
  };
  const seconds = whole('sinceSeconds', 1);
  const time = text(query, 'sinceTime');
  if (seconds !== undefined && time !== undefined) {
    const message = 'Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified';
    errors.push({ field: 'sinceSeconds', message, reason: 'FieldValueForbidden' });
  }
  const since = time === undefined ? ago(now, seconds) : Date.parse(time);
  if (Number.isNaN(since)) {
    const message = `Invalid value: ${JSON.stringify(time)}: must be a time as in RFC 3339`;
    errors.push({ field: 'sinceTime', message, reason: 'FieldValueInvalid' });
  }
  const streams = streamsOf(text(query, 'stream'), errors);
  if (errors.length > 0) throw invalidOptions('PodLogOptions', ...errors);
  return { ...options, since, streams };
}

const unserved = {
  timestamps:
    'timestamps cannot be shown: agents of Mesos do not keep when a line was written. Let the task write them',
  insecureSkipTLSVerifyBackend:
    'insecureSkipTLSVerifyBackend is not served: how agents are verified is configured in mesos.tls of the server',
} as const;

function ago(now: number, seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : now - seconds * 1000;
}

function streamsOf(value: string | undefined, errors: FieldError[]): readonly LogStream[] {
  switch (value) {
    case undefined:
    case 'All':
      return ['stdout', 'stderr'];
    case 'Stdout':
      return ['stdout'];
    case 'Stderr':
      return ['stderr'];
    default: {
      const message = `Unsupported value: ${JSON.stringify(value)}: supported values: "All", "Stdout", "Stderr"`;
      errors.push({ field: 'stream', message, reason: 'FieldValueNotSupported' });
      return [];
    }
  }
}
