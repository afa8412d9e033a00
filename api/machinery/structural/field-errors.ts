import type { FieldError } from '../errors.ts';

/** What is wrong with a field, in Kubernetes' words. */

export function required(field: string, why: string): FieldError {
  return { field, message: `Required value: ${why}`, reason: 'FieldValueRequired' };
}

export function forbidden(field: string, why: string): FieldError {
  return { field, message: `Forbidden: ${why}`, reason: 'FieldValueForbidden' };
}

export function invalid(field: string, value: unknown, why: string): FieldError {
  const text = JSON.stringify(value);
  const shown = text.length <= 256 ? text : `${text.slice(0, 253)}...`;
  return { field, message: `Invalid value: ${shown}: ${why}`, reason: 'FieldValueInvalid' };
}

export function unsupported(
  field: string,
  value: unknown,
  supported: readonly string[],
): FieldError {
  const values = supported.map((one) => JSON.stringify(one)).join(', ');
  return {
    field,
    message: `Unsupported value: ${JSON.stringify(value)}: supported values: ${values}`,
    reason: 'FieldValueNotSupported',
  };
}
