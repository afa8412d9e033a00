/**
 * Kubernetes resource quantities: `200m`, `0.5`, `64Mi`, `1e3`. Held as numbers: exact for thousandths up to
 * 2^43 and for bytes up to 2^53, far above what a machine has.
 */

const suffixes: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

const form = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([a-zA-Z]*))$/;

/** The value in base units (cores, bytes), or undefined if `text` is no quantity. */
export function parseQuantity(text: string | number): number | undefined {
  if (typeof text === 'number') return Number.isFinite(text) ? text : undefined;
  const found = form.exec(text.trim());
  if (found === null) return undefined;
  const [, digits = '', exponent = '', suffix = ''] = found;
  const unit = Object.hasOwn(suffixes, suffix) ? suffixes[suffix] : undefined;
  if (unit === undefined) return undefined;
  const value = Number(digits + exponent) * unit;
  // Thousandths are exact: 0.1 + 0.2 must not become 0.30000000000000004 in a comparison.
  return unit < 1 ? Math.round(value * 1e9) / 1e9 : value;
}

/** Bytes with the largest binary suffix that divides them: `64Mi`. */
export function formatBytes(bytes: number): string {
  const order = ['Ei', 'Pi', 'Ti', 'Gi', 'Mi', 'Ki'];
  const suffix = order.find((name) => bytes !== 0 && bytes % (suffixes[name] ?? 1) === 0);
  return suffix === undefined ? String(bytes) : `${bytes / (suffixes[suffix] ?? 1)}${suffix}`;
}
