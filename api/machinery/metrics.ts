/**
 * Metrics as Prometheus reads them (text exposition format 0.0.4). A registry belongs to the process that
 * made it: there is no default one.
 */

export type Labels = Readonly<Record<string, string>>;

/** One value of a metric. NaN and the infinities are values. */
export interface Sample {
  labels?: Labels;
  value: number;
  /** What of a histogram it is, after its name. */
  part?: '_bucket' | '_sum' | '_count';
}

type Type = 'counter' | 'gauge' | 'histogram';

interface Metric {
  type: Type;
  help: string;
  read: () => Iterable<Sample>;
}

/** The count of one set of labels. */
export class Count {
  readonly labels: Labels;
  #value = 0;

  constructor(labels: Labels) {
    this.labels = labels;
  }

  get value(): number {
    return this.#value;
  }

  /** Throws RangeError for what is negative or no number. */
  inc(by = 1): void {
    if (!(by >= 0)) throw new RangeError(`a counter cannot grow by ${by}`);
    this.#value += by;
  }
}

/** Counts what happens; it never goes down. Each set of labels has a count of its own, kept for good. */
export class Counter {
  readonly #counts = new Map<string, Count>();

  /** The count of these labels, for those who count often. */
  of(labels: Labels): Count {
    const key = textOf(labels);
    let count = this.#counts.get(key);
    if (count === undefined) {
      count = new Count(labels);
      this.#counts.set(key, count);
    }
    return count;
  }

  /** Throws RangeError for what is negative or no number. */
  inc(labels: Labels = {}, by = 1): void {
    this.of(labels).inc(by);
  }

  samples(): Iterable<Sample> {
    return this.#counts.values();
  }
}

interface Distribution {
  labels: Labels;
  /** How many values fell between each bound and the one before; one more for those above all. */
  counts: number[];
  sum: number;
}

/** Counts values by size. Each set of labels has a distribution of its own, kept for good. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #distributions = new Map<string, Distribution>();

  /** `bounds`: in ascending order; each bucket has the values up to and including its own. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
  }

  observe(labels: Labels, value: number): void {
    const key = textOf(labels);
    let known = this.#distributions.get(key);
    if (known === undefined) {
      known = { labels, counts: new Array<number>(this.#bounds.length + 1).fill(0), sum: 0 };
      this.#distributions.set(key, known);
    }
    const bucket = this.#bounds.findIndex((bound) => value <= bound);
    const index = bucket < 0 ? this.#bounds.length : bucket;
    known.counts[index] = (known.counts[index] ?? 0) + 1;
    known.sum += value;
  }

  *samples(): Generator<Sample> {
    for (const { labels, counts, sum } of this.#distributions.values()) {
      let total = 0;
      for (const [index, count] of counts.entries()) {
        total += count;
        const le = numberText(this.#bounds[index] ?? Infinity);
        yield { part: '_bucket', labels: { ...labels, le }, value: total };
      }
      yield { part: '_sum', labels, value: sum };
      yield { part: '_count', labels, value: total };
    }
  }
}

/** All metrics of a process. */
export class Metrics {
  readonly #metrics = new Map<string, Metric>();
  readonly #counters = new Map<string, Counter>();
  readonly #histograms = new Map<string, Histogram>();

  /** The counter of this name: whoever asks again gets the same. By convention it ends in `_total`. */
  counter(name: string, help: string): Counter {
    const known = this.#counters.get(name);
    if (known !== undefined) return known;
    const counter = new Counter();
    this.#counters.set(name, counter);
    this.collect('counter', name, help, () => counter.samples());
    return counter;
  }

  /** The histogram of this name: whoever asks again gets the same, whatever its bounds. */
  histogram(name: string, help: string, bounds: readonly number[]): Histogram {
    const known = this.#histograms.get(name);
    if (known !== undefined) return known;
    const histogram = new Histogram(bounds);
    this.#histograms.set(name, histogram);
    this.collect('histogram', name, help, () => histogram.samples());
    return histogram;
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
      ({ labels, value, part = '' }) => `${name}${part}${textOf(labels)} ${numberText(value)}\n`,
    );
    const help = metric.help.replace(/\\/g, '\\\\').replace(/\n/g, '\\n');
    return [`# HELP ${name} ${help}\n# TYPE ${name} ${metric.type}\n`, ...lines].join('');
  }
}

/** `{name="value",…}` in the order of the names; nothing without labels. */
function textOf(labels: Labels = {}): string {
  const names = Object.keys(labels);
  if (names.length === 0) return '';
  let text = '{';
  for (const name of names.sort()) {
    text += `${text === '{' ? '' : ','}${name}="${escaped(labels[name] ?? '')}"`;
  }
  return `${text}}`;
}

/** Every request counts under several labels, few of which have anything to escape. */
function escaped(value: string): string {
  if (!/["\\\n]/.test(value)) return value;
  return value.replace(/\\/g, '\\\\').replace(/\n/g, '\\n').replace(/"/g, '\\"');
}

function numberText(value: number): string {
  if (Number.isFinite(value) || Number.isNaN(value)) return String(value);
  return value > 0 ? '+Inf' : '-Inf';
}
