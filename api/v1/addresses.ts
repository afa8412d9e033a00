import { isIPv4, isIPv6 } from 'node:net';
import type { IPFamily } from './template.ts';

/** IP addresses and ranges as people write them: pure text and arithmetic. */

/** Whether it is an address: IPv4 or IPv6 without zone, prefix length or port. */
export function isAddress(text: string): boolean {
  return isIPv4(text) || (isIPv6(text) && !text.includes('%'));
}

export function familyOf(address: string): IPFamily {
  return isIPv4(address) ? 'IPv4' : 'IPv6';
}

/**
 * The one form of an address in which equal ones compare equal (RFC 5952, by way of the URL standard).
 * What is no address stays as it is.
 */
export function canonicalAddress(address: string): string {
  return isAddress(address) && isIPv6(address)
    ? new URL(`http://[${address}]`).hostname.slice(1, -1)
    : address;
}

/** 8 hexadecimal digits for IPv4, 32 for IPv6: no two addresses have the same. */
export function hexAddress(address: string): string {
  if (isIPv4(address)) {
    const parts = address.split('.').map((part) => Number(part).toString(16).padStart(2, '0'));
    return parts.join('');
  }
  const [head = '', tail] = canonicalAddress(address).split('::');
  const before = groupsOf(head);
  const after = groupsOf(tail ?? '');
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  return [...before, ...zeros, ...after].map((group) => group.padStart(4, '0')).join('');
}

function groupsOf(text: string): string[] {
  return text === '' ? [] : text.split(':');
}

function numberOf(address: string): bigint {
  return BigInt(`0x${hexAddress(address)}`);
}

/** Addresses of one family from `first` to `last`, both included. */
export interface AddressRange {
  family: IPFamily;
  first: bigint;
  last: bigint;
}

/** `10.0.0.0/28`, `fd00::/120`, `10.0.0.5-10.0.0.9` or one address; undefined if it is none of these. */
export function parseRange(text: string): AddressRange | undefined {
  const [left = '', right, ...rest] = text.split('-');
  if (rest.length > 0) return undefined;
  if (right === undefined) return parseBlock(text);
  if (!isAddress(left) || !isAddress(right) || familyOf(left) !== familyOf(right)) return undefined;
  const range = { family: familyOf(left), first: numberOf(left), last: numberOf(right) };
  return range.first <= range.last ? range : undefined;
}

function parseBlock(text: string): AddressRange | undefined {
  const [address = '', length, ...rest] = text.split('/');
  if (rest.length > 0 || !isAddress(address)) return undefined;
  const family = familyOf(address);
  const bits = family === 'IPv4' ? 32 : 128;
  if (length !== undefined && !/^(0|[1-9]\d{0,2})$/.test(length)) return undefined;
  const prefix = length === undefined ? bits : Number(length);
  if (prefix > bits) return undefined;
  const size = 1n << BigInt(bits - prefix);
  const first = (numberOf(address) / size) * size;
  return { family, first, last: first + size - 1n };
}

export function isWithin(address: string, range: AddressRange): boolean {
  if (familyOf(address) !== range.family) return false;
  const value = numberOf(address);
  return range.first <= value && value <= range.last;
}
