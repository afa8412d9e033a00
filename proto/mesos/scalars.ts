import { CodecError } from './errors.ts';
import type { ScalarName } from './schema.ts';

/** Inclusive bounds of the integer types. 64-bit bounds are the nearest doubles above the real ones. */
const integerBounds: Readonly<Partial<Record<ScalarName, readonly [number, number]>>> = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
  int64: [-(2 ** 63), 2 ** 63],
  uint64: [0, 2 ** 64],
};

const base64 = /^[A-Za-z0-9+/]*={0,2}$/;

/**
 * Returns the value if it is one of the scalar type in JSON's shape, else throws WrongType.
 * Integers above 2^53 are the nearest double, as JSON.parse would read them.
 */
export function checkScalar(type: ScalarName, value: unknown): string | number | boolean {
  switch (type) {
    case 'string':
      if (typeof value === 'string') return value;
      break;
    case 'bytes':
      if (typeof value === 'string' && value.length % 4 === 0 && base64.test(value)) return value;
      break;
    case 'bool':
      if (typeof value === 'boolean') return value;
      break;
    case 'double':
    case 'float':
      if (typeof value === 'number' && Number.isFinite(value)) return value;
      break;
    case 'int32':
    case 'uint32':
    case 'int64':
    case 'uint64': {
      const [least, most] = integerBounds[type] ?? [0, 0];
      const inRange = typeof value === 'number' && value >= least && value <= most;
      if (inRange && Number.isInteger(value)) return value;
      break;
    }
  }
  throw wrongType(type, value);
}

/** Says what was expected and the kind of what came; never the value, which may be a secret. */
export function wrongType(expected: string, value: unknown): CodecError {
  const found = Array.isArray(value) ? 'a list' : value === null ? 'null' : typeof value;
  const shown = typeof value === 'number' ? `the number ${value}` : found;
  return new CodecError('WrongType', [], `expected ${expected}, found ${shown}`);
}
