import { decodeJwt, errors } from 'jose';
import { z } from 'zod';

/** The issuer that a token claims to be of, before anything of it is believed; undefined if it is no JWT. */
export function claimedIssuer(token: string): string | undefined {
  try {
    return decodeJwt(token).iss;
  } catch (error) {
    if (error instanceof errors.JOSEError || error instanceof TypeError) return undefined;
    throw error;
  }
}

/** Why a token does not count, without any part of it. */
export function refusalOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'it has expired';
  if (error instanceof errors.JWTClaimValidationFailed) {
    return `its claim ${error.claim} is not what it must be`;
  }
  if (error instanceof errors.JWKSNoMatchingKey) return 'no key that is known has signed it';
  if (error instanceof errors.JOSEAlgNotAllowed)
    return 'it is signed by an algorithm that is not allowed';
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'its signature is wrong';
  if (error instanceof z.ZodError) {
    return `it lacks claims: ${error.issues.map(({ path }) => path.join('.')).join(', ')}`;
  }
  if (error instanceof errors.JOSEError) return `it is malformed (${error.code})`;
  throw error;
}
