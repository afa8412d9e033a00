import { ApiError, type FieldError } from '../../machinery/errors.ts';
import { forbidden, type Named } from '../errors.ts';

/** 403 for what would be right elsewhere, with one cause a field, as cosm shows them. */
export function restricted(of: Named, name: string, errors: readonly FieldError[]): ApiError {
  const texts = errors.map(({ message }) => message);
  const why = texts.length === 1 ? (texts[0] ?? '') : `[${texts.join(', ')}]`;
  const refusal = forbidden(of, name, why);
  const causes = errors.map(({ field, message, reason }) => ({
    reason: reason ?? 'FieldValueForbidden',
    message,
    field,
  }));
  return new ApiError('Forbidden', refusal.message, { details: { ...refusal.details, causes } });
}
