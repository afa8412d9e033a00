/**
 * Why a message could not be encoded or decoded.
 * Malformed: the bytes are no such message (bad tag, truncated varint, invalid JSON, too deep).
 * MissingRequired: a required field is absent, or its enum value is one that we do not know.
 * WrongType: a value does not have the field's type or range.
 * UnknownField: an object to be encoded has a property that the message has not.
 * UnknownCallType: a call without a type, or with UNKNOWN, which kills a Mesos master.
 */
export type CodecErrorCode =
  'Malformed' | 'MissingRequired' | 'WrongType' | 'UnknownField' | 'UnknownCallType';

export class CodecError extends Error {
  override readonly name = 'CodecError';
  readonly code: CodecErrorCode;
  /** Full name of the message, then field names and indices down to the culprit. */
  readonly path: readonly (string | number)[];
  readonly detail: string;

  constructor(
    code: CodecErrorCode,
    path: readonly (string | number)[],
    detail: string,
    cause?: unknown,
  ) {
    super(`${path.join('.')}: ${detail}`, cause === undefined ? {} : { cause });
    this.code = code;
    this.path = path;
    this.detail = detail;
  }

  /** The same error as seen from the enclosing message. */
  within(...segments: (string | number)[]): CodecError {
    return new CodecError(this.code, [...segments, ...this.path], this.detail, this.cause);
  }
}
