import { ApiError } from '../../machinery/errors.ts';
import { valueAnswer, type Answer, type ServerRequest } from '../request.ts';
import { jsonWebKeySet, type VerifyingKey } from './signing-keys.ts';

export interface IssuerDocumentsOptions {
  issuer: string;
  /** Where others find the keys. */
  jwksUri: string;
  keys: readonly VerifyingKey[];
}

/** OpenID Connect Discovery 1.0 of the tokens of ServiceAccounts, for those who verify them themselves. */
export class IssuerDocuments {
  readonly #documents: ReadonlyMap<string, Answer>;

  constructor({ issuer, jwksUri, keys }: IssuerDocumentsOptions) {
    const configuration = {
      issuer,
      jwks_uri: jwksUri,
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: [...new Set(keys.map(({ algorithm }) => algorithm))],
    };
    this.#documents = new Map([
      ['/.well-known/openid-configuration', documentAnswer(configuration, 'application/json')],
      ['/openid/v1/jwks', documentAnswer(jsonWebKeySet(keys), 'application/jwk-set+json')],
    ]);
  }

  /** The document at the request's path; undefined: there is none. Throws 405. */
  answer({ method, path }: ServerRequest): Answer | undefined {
    const document = this.#documents.get(path.replace(/\/$/, ''));
    if (document === undefined || method === 'GET') return document;
    throw new ApiError('MethodNotAllowed', `${method} is not supported on ${path}`);
  }
}

function documentAnswer(document: object, contentType: string): Answer {
  return valueAnswer(document, {
    headers: { 'Content-Type': contentType, 'Cache-Control': 'public, max-age=3600' },
  });
}
