import { apiVersionOf } from '../../machinery/metadata.ts';
import type { Resource } from '../../machinery/resource.ts';
import type { Kinds } from '../catalog.ts';
import { documentAnswer, documentOf, jsonDocument, type CachedDocument } from '../cacheable.ts';
import { parseAccept } from '../negotiation.ts';
import type { Answer, ServerRequest } from '../request.ts';
import { encodeGnostic } from './gnostic.ts';
import { openApiV2 } from './version2.ts';
import { openApiV3 } from './version3.ts';

/** What clients put into Accept for the protobuf form… */
const gnosticAccept = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';

/** …and what the answer must say: with the `@` it is no legal media type, and Go refuses it. */
const gnosticType = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

/** The API described for clients: version 3 by group version, version 2 in one piece. */
export class OpenApi {
  readonly #catalog: Kinds;
  readonly #version: string;
  readonly #documents = new Map<string, CachedDocument>();
  /** Of the catalog, when the documents were made. */
  #generation: number;

  constructor(catalog: Kinds, version: string) {
    this.#catalog = catalog;
    this.#version = version;
    this.#generation = catalog.generation;
  }

  get #resources(): readonly Resource[] {
    return this.#catalog.resources;
  }

  /** The document at the request's path; undefined: there is none. */
  answer(request: ServerRequest): Answer | undefined {
    if (request.method !== 'GET') return undefined;
    const path = request.path.replace(/\/$/, '');
    if (path === '/openapi/v2') return documentAnswer(this.#v2(request.accept), request);
    if (path === '/openapi/v3') return documentAnswer(this.#index(), request);
    if (!path.startsWith('/openapi/v3/')) return undefined;
    const document = this.#groupVersion(path.slice('/openapi/v3/'.length));
    if (document === undefined) return undefined;
    // By its hash a document never changes, so clients may keep it for good.
    const fixed = request.query.get('hash') === document.hash;
    return documentAnswer(document, request, fixed ? 'public, immutable' : 'public');
  }

  #v2(accept: string | undefined): CachedDocument {
    const wanted = parseAccept(accept).map(({ type }) => type);
    const gnostic = wanted.find((type) => type === gnosticAccept || type === gnosticType);
    const json = wanted.findIndex((type) => type === 'application/json' || type === '*/*');
    const first = gnostic !== undefined && (json < 0 || wanted.indexOf(gnostic) < json);
    return first
      ? this.#made('v2 protobuf', () => documentOf(encodeGnostic(this.#swagger()), gnosticType))
      : this.#made('v2 json', () => jsonDocument(this.#swagger()));
  }

  #swagger(): ReturnType<typeof openApiV2> {
    return openApiV2(this.#resources, this.#version);
  }

  #index(): CachedDocument {
    return this.#made('v3', () => {
      const paths = [...new Set(this.#resources.map(placeOf))].map((place) => {
        const hash = this.#groupVersion(place)?.hash ?? '';
        return [place, { serverRelativeURL: `/openapi/v3/${place}?hash=${hash}` }];
      });
      return jsonDocument({ paths: Object.fromEntries(paths) as unknown });
    });
  }

  #groupVersion(place: string): CachedDocument | undefined {
    const resources = this.#resources.filter((resource) => placeOf(resource) === place);
    if (resources.length === 0) return undefined;
    return this.#made(`v3 ${place}`, () => jsonDocument(openApiV3(resources, this.#version)));
  }

  /** Documents are made when first asked for, and kept. */
  #made(name: string, make: () => CachedDocument): CachedDocument {
    if (this.#generation !== this.#catalog.generation) {
      this.#generation = this.#catalog.generation;
      this.#documents.clear();
    }
    let document = this.#documents.get(name);
    if (document === undefined) {
      document = make();
      this.#documents.set(name, document);
    }
    return document;
  }
}

/** `api/v1` or `apis/mesocosm.dev/v1`. */
function placeOf({ gvk }: Resource): string {
  return gvk.group === '' ? `api/${gvk.version}` : `apis/${apiVersionOf(gvk)}`;
}
