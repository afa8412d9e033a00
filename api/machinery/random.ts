import { randomBytes, randomUUID } from 'node:crypto';

/** Randomness as a dependency: a seeded source makes a simulation repeatable. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** An RFC 4122 version 4 UUID. */
  uuid(): string;
}

export function systemRandom(): Random {
  return {
    next: () => randomBytes(4).readUInt32BE() / 2 ** 32,
    uuid: () => randomUUID(),
  };
}

/** A seeded source (mulberry32): same seed, same sequence. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const hex = (digits: number): string => {
    let text = '';
    while (text.length < digits) text += Math.floor(next() * 16).toString(16);
    return text;
  };
  return {
    next,
    uuid: () => `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`,
  };
}

/** Alphabet of Kubernetes' generated suffixes: no vowels and no look-alikes, so no words appear. */
const suffixAlphabet = 'bcdfghjklmnpqrstvwxz2456789';

/** A random name suffix of `length` characters, valid anywhere in a DNS label. */
export function nameSuffix(random: Random, length: number): string {
  let suffix = '';
  while (suffix.length < length) {
    suffix += suffixAlphabet.charAt(Math.floor(random.next() * suffixAlphabet.length));
  }
  return suffix;
}

/** `base` spread by ±`fraction`: keeps many clients from acting in step. */
export function jitter(random: Random, base: number, fraction: number): number {
  return base * (1 + fraction * (2 * random.next() - 1));
}
