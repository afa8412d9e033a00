import { ApiError } from '../machinery/errors.ts';
import type { Metrics } from '../machinery/metrics.ts';
import type { Answer, ServerRequest } from './request.ts';

/** `/metrics`: the metrics of this process in Prometheus' text format, for who may read the path. */
export function metricsAnswer(metrics: Metrics, { method, path }: ServerRequest): Answer {
  if (method !== 'GET') {
    throw new ApiError('MethodNotAllowed', `${method} is not supported on ${path}`);
  }
  return {
    kind: 'bytes',
    code: 200,
    headers: {},
    warnings: [],
    contentType: 'text/plain; version=0.0.4; charset=utf-8',
    bytes: Buffer.from(metrics.text()),
  };
}
