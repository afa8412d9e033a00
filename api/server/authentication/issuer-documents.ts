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
  readonly #options: Omit<IssuerDocumentsOptions, 'keys'>;
  #documents: ReadonlyMap<string, Answer>;

  constructor(options: IssuerDocumentsOptions) {
    this.#options = options;
    this.#documents = documentsOf(options);
  }

  setKeys(keys: readonly VerifyingKey[]): void {
    this.#documents = documentsOf({ ...this.#options, keys });
  }

  /** The document at the request's path; undefined: there is none. Throws 405. */
  answer({ method, path }: ServerRequest): Answer | undefined {
    const document = this.#documents.get(path.replace(/\/$/, ''));
    if (document === undefined || method === 'GET') return document;
    throw new ApiError('MethodNotAllowed', `${method} is not supported on ${path}`);
  }
}

function documentsOf({
  issuer,
  jwksUri,
  keys,
}: IssuerDocumentsOptions): ReadonlyMap<string, Answer> {
  const configuration = {
    issuer,
    jwks_uri: jwksUri,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [...new Set(keys.map(({ algorithm }) => algorithm))],
  };
  return new Map([
    ['/.well-known/openid-configuration', documentAnswer(configuration, 'application/json')],
    ['/openid/v1/jwks', documentAnswer(jsonWebKeySet(keys), 'application/jwk-set+json')],
  ]);
}

function documentAnswer(document: object, contentType: string): Answer {
  return valueAnswer(document, {
    headers: { 'Content-Type': contentType, 'Cache-Control': 'public, max-age=3600' },
  });
}
