import { z } from 'zod';
import type { FieldError } from '../machinery/errors.ts';

/** What Secrets and ConfigMaps have in common: keys, values and bounds of their data. */

/** Bytes of all values of one object. */
export const maxDataBytes = 1 << 20;

const keyPattern = '[-._a-zA-Z0-9]+';
const dataKey = new RegExp(`^${keyPattern}$`);

/** What is wrong with a key of data, in Kubernetes' words. */
export function dataKeyErrors(key: string): string[] {
  const errors = key.length > 253 ? ['must be no more than 253 characters'] : [];
  if (!dataKey.test(key)) {
    errors.push(
      `a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '${keyPattern}')`,
    );
  }
  if (key === '.' || key === '..') errors.push(`must not be '${key}'`);
  else if (key.startsWith('..')) errors.push("must not start with '..'");
  return errors;
}

export function validateDataKeys(data: object | undefined, field: string): FieldError[] {
  return Object.keys(data ?? {}).flatMap((key) =>
    dataKeyErrors(key).map((why) => ({
      field: `${field}[${key}]`,
      message: `Invalid value: ${JSON.stringify(key)}: ${why}`,
      reason: 'FieldValueInvalid' as const,
    })),
  );
}

export function tooMuchData(field: string, bytes: number): FieldError[] {
  if (bytes <= maxDataBytes) return [];
  const message = `Too long: must have at most ${maxDataBytes} bytes`;
  return [{ field, message, reason: 'FieldValueTooLong' }];
}

/** A field of an object that says of itself that it does not change. */
export function frozenField(field: string): FieldError {
  return {
    field,
    message: 'Forbidden: field is immutable when `immutable` is set',
    reason: 'FieldValueForbidden',
  };
}

/**
 * Standard base64 (RFC 4648 section 4) as Go reads it: line breaks mean nothing, padding is needed.
 * The offset at which it is wrong, if it is.
 */
export function base64Fault(text: string): number | undefined {
  const packed = text.replace(/[\r\n]/g, '');
  const end = packed.search(/[^A-Za-z0-9+/]/);
  const padding = end === -1 ? '' : packed.slice(end);
  if (packed.length % 4 === 0 && /^={0,2}$/.test(padding)) return undefined;
  const fault = text.search(/[^A-Za-z0-9+/\r\n]/);
  return fault === -1 ? text.length : fault;
}

/** Bytes in their JSON form. */
export const base64Schema = z
  .string()
  .superRefine((text, context) => {
    const fault = base64Fault(text);
    if (fault === undefined) return;
    context.addIssue({ code: 'custom', message: `illegal base64 data at input byte ${fault}` });
  })
  .meta({ format: 'byte' });

/** Number of bytes that base64 text stands for, without making them. */
export function decodedLength(text: string): number {
  return Buffer.byteLength(text.replace(/[\r\n]/g, ''), 'base64');
}

/** The one way to write these bytes in base64; other ways are read, too. */
export function canonicalBase64(text: string): string {
  return Buffer.from(text, 'base64').toString('base64');
}
