/** How a typed client reaches the API: over HTTPS, or in the same process. Both speak these messages. */

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/**
 * The fence of a leader's write: the Lease object and the epoch (its create revision). The server adds
 * create_revision(lease) == epoch to the transaction and answers 409 LeaderChanged if it fails.
 * Over HTTP it travels as the header `Mesocosm-Fence: <namespace>/<name>;<epoch>`.
 */
export interface LeaseFence {
  namespace: string;
  name: string;
  epoch: number;
}

export interface ApiRequest {
  method: Method;
  /** Path without the query: `/apis/mesocosm.dev/v1/namespaces/default/jobs/web/status`. */
  path: string;
  query?: Readonly<Record<string, string>>;
  /** Content type of the body; `application/json` if absent. */
  contentType?: string;
  /** Accept header; `application/json` if absent. */
  accept?: string;
  /** A JSON value. */
  body?: unknown;
  fence?: LeaseFence;
}

export interface ApiResponse {
  code: number;
  /** The decoded JSON answer: an object, a list, or a metav1.Status. Must not be changed. */
  body: unknown;
  /** Texts of Warning headers. */
  warnings: string[];
}

export interface Transport {
  /** Rejects with a TransportError when no answer came. */
  request(request: ApiRequest, signal?: AbortSignal): Promise<ApiResponse>;
  /**
   * Opens a watch (the query carries watch=true) and yields its decoded events `{type, object}`.
   * Throws an ApiError if the server refuses; ends when the server or the signal ends it.
   */
  watch(request: ApiRequest, signal: AbortSignal): AsyncIterable<unknown>;
}

/** No answer, or one that is no answer. A write may or may not have happened if `sent`. */
export class TransportError extends Error {
  override readonly name = 'TransportError';
  readonly sent: boolean;

  constructor(message: string, options: { sent: boolean; cause?: unknown }) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.sent = options.sent;
  }
}
