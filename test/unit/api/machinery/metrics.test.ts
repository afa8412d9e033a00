import { describe, expect, it } from 'vitest';
import { Metrics } from '../../../../api/machinery/metrics.ts';

describe('metrics', () => {
  it('are written as Prometheus reads them, in the order of their names', () => {
    const metrics = new Metrics();
    const drifts = metrics.counter('b_total', 'Second.');
    drifts.inc({ network: 'dev-net' });
    drifts.inc({ network: 'dev-net' }, 2);
    drifts.inc({ network: 'data-net' });
    metrics.collect('gauge', 'a', 'First.', () => [{ value: 0.5 }]);
    expect(metrics.text()).toBe(
      [
        '# HELP a First.',
        '# TYPE a gauge',
        'a 0.5',
        '# HELP b_total Second.',
        '# TYPE b_total counter',
        'b_total{network="dev-net"} 3',
        'b_total{network="data-net"} 1',
        '',
      ].join('\n'),
    );
  });

  it('escape what would end a line or a value', () => {
    const metrics = new Metrics();
    metrics.collect('gauge', 'a', 'One\nline \\.', () => [
      { labels: { z: 'say "no"\n', path: 'C:\\x' }, value: Infinity },
      { value: NaN },
    ]);
    expect(metrics.text()).toBe(
      '# HELP a One\\nline \\\\.\n# TYPE a gauge\na{path="C:\\\\x",z="say \\"no\\"\\n"} +Inf\na NaN\n',
    );
  });

  it('count one thing under one set of labels, in whatever order these are given', () => {
    const metrics = new Metrics();
    metrics.counter('a_total', 'A.').inc({ x: '1', y: '2' });
    metrics.counter('a_total', 'A.').inc({ y: '2', x: '1' });
    expect(metrics.text()).toContain('a_total{x="1",y="2"} 2\n');
  });

  it('of a loop that ended are gone, unless its successor gives them already', () => {
    const metrics = new Metrics();
    const first = metrics.collect('gauge', 'a', 'A.', () => [{ value: 1 }]);
    const second = metrics.collect('gauge', 'a', 'A.', () => [{ value: 2 }]);
    first();
    expect(metrics.text()).toContain('a 2\n');
    second();
    expect(metrics.text()).toBe('');
  });

  it('refuse names that Prometheus would not read, and counts that shrink', () => {
    const metrics = new Metrics();
    expect(() => metrics.counter('a-b', 'A.')).toThrow(TypeError);
    expect(() => metrics.counter('a_total', 'A.').inc({}, -1)).toThrow(RangeError);
    expect(() => metrics.counter('a_total', 'A.').inc({}, NaN)).toThrow(RangeError);
  });

  it('of a distribution count each value in every bucket that it fits', () => {
    const metrics = new Metrics();
    const seconds = metrics.histogram('seconds', 'How long.', [0.1, 1]);
    for (const value of [0.1, 0.25, 0.5, 4]) seconds.observe({ verb: 'GET' }, value);
    seconds.observe({ verb: 'PUT' }, 2);
    expect(metrics.histogram('seconds', 'How long.', [])).toBe(seconds);
    expect(metrics.text()).toBe(
      [
        '# HELP seconds How long.',
        '# TYPE seconds histogram',
        'seconds_bucket{le="0.1",verb="GET"} 1',
        'seconds_bucket{le="1",verb="GET"} 3',
        'seconds_bucket{le="+Inf",verb="GET"} 4',
        'seconds_sum{verb="GET"} 4.85',
        'seconds_count{verb="GET"} 4',
        'seconds_bucket{le="0.1",verb="PUT"} 0',
        'seconds_bucket{le="1",verb="PUT"} 0',
        'seconds_bucket{le="+Inf",verb="PUT"} 1',
        'seconds_sum{verb="PUT"} 2',
        'seconds_count{verb="PUT"} 1',
        '',
      ].join('\n'),
    );
  });
});
