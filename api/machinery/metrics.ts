/**
 * Metrics as Prometheus reads them (text exposition format 0.0.4). A registry belongs to the process that
 * made it: there is no default one.
 */

export type Labels = Readonly<Record<string, string>>;

/** One value of a metric. NaN and the infinities are values. */
export interface Sample {
  labels?: Labels;
  value: number;
}

type Type = 'counter' | 'gauge';

interface Metric {
  type: Type;
  help: string;
  read: () => Iterable<Sample>;
}

/** Counts what happens; it never goes down. Each set of labels has a count of its own, kept for good. */
export class Counter {
  readonly #samples = new Map<string, { labels: Labels; value: number }>();

  /** Throws RangeError for what is negative or no number. */
  inc(labels: Labels = {}, by = 1): void {
    if (!(by >= 0)) throw new RangeError(`a counter cannot grow by ${by}`);
    const key = textOf(labels);
    const sample = this.#samples.get(key);
    if (sample === undefined) this.#samples.set(key, { labels, value: by });
    else sample.value += by;
  }

  samples(): Iterable<Sample> {
    return this.#samples.values();
  }
}

/** All metrics of a process. */
export class Metrics {
  readonly #metrics = new Map<string, Metric>();
  readonly #counters = new Map<string, Counter>();

  /** The counter of this name: whoever asks again gets the same. By convention it ends in `_total`. */
  counter(name: string, help: string): Counter {
    const known = this.#counters.get(name);
    if (known !== undefined) return known;
    const counter = new Counter();
    this.#counters.set(name, counter);
    this.collect('counter', name, help, () => counter.samples());
    return counter;
  }

  /**
   * A metric whose values are asked for whenever somebody looks; returns the way to take it out. Of two of
   * one name the later holds. Throws TypeError for what is no name of a metric.
   */
  collect(type: Type, name: string, help: string, read: () => Iterable<Sample>): () => void {
    if (!/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name)) {
      throw new TypeError(`"${name}" is no name of a metric`);
    }
    const metric: Metric = { type, help, read };
    this.#metrics.set(name, metric);
    return () => {
      if (this.#metrics.get(name) === metric) this.#metrics.delete(name);
    };
  }

  /** Everything there is, in the order of the names. */
  text(): string {
    const names = [...this.#metrics.keys()].sort();
    return names.map((name) => this.#describe(name)).join('');
  }

  #describe(name: string): string {
    const metric = this.#metrics.get(name);
    if (metric === undefined) return '';
    const lines = [...metric.read()].map(
      ({ labels, value }) => `${name}${textOf(labels)} ${numberText(value)}\n`,
    );
    const help = metric.help.replace(/\\/g, '\\\\').replace(/\n/g, '\\n');
    return [`# HELP ${name} ${help}\n# TYPE ${name} ${metric.type}\n`, ...lines].join('');
  }
}

/** `{name="value",…}` in the order of the names; nothing without labels. */
function textOf(labels: Labels = {}): string {
  const pairs = Object.entries(labels).map(([name, value]) => {
    const escaped = value.replace(/\\/g, '\\\\').replace(/\n/g, '\\n').replace(/"/g, '\\"');
    return `${name}="${escaped}"`;
  });
  return pairs.length === 0 ? '' : `{${pairs.sort().join(',')}}`;
}

function numberText(value: number): string {
  if (Number.isFinite(value) || Number.isNaN(value)) return String(value);
  return value > 0 ? '+Inf' : '-Inf';
}
